"""A backup as the data with which an ensemble begins: a new one, or one that gives up what it has. Pure.

It is the mechanism of `recovery.py`, with one more part: before the seed starts, a Job puts the backup on its volume,
beside the data that is there, while no member runs. Only the seed itself moves its data aside. So up to its start
everything can be taken back.

Where data is given up, nothing is stopped before a Job has read the whole backup and found it sound, and before what
the ensemble has now is copied, if a quorum serves.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from zkoperator.api.cluster import StorageType
from zkoperator.api.incarnation import FOUNDING, Incarnation, Origin
from zkoperator.api.reasons import ClusterReason
from zkoperator.backup.model.job import JobView, Phase
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.plan.outcome import outcome_of
from zkoperator.backup.plan.under_way import under_way
from zkoperator.ensemble.build.restore import checking, fetching, safety_copy, seed_claim
from zkoperator.ensemble.model.names import RESTORE
from zkoperator.ensemble.model.restore import Source
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.restore_view import RESTORE_TEXT, RestoreView, SafetyCopy, restore_text
from zkoperator.ensemble.plan.approval import LOST_S, epoch_after, may_serve_unseen
from zkoperator.ensemble.plan.progress import Recovery
from zkoperator.ensemble.plan.steps import (
    CreateSafetyCopy,
    CreateSeedClaim,
    RecordBootstrap,
    RecordIncarnation,
    RemoveRestoreJob,
    StartRestoreJob,
)
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.zk.zxid import MAX_EPOCH

SEED: Final = 1
"""The member on whose volume the backup is put."""
POLL_S: Final = 1.0
"""Seconds between two looks at a Job."""
WAIT_S: Final = 5.0
"""Seconds between two looks for something that is missing."""
AGAIN_S: Final = 60.0
"""Seconds between the end of a Job that could not fetch the backup, and the next one."""
FRESH: Final = timedelta(hours=1)
"""A copy of the present data that is older does not count."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A restore that is asked for and can be carried out."""

    text: str
    number: int
    source: Source
    view: RestoreView


def found_from_backup(cluster: ValidatedCluster, observed: Observed, first: RecordBootstrap) -> Recovery:
    """Return how a new ensemble begins with a backup.

    The founding counts as complete from the first moment, so that no member may ever found an empty one.
    """
    view = observed.restore
    if view is None or isinstance(view.source, str):
        why = view.source if view is not None and isinstance(view.source, str) else "it has not been looked at"
        return replace(_waiting(f"waiting for the backup of {FOUNDING}: {why}"), look_again_s=WAIT_S)
    if view.why_no_job:
        return _waiting(f"waiting to fetch {view.source.called}: {view.why_no_job}")
    if view.source.epoch > MAX_EPOCH:
        return _waiting(f"{view.source.called} is of epoch {view.source.epoch}, which is too large to go on from")
    epoch = epoch_after(cluster, view.source.zxid, 0)
    record = Incarnation.model_validate(
        {"number": 1, "seed": cluster.names.pod(SEED), "from": Origin.BACKUP, "epoch": epoch, "approved": FOUNDING}
    )
    step = replace(first, complete=True, incarnation=record)
    return Recovery(f"recording that the ensemble begins with {view.source.called}", (step,), ClusterReason.RESTORING)


def begin_restore(cluster: ValidatedCluster, observed: Observed, template: int) -> Recovery | None:
    """Return the next part of what comes before a restore; None where none is asked for.

    Args:
        cluster: the cluster.
        observed: what was seen of it.
        template: the epoch in the template of the pods.
    """
    text = restore_text(cluster)
    if not text or cluster.recovery is not None or not cluster.is_founded:
        return None
    asked = _read(cluster, observed, text)
    if isinstance(asked, str):
        return _refused(text, asked)
    found = _check(cluster, asked) or _secure(cluster, observed, asked)
    if found is not None:
        return found
    epoch = epoch_after(cluster, max(asked.source.zxid, *_seen(observed), 0), template)
    record = Incarnation.model_validate(
        {
            "number": asked.number + 1,
            "seed": cluster.names.pod(SEED),
            "from": Origin.BACKUP,
            "epoch": epoch,
            "approved": text,
        }
    )
    message = f"recording that incarnation {record.number} begins with {asked.source.called}"
    return Recovery(message, (RecordIncarnation(record),), ClusterReason.RESTORING)


def is_withdrawn(cluster: ValidatedCluster, recovery: Incarnation) -> bool:
    """Whether the person has taken back the approval of a restore that is under way."""
    if recovery.from_ is not Origin.BACKUP or recovery.approved == FOUNDING:
        return False
    return cluster.meta.annotations.get(RESTORE, "") != recovery.approved


def fetch(cluster: ValidatedCluster, observed: Observed, recovery: Incarnation) -> Recovery | None:
    """Return how the backup gets to the seed's volume, None once it is there. No member may run."""
    view = observed.restore
    if view is None or isinstance(view.source, str):
        why = view.source if view is not None and isinstance(view.source, str) else "the backup is not known any more"
        return _failed(cluster, recovery, why)
    if view.check is not None and not view.check.is_deleting and view.check.owner_uid == cluster.meta.uid:
        return _step(
            f"the backup was checked by Job {view.check.name}", RemoveRestoreJob(view.check.name, view.check.uid)
        )
    claim = observed.claims.get(SEED)
    if claim is None:
        manifest = seed_claim(cluster, SEED)
        return _step(f"creating claim {cluster.names.claim(SEED)}", CreateSeedClaim(manifest))
    if claim.deleting:
        return _waiting(f"claim {claim.name} is being deleted; it is made anew when it is gone")
    if view.fetch is None:
        return _start(cluster, recovery, view, view.source)
    return _at(cluster, recovery, view.fetch, view)


def _start(cluster: ValidatedCluster, recovery: Incarnation, view: RestoreView, source: Source) -> Recovery:
    if view.why_no_job:
        return _failed(cluster, recovery, view.why_no_job)
    job = fetching(cluster, SEED, recovery.epoch, source, view.image)
    return _step(f"fetching {source.called} to the volume of {recovery.seed}", StartRestoreJob(job, recovery.epoch))


def _at(cluster: ValidatedCluster, recovery: Incarnation, job: JobView, view: RestoreView) -> Recovery | None:
    if job.owner_uid != cluster.meta.uid:
        return _failed(cluster, recovery, _foreign(job))
    if job.is_deleting:
        return _waiting(f"Job {job.name} is being deleted")
    if job.phase is not Phase.ENDED:
        doing = under_way(job, f"fetches the backup to the volume of {recovery.seed}")
        return _failed(cluster, recovery, doing.message) if job.trouble else _waiting(doing.message)
    why = _flaw(job, recovery.epoch)
    if not why:
        return None
    if job.ended_at is not None and (view.now - job.ended_at).total_seconds() >= AGAIN_S:
        return _step(f"fetching the backup again, as {why}", RemoveRestoreJob(job.name, job.uid))
    return _failed(cluster, recovery, f"{why}; it is tried again every {AGAIN_S:.0f} s")


def _read(cluster: ValidatedCluster, observed: Observed, text: str) -> _Asked | str:
    """Return what is asked for, or why it is refused."""
    found, view, recorded = RESTORE_TEXT.fullmatch(text), observed.restore, cluster.status.incarnation
    number = recorded.number if recorded is not None else 0
    if found is None or view is None:
        return f"write <backup>@<incarnation>, such as {cluster.meta.name}-backup@{number}"
    if int(found["number"]) != number:
        return (
            f"the ensemble is in incarnation {number} (status.incarnation.number, 0 without one), so that it may have "
            f"been carried out before: to give up what there is now, write {found['backup']}@{number}"
        )
    if cluster.spec.storage.type is StorageType.EPHEMERAL:
        return "spec.storage.type is Ephemeral: there is no volume to put the backup on before a member starts"
    if isinstance(view.source, str):
        return view.source
    if view.source.epoch > MAX_EPOCH:
        return f"{view.source.called} is of epoch {view.source.epoch}, which is too large to go on from"
    if view.why_no_job:
        return view.why_no_job
    return may_serve_unseen(cluster, observed) or _Asked(text, number, view.source, view)


def _check(cluster: ValidatedCluster, asked: _Asked) -> Recovery | None:
    """Return how the backup is read to its end beforehand, None once it was found to be sound."""
    job = asked.view.check
    if job is None:
        manifest = checking(cluster, asked.text, asked.source, asked.view.image)
        return _step(f"checking {asked.source.called} before anything is stopped", StartRestoreJob(manifest))
    if job.owner_uid != cluster.meta.uid:
        return _refused(asked.text, _foreign(job))
    if job.phase is not Phase.ENDED:
        return _beforehand(under_way(job, f"checks {asked.source.called} before anything is stopped").message)
    if why := _flaw(job, MAX_EPOCH):
        again = f"nothing was stopped; to have it read again: kubectl -n {cluster.meta.namespace} delete job {job.name}"
        return _refused(asked.text, f"{why}; {again}")
    return None


def _secure(cluster: ValidatedCluster, observed: Observed, asked: _Asked) -> Recovery | None:
    """Return how the present data is copied, None once it is, or where no quorum can be read."""
    if observed.committed is None:
        if observed.leaderless_s >= LOST_S:
            return None
        message = f"a restore without a copy of the present data begins when no quorum has served for {LOST_S:.0f} s"
        return _beforehand(f"{message}; it has been {observed.leaderless_s:.0f} s")
    copy = asked.view.safety
    if copy is None or _is_stale(copy, asked.view):
        manifest = safety_copy(cluster, asked.text, asked.source, asked.view.now)
        name = manifest["metadata"]["name"]
        return _step(f"copying the present data to ZooKeeperBackup {name} first", CreateSafetyCopy(manifest))
    if copy.failed:
        again = f"nothing was stopped; to try again: kubectl -n {cluster.meta.namespace} delete zkb {copy.name}"
        return _refused(asked.text, f"the present data cannot be copied: {copy.failed}; {again}")
    if copy.completed_at is None:
        return _beforehand(f"ZooKeeperBackup {copy.name} copies the present data first: {copy.progress}")
    return None


def _is_stale(copy: SafetyCopy, view: RestoreView) -> bool:
    return copy.completed_at is not None and view.now - copy.completed_at > FRESH


def _flaw(job: JobView, epoch: int) -> str:
    """Return why the backup is not what it should be, "" when the Job found it sound."""
    outcome = outcome_of(job)
    if isinstance(outcome, Waiting):
        return f"Job {job.name} failed with {outcome.reason}: {outcome.message}"
    if outcome.backup is None:
        return f"Job {job.name} does not say what it has read"
    if outcome.backup.epoch >= epoch:
        return f"the backup is of epoch {outcome.backup.epoch}, which is not below {epoch}"
    return ""


def _seen(observed: Observed) -> tuple[int, ...]:
    serving = (observed.serving(member) for member in observed.answers)
    return tuple(answer.zxid for answer in serving if answer is not None)


def _foreign(job: JobView) -> str:
    return f"Job {job.name} belongs to another object: kubectl delete job {job.name}"


def _step(message: str, step: StartRestoreJob | RemoveRestoreJob | CreateSeedClaim | CreateSafetyCopy) -> Recovery:
    return Recovery(message, (step,), ClusterReason.RESTORING)


def _waiting(message: str) -> Recovery:
    return Recovery(message, (), ClusterReason.RESTORING, look_again_s=POLL_S)


def _beforehand(message: str) -> Recovery:
    """Everything goes on as usual meanwhile."""
    return Recovery(message, (), ClusterReason.RESTORING, begun=False)


def _refused(text: str, why: str) -> Recovery:
    return Recovery(f"the restore {text} is refused: {why}", (), ClusterReason.RESTORE_REFUSED, begun=False)


def _failed(cluster: ValidatedCluster, recovery: Incarnation, why: str) -> Recovery:
    """Say why the backup does not get to the seed, and how to do without it."""
    meta = cluster.meta
    back = f"to go on with the data of before: kubectl -n {meta.namespace} annotate zk {meta.name} {RESTORE}-"
    message = why if recovery.approved == FOUNDING else f"{why}; {back}"
    return Recovery(
        f"no member runs before the backup is there: {message}", (), ClusterReason.RESTORE_FAILED, look_again_s=POLL_S
    )
