"""Replacing pods whose revision is not the spec's: those that do not serve first, then followers, the leader last."""

from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.ensemble.answers import Mode, NotServing, Silent
from zkoperator.ensemble.build.statefulset import revision
from zkoperator.ensemble.gate import Verdict, gate
from zkoperator.ensemble.names import TEMPLATE
from zkoperator.ensemble.proposal import Proposal
from zkoperator.ensemble.steps import RestartPod
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.ensemble.world import Child, PodView, Running, World

_ROLLS = (ClusterReason.BOOTSTRAPPING, ClusterReason.ROLLING_RESTART, ClusterReason.UPGRADING)

RETURN_S = 90.0
"""Seconds within which a restarted member is awaited without a word; a falsely leading one needs 20 of them."""


def replace_pods(cluster: ValidatedCluster, world: World) -> Proposal | None:
    """Propose the next pod to replace, None when all pods are of the spec's revision."""
    outdated = {
        m: why for m, pod in sorted(world.pods.items()) if not pod.deleting and (why := _why(cluster, world, pod))
    }
    broken = [world.pods[member] for member in outdated if world.serving(member) is None]
    for pod in broken:
        if _may_replace_broken(world, pod):
            return _restart(cluster, pod, outdated[pod.member], harmless=True)
    serving = [member for member in outdated if world.serving(member) is not None]
    if not outdated:
        return None
    if not serving:
        return _waiting(cluster, broken[0], outdated[broken[0].member], _others(world, broken[0]))
    pod = world.pods[min(serving, key=lambda member: _rank(world, member))]
    verdict = gate(world, spared=_unless_voter(world, pod.member))
    if verdict.open:
        return _restart(cluster, pod, outdated[pod.member], harmless=False)
    return _waiting(cluster, pod, outdated[pod.member], verdict, _coming(cluster, world))


def await_restarts(cluster: ValidatedCluster, world: World) -> Proposal | None:
    """Say which restarted member is still to come back. Only while the rest of the ensemble is well."""
    going = [pod.name for _, pod in sorted(world.pods.items()) if pod.deleting and pod.member in cluster.members]
    if not going:
        return None
    begun = _begun(cluster)
    reason = begun if begun is not None else ClusterReason.REPAIRING
    return Proposal(reason, f"waiting for {', '.join(going)} to come back")


def await_return(cluster: ValidatedCluster, world: World) -> Proposal | None:
    """Go on saying what was begun until the last member serves; without such a beginning its absence is a fault."""
    begun, coming = _begun(cluster), _coming(cluster, world)
    if begun is None or not coming:
        return None
    return Proposal(begun, f"waiting for {coming} to serve")


def _begun(cluster: ValidatedCluster) -> ClusterReason | None:
    """Return the restart that the operator said to be in progress, None when it said nothing of the kind."""
    said = next((c.reason for c in cluster.status.conditions if c.type == ClusterCondition.PROGRESSING.value), "")
    return ClusterReason(said) if said in _ROLLS else None


def _why(cluster: ValidatedCluster, world: World, pod: PodView) -> str:
    """Return why the pod is to be replaced, empty when it is not."""
    if pod.owner_uid != _owner_uid(world):
        return ""
    if pod.image != cluster.image:
        return f"the image changes from {pod.image} to {cluster.image}"
    if pod.restart:
        return f"its restart was asked for: {pod.restart}"
    if pod.revision != revision(cluster, world.secret_id or ""):
        return "its configuration is not the spec's"
    if world.serving(pod.member) is None and pod.template != _template(world):
        return "it does not serve, and its template is older than the spec"
    return ""


def _owner_uid(world: World) -> str:
    live = world.children.get(Child.STATEFUL_SET)
    return str(live["metadata"]["uid"]) if live is not None else ""


def _template(world: World) -> str:
    live = world.children.get(Child.STATEFUL_SET)
    if live is None:
        return ""
    return str(live["spec"]["template"]["metadata"].get("annotations", {}).get(TEMPLATE, ""))


def _rank(world: World, member: int) -> tuple[int, int]:
    """Order: members without a vote, followers, the leader; the highest id first among equals."""
    if member not in world.voters:
        return 0, -member
    answer = world.serving(member)
    return (2 if answer is not None and answer.mode is Mode.LEADER else 1), -member


def _unless_voter(world: World, member: int) -> frozenset[int]:
    return frozenset() if member in world.voters else frozenset({member})


def _others(world: World, pod: PodView) -> Verdict:
    return gate(world, spared=frozenset({pod.member}))


def _may_replace_broken(world: World, pod: PodView) -> bool:
    """Tell whether a pod that does not serve may go: its server runs nowhere, or nobody needs it, or none serves."""
    if any(other.deleting for other in world.pods.values() if other.member in world.voters):
        return False
    if pod.running is Running.NO or _others(world, pod).open:
        return True
    if world.committed is not None:
        return pod.member not in world.committed.voters
    # With no quorum at all there is none to lose; but every member must be known not to be part of one.
    return all(_surely_idle(world, member) for member in world.voters | {pod.member})


def _surely_idle(world: World, member: int) -> bool:
    pod, answer = world.pods.get(member), world.answer(member)
    if isinstance(answer, Silent):
        return pod is None or pod.running is Running.NO
    return isinstance(answer, NotServing)


def _coming(cluster: ValidatedCluster, world: World) -> str:
    """Name the members that were replaced and do not serve yet, while nothing is known to be wrong with them."""
    current = revision(cluster, world.secret_id or "")
    away = [m for m in sorted(world.voters) if world.serving(m) is None]
    pods = [world.pods.get(m) for m in away]
    fresh = all(pod is None or pod.deleting or (pod.revision == current and not pod.trouble) for pod in pods)
    if any(world.away_s.get(member, 0.0) > RETURN_S for member in away):
        return ""
    return ", ".join(cluster.names.pod(member) for member in away) if fresh else ""


def _reason(cluster: ValidatedCluster, pod: PodView) -> ClusterReason:
    return ClusterReason.UPGRADING if pod.image != cluster.image else ClusterReason.ROLLING_RESTART


def _restart(cluster: ValidatedCluster, pod: PodView, why: str, *, harmless: bool) -> Proposal:
    step = RestartPod(pod.member, pod.name, pod.uid, why, harmless)
    return Proposal(_reason(cluster, pod), f"restarting {pod.name}: {why}", step)


def _waiting(cluster: ValidatedCluster, pod: PodView, why: str, verdict: Verdict, coming: str = "") -> Proposal:
    message = f"restarting {pod.name} next: {why}"
    if coming:
        return Proposal(_reason(cluster, pod), f"waiting for {coming} to serve; {message}")
    return Proposal(_reason(cluster, pod), message, blocked=verdict.why)
