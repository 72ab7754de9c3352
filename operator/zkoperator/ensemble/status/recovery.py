"""What is said about a recovery: its proposal to a person, the Events of its steps, an idle approval. Pure."""

from zkoperator.api.incarnation import Incarnation, Origin
from zkoperator.ensemble.model.names import RECOVER, RESTORE
from zkoperator.ensemble.observe.answers import NotServing
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.approval import known_zxid
from zkoperator.ensemble.plan.steps import (
    CreateSafetyCopy,
    CreateSeedClaim,
    RecordIncarnation,
    RecoveryStep,
    RemoveRestoreJob,
    StartRestoreJob,
    StartSeed,
    StopMembers,
)
from zkoperator.ensemble.validate import ValidatedCluster


def propose_recovery(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return how a person lets the ensemble go on from one member, and at what cost; empty if none can be the seed."""
    able = [member for member in sorted(observed.voters) if member in observed.claims]
    if not able:
        return ""
    best = max(able, key=lambda member: (_runs(observed, member), known_zxid(cluster, member), -member))
    name, where = cluster.meta.name, f"-n {cluster.meta.namespace}"
    zxid = known_zxid(cluster, best)
    command = f"kubectl annotate zk {name} {where} {RECOVER}={cluster.names.pod(best)}@{zxid:#x} --overwrite"
    return (
        f"only if too many members are gone for good: kubectl zk recover {name} {where} compares those that are left, "
        f"and {command} goes on from that one, whose last transaction seen is {zxid:#x}. Writes that only the others "
        "have are lost then, acknowledged ones included"
    )


def _runs(observed: Observed, member: int) -> bool:
    return isinstance(observed.answer(member), NotServing)


def describe_recovery_step(step: RecoveryStep) -> str:
    """Return the note of a step that was carried out."""
    match step:
        case RecordIncarnation(incarnation, complete):
            return _describe_record(incarnation, complete=complete)
        case StopMembers():
            return "all members are stopped, so that none of them runs on when the seed starts"
        case StartSeed():
            return "the seed starts alone, with an epoch above all earlier ones"
        case StartRestoreJob(manifest, incarnation):
            what = "fetches the backup to the seed's volume" if incarnation else "reads the backup to its end"
            return f"Job {manifest['metadata']['name']} {what}"
        case RemoveRestoreJob(name):
            return f"Job {name} has ended, and is removed"
        case CreateSeedClaim(manifest):
            return f"claim {manifest['metadata']['name']} is made for the backup"
        case CreateSafetyCopy(manifest):
            return f"ZooKeeperBackup {manifest['metadata']['name']} copies the present data before it is given up"


def _describe_record(incarnation: Incarnation | None, *, complete: bool) -> str:
    if incarnation is None or not incarnation.seed:
        return "the ensemble goes on as it was: the recovery or restore is withdrawn"
    if complete:
        return f"incarnation {incarnation.number} is led by {incarnation.seed}; the others join and copy its data"
    whose = "a backup" if incarnation.from_ is Origin.BACKUP else incarnation.seed
    return f"incarnation {incarnation.number} begins with the data of {whose}: {incarnation.approved}"


def idle_approval(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return a warning about an approval that does nothing now and might be carried out one day; empty without one."""
    recorded = cluster.status.incarnation
    if recorded is not None and not recorded.is_open and cluster.meta.annotations.get(RESTORE) == recorded.approved:
        return f"the restore {recorded.approved} is done; remove the annotation ({_removal(cluster, RESTORE)})"
    if RECOVER not in cluster.meta.annotations or observed.committed is None or cluster.recovery is not None:
        return ""
    return f"the annotation {RECOVER} does nothing while a quorum serves; remove it ({_removal(cluster, RECOVER)})"


def _removal(cluster: ValidatedCluster, annotation: str) -> str:
    return f"kubectl -n {cluster.meta.namespace} annotate zk {cluster.meta.name} {annotation}-"
