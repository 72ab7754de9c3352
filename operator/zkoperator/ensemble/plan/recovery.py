"""The way back from a lost quorum: the ensemble begins again, in a new incarnation, from the data of one member. Pure.

All pods of the past end first. A member of the past that runs on would acknowledge writes which the new incarnation
never sees. Only the end of its pod rules that out, no waiting time does. Then the seed starts alone, with an epoch
above all that ever was. When it leads, the others join as in any growth: they put their data aside and copy the seed's.
"""

from dataclasses import dataclass, replace

from zkoperator.api.incarnation import Incarnation
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView, incarnation_of
from zkoperator.ensemble.plan.approval import LOST_S, approval_of, epoch_after, read_approval
from zkoperator.ensemble.plan.child_steps import child_steps, seed_of, stateful_set_of
from zkoperator.ensemble.plan.steps import ApplyChild, RecordIncarnation, StartSeed, Step, StopMembers
from zkoperator.ensemble.validate import ValidatedCluster


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery does next.

    `begun`: it is recorded, or about to be, and nothing else is done. `refused`: the approval does not fit; `message`
    says why.
    """

    message: str
    steps: tuple[Step, ...] = ()
    begun: bool = True
    refused: bool = False


def recover(cluster: ValidatedCluster, observed: Observed) -> Recovery | None:
    """Return the next part of the recovery, None when none is asked for or under way.

    The approval of another seed replaces a recovery whose seed does not lead, such as one whose volume is broken.
    """
    found = _begin(cluster, observed)
    recovery = cluster.recovery
    if recovery is None or (found is not None and found.begun):
        return found
    going_on = _continue(cluster, observed, recovery)
    return replace(going_on, message=f"{going_on.message}; {found.message}") if found is not None else going_on


def _begin(cluster: ValidatedCluster, observed: Observed) -> Recovery | None:
    text = approval_of(cluster)
    if not text or not cluster.is_founded or (observed.committed is not None and cluster.recovery is None):
        return None
    approval = read_approval(cluster, observed, text)
    if isinstance(approval, str):
        return Recovery(f"the approval {text} is refused: {approval}", begun=False, refused=True)
    if observed.leaderless_s < LOST_S:
        message = f"the approval {text} counts once there has been no leader for {LOST_S:.0f} s"
        return Recovery(f"{message}; it has been {observed.leaderless_s:.0f} s", begun=False)
    number = 1 + (cluster.status.incarnation.number if cluster.status.incarnation is not None else 0)
    seed, epoch = cluster.names.pod(approval.member), epoch_after(cluster, approval, _template_incarnation(observed))
    record = Incarnation(number=number, seed=seed, epoch=epoch, approved=text)
    return Recovery(f"recording that {seed} is the seed of incarnation {number}", (RecordIncarnation(record),))


def _continue(cluster: ValidatedCluster, observed: Observed, recovery: Incarnation) -> Recovery:
    past = [pod for _, pod in sorted(observed.pods.items()) if pod.incarnation < recovery.epoch]
    if past and observed.committed is not None:
        step = RecordIncarnation(_previous(recovery), complete=True)
        return Recovery("a quorum serves again, so nothing is recovered", (step,))
    if past or _may_make_pods_of_the_past(observed, recovery):
        return _stop(observed, recovery, past)
    if calm := [step for step in child_steps(cluster, observed) if not _is_of_stateful_set(step)]:
        return Recovery("writing the objects for the seed", tuple(calm))
    seed = seed_of(cluster, recovery)
    if observed.committed is not None and observed.leader == seed:
        return Recovery(f"{recovery.seed} leads", (RecordIncarnation(recovery, complete=True),))
    return _start(cluster, observed, recovery, seed)


def _stop(observed: Observed, recovery: Incarnation, past: list[PodView]) -> Recovery:
    live = observed.children.get(Child.STATEFUL_SET)
    if live is not None and observed.replicas:
        meta = live["metadata"]
        stop = StopMembers(meta["uid"], meta["resourceVersion"])
        return Recovery(f"stopping all members before {recovery.seed} starts alone", (stop,))
    names = ", ".join(pod.name for pod in past)
    return Recovery(
        f"waiting for the end of {names}: a member that runs on would take writes that are lost. If a node is gone, "
        f"make sure that it is switched off, and only then: kubectl delete pod --force {past[0].name if past else ''}"
    )


def _start(cluster: ValidatedCluster, observed: Observed, recovery: Incarnation, seed: int) -> Recovery:
    live = observed.children.get(Child.STATEFUL_SET)
    message = f"waiting for {recovery.seed} to lead alone"
    if troubles := observed.troubles((seed,)):
        message += f": {troubles}; to begin with another member, change the annotation"
    if not child_steps(cluster, observed):
        return Recovery(message)
    meta = live["metadata"] if live is not None else {}
    manifest = stateful_set_of(cluster, observed, 1)
    start = StartSeed(manifest, recovery.epoch, meta.get("uid", ""), meta.get("resourceVersion", ""))
    return Recovery(f"starting {recovery.seed} alone with its data", (start,))


def _previous(recovery: Incarnation) -> Incarnation | None:
    """Return the record before this recovery. No pod was made for the new one, so no volume has a trace of it."""
    return Incarnation(number=recovery.number - 1) if recovery.number > 1 else None


def _may_make_pods_of_the_past(observed: Observed, recovery: Incarnation) -> bool:
    return bool(observed.replicas) and _template_incarnation(observed) < recovery.epoch


def _template_incarnation(observed: Observed) -> int:
    spec = observed.children.get(Child.STATEFUL_SET, {}).get("spec", {})
    return incarnation_of(spec.get("template", {}).get("metadata", {}).get("annotations") or {})


def _is_of_stateful_set(step: Step) -> bool:
    return isinstance(step, ApplyChild) and step.child is Child.STATEFUL_SET
