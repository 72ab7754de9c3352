"""The ensemble begins again, in a new incarnation, from the data of one member. Pure.

It is the way back from a lost quorum, and the way to a backup (`restore.py`).

All pods of the past end first. A member of the past that runs on would acknowledge writes which the new incarnation
never sees. Only the end of its pod rules that out, no waiting time does. Then the seed starts alone, with an epoch
above all that ever was. When it leads, the others join as in any growth: they put their data aside and copy the seed's.
"""

from dataclasses import replace

from zkoperator.api.incarnation import Incarnation, Origin
from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import RECOVER
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView, incarnation_of
from zkoperator.ensemble.plan.approval import LOST_S, approval_of, epoch_after, read_approval
from zkoperator.ensemble.plan.child_steps import child_steps, seed_of, stateful_set_of
from zkoperator.ensemble.plan.progress import Recovery
from zkoperator.ensemble.plan.restore import begin_restore, fetch, is_withdrawn
from zkoperator.ensemble.plan.steps import ApplyChild, RecordIncarnation, StartSeed, Step, StopMembers
from zkoperator.ensemble.plan.tls import await_certificates
from zkoperator.ensemble.validate import ValidatedCluster

_STATEFUL_SETS = (Child.STATEFUL_SET, Child.OBSERVERS)


def recover(cluster: ValidatedCluster, observed: Observed, first: tuple[Step, ...] = ()) -> Recovery | None:
    """Return the next part of the recovery or restore, None when none is asked for or under way.

    The approval of another seed replaces a recovery whose seed does not lead, such as one whose volume is broken.

    Args:
        cluster: the cluster.
        observed: what was seen of it.
        first: what has to be done before the seed starts, beside its objects.
    """
    found = _begin(cluster, observed) or begin_restore(cluster, observed, _template_incarnation(observed))
    recovery = cluster.recovery
    if recovery is None or (found is not None and found.begun):
        return found
    going_on = _continue(cluster, observed, recovery, first)
    return replace(going_on, message=f"{going_on.message}; {found.message}") if found is not None else going_on


def _begin(cluster: ValidatedCluster, observed: Observed) -> Recovery | None:
    text = approval_of(cluster)
    if not text or not cluster.is_founded or (observed.committed is not None and cluster.recovery is None):
        return None
    approval = read_approval(cluster, observed, text)
    if isinstance(approval, str):
        why = f"the approval {text} is refused: {approval}"
        return Recovery(why, reason=ClusterReason.RECOVERY_REFUSED, begun=False)
    if observed.leaderless_s < LOST_S:
        message = f"the approval {text} counts once there has been no leader for {LOST_S:.0f} s"
        return Recovery(f"{message}; it has been {observed.leaderless_s:.0f} s", begun=False)
    number = 1 + (cluster.status.incarnation.number if cluster.status.incarnation is not None else 0)
    seed, epoch = (
        cluster.names.pod(approval.member),
        epoch_after(cluster, approval.zxid, _template_incarnation(observed)),
    )
    record = Incarnation(number=number, seed=seed, epoch=epoch, approved=text)
    return Recovery(f"recording that {seed} is the seed of incarnation {number}", (RecordIncarnation(record),))


def _continue(
    cluster: ValidatedCluster, observed: Observed, recovery: Incarnation, first: tuple[Step, ...]
) -> Recovery:
    # An observer of the past would tell the seed of a configuration that has a higher version than the seed's.
    past = [pod for _, pod in sorted(observed.all_pods.items()) if pod.incarnation < recovery.epoch]
    if why := _needless(cluster, observed, recovery, past):
        return Recovery(why, (RecordIncarnation(_previous(observed, recovery), complete=True),), reason_of(recovery))
    if past or _may_make_pods_of_the_past(observed, recovery):
        return _stop(observed, recovery, past)
    if not _has_begun(observed, recovery) and (fetching := _fetch(cluster, observed, recovery)) is not None:
        return fetching
    calm = (*first, *(step for step in child_steps(cluster, observed) if not _is_of_stateful_set(step)))
    if calm:
        return Recovery("writing the objects for the seed", calm, reason_of(recovery))
    seed = seed_of(cluster, recovery)
    if observed.committed is not None and observed.leader == seed:
        return Recovery(f"{recovery.seed} leads", (RecordIncarnation(recovery, complete=True),), reason_of(recovery))
    return _start(cluster, observed, recovery, seed)


def reason_of(recovery: Incarnation) -> ClusterReason:
    """Return the reason of the condition Progressing while this goes on."""
    return ClusterReason.RESTORING if recovery.from_ is Origin.BACKUP else ClusterReason.RECOVERING


def _needless(cluster: ValidatedCluster, observed: Observed, recovery: Incarnation, past: list[PodView]) -> str:
    """Return why the ensemble goes on as it was, "" when it does not. No volume may know of the incarnation yet."""
    if recovery.from_ is Origin.SURVIVOR:
        return "a quorum serves again, so nothing is recovered" if past and observed.committed is not None else ""
    withdrawn = is_withdrawn(cluster, recovery) and not _has_begun(observed, recovery)
    return "the restore is withdrawn" if withdrawn else ""


def _has_begun(observed: Observed, recovery: Incarnation) -> bool:
    """Whether a pod of the incarnation may have been made."""
    pods = observed.pods.values()
    return _template_incarnation(observed) >= recovery.epoch or any(pod.incarnation >= recovery.epoch for pod in pods)


def _fetch(cluster: ValidatedCluster, observed: Observed, recovery: Incarnation) -> Recovery | None:
    return fetch(cluster, observed, recovery) if recovery.from_ is Origin.BACKUP else None


def _stop(observed: Observed, recovery: Incarnation, past: list[PodView]) -> Recovery:
    for child in _STATEFUL_SETS:
        live = observed.children.get(child)
        if live is not None and observed.replicas_of(child):
            meta = live["metadata"]
            stop = StopMembers(meta["uid"], meta["resourceVersion"], child)
            message = f"stopping all members before {recovery.seed} starts alone"
            return Recovery(message, (stop,), reason_of(recovery))
    names = ", ".join(pod.name for pod in past)
    return Recovery(
        f"waiting for the end of {names}: a member that runs on would take writes that are lost. If a node is gone, "
        f"make sure that it is switched off, and only then: kubectl delete pod --force {past[0].name if past else ''}",
        reason=reason_of(recovery),
    )


def _start(cluster: ValidatedCluster, observed: Observed, recovery: Incarnation, seed: int) -> Recovery:
    live = observed.children.get(Child.STATEFUL_SET)
    if (waiting := await_certificates(cluster, observed)) is not None:
        return Recovery(waiting.message, reason=reason_of(recovery))
    message = f"waiting for {recovery.seed} to lead alone"
    if troubles := observed.troubles((seed,)):
        message += f": {troubles}; {_another_way(recovery)}"
    if not child_steps(cluster, observed):
        return Recovery(message, reason=reason_of(recovery))
    meta = live["metadata"] if live is not None else {}
    manifest = stateful_set_of(cluster, observed, 1)
    start = StartSeed(manifest, recovery.epoch, meta.get("uid", ""), meta.get("resourceVersion", ""))
    whose = "its data" if _has_choice(recovery) else "the data of the backup"
    return Recovery(f"starting {recovery.seed} alone with {whose}", (start,), reason_of(recovery))


def _another_way(recovery: Incarnation) -> str:
    if _has_choice(recovery):
        return "to begin with another member, change the annotation"
    return f"to begin with what a member had before instead: {RECOVER}=<pod>@<zxid>"


def _has_choice(recovery: Incarnation) -> bool:
    """Whether another member's data would do as well."""
    return recovery.from_ is Origin.SURVIVOR


def _previous(observed: Observed, recovery: Incarnation) -> Incarnation | None:
    """Return the record before this recovery. No pod was made for the new one, so no volume has a trace of it.

    The epoch stays that of the pods: a volume of an earlier one that comes back has to put its data aside.
    """
    epoch = _template_incarnation(observed)
    return Incarnation(number=recovery.number - 1, epoch=epoch) if recovery.number > 1 else None


def _may_make_pods_of_the_past(observed: Observed, recovery: Incarnation) -> bool:
    return any(
        observed.replicas_of(child) and _template_incarnation(observed, child) < recovery.epoch
        for child in _STATEFUL_SETS
    )


def _template_incarnation(observed: Observed, child: Child = Child.STATEFUL_SET) -> int:
    spec = observed.children.get(child, {}).get("spec", {})
    return incarnation_of(spec.get("template", {}).get("metadata", {}).get("annotations") or {})


def _is_of_stateful_set(step: Step) -> bool:
    return isinstance(step, ApplyChild) and step.child is Child.STATEFUL_SET
