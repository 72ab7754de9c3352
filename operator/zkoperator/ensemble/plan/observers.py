"""Observers: replaced before the voters, one after another, and removed after they have left the configuration. Pure.

They have no vote, so no quorum is at stake, and no restart of a voter waits for one that does not come back.
"""

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import OBSERVER_BASE
from zkoperator.ensemble.observe.downtime import RETURN_S
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.child_steps import observers_of, wanted_observers
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.roll import begun_restart, reason_of, why_replaced
from zkoperator.ensemble.plan.steps import RemovePods, RestartPod
from zkoperator.ensemble.validate import ValidatedCluster


def remove_observers(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to remove the pods of observers that have left the committed configuration, and to wait for their end."""
    last = OBSERVER_BASE + wanted_observers(cluster, observed)
    live, replicas = observed.children.get(Child.OBSERVERS), observed.replicas_of(Child.OBSERVERS)
    if observed.committed is None or live is None or replicas is None:
        return None
    removed = tuple(range(last + 1, OBSERVER_BASE + replicas + 1))
    if any(observed.committed.find(member) is not None for member in removed):
        return None
    if removed:
        meta, manifest = live["metadata"], observers_of(cluster, observed, last - OBSERVER_BASE)
        step = RemovePods(manifest, meta["uid"], meta["resourceVersion"], removed)
        return Proposal(ClusterReason.SCALING_DOWN, f"removing the pods of {_names(cluster, removed)}", step)
    going = tuple(member for member in sorted(observed.observer_pods) if member > last)
    return Proposal(ClusterReason.SCALING_DOWN, f"waiting for the end of {_names(cluster, going)}") if going else None


def roll_observers(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose the next observer to replace, or to wait for one that comes back; None when all are as the spec asks."""
    theirs = cluster.of_observers()
    pods = {member: pod for member, pod in sorted(observed.observer_pods.items()) if not pod.deleting}
    outdated = {member: why for member, pod in pods.items() if (why := why_replaced(theirs, observed, pod))}
    if not outdated:
        return _await_return(cluster, observed)
    idle = [member for member in outdated if observed.serving(member) is None]
    member = idle[0] if idle else max(outdated)
    pod, why = pods[member], outdated[member]
    message = f"restarting {pod.name}{{}}: {why}"
    away = "" if idle else _away(cluster, observed, member)
    if not away:
        unguarded = "" if pod.ready else "it is not ready"
        step = RestartPod(member, pod.name, pod.uid, why, harmless=bool(idle), unguarded=unguarded)
        return Proposal(reason_of(theirs, observed, pod), message.format(""), step)
    if coming := _coming(cluster, observed):
        return Proposal(reason_of(theirs, observed, pod), f"waiting for {coming} to serve; {message.format(' next')}")
    return Proposal(reason_of(theirs, observed, pod), message.format(" next"), blocked=away)


def _away(cluster: ValidatedCluster, observed: Observed, member: int) -> str:
    """Return why an observer that serves may not be restarted now, empty when it may.

    Another one must serve, unless it is the only one. One that was started and does not serve may have a fault that
    the next one would have too; one that has no place to run has none.
    """
    others = sorted(cluster.observers - {member})
    started = [other for other in others if _is_started(observed, other) and observed.serving(other) is None]
    if started:
        troubles = observed.troubles(started)
        return (
            f"{len(started)} of {len(cluster.observers)} observers do not serve: {troubles or _names(cluster, started)}"
        )
    if others and not any(observed.serving(other) is not None for other in others):
        return "no other observer serves"
    return ""


def _is_started(observed: Observed, member: int) -> bool:
    pod = observed.pod(member)
    return pod is not None and not pod.unschedulable


def _await_return(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    begun, coming = begun_restart(cluster), _coming(cluster, observed)
    if begun is None or not coming:
        return None
    return Proposal(begun, f"waiting for {coming} to serve")


def _coming(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return the observers that do not serve and may be back in a moment."""
    wanted = sorted(cluster.observers & observed.observers)
    away = [member for member in wanted if observed.serving(member) is None]
    return _names(cluster, [member for member in away if _is_brief(observed, member)])


def _is_brief(observed: Observed, member: int) -> bool:
    pod = observed.pod(member)
    has_trouble = pod is not None and bool(pod.trouble) and not pod.deleting
    return observed.downtime_s.get(member, 0.0) < RETURN_S and not has_trouble


def _names(cluster: ValidatedCluster, members: tuple[int, ...] | list[int]) -> str:
    return ", ".join(cluster.names.pod(member) for member in members)
