"""Replacing pods whose revision is not the spec's: those that do not serve first, then followers, the leader last."""

from collections.abc import Sequence
from dataclasses import replace

from zkoperator.api.cluster import StorageType
from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.statefulset import revision
from zkoperator.ensemble.model.names import TEMPLATE
from zkoperator.ensemble.observe.answers import Mode
from zkoperator.ensemble.observe.downtime import RETURN_S
from zkoperator.ensemble.observe.world import PodView, World
from zkoperator.ensemble.plan.gate import Verdict, gate, gate_of_broken
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.steps import RestartPod
from zkoperator.ensemble.validate import ValidatedCluster

_ROLLS = (ClusterReason.BOOTSTRAPPING, ClusterReason.ROLLING_RESTART, ClusterReason.UPGRADING)


def replace_pods(cluster: ValidatedCluster, world: World) -> Proposal | None:
    """Propose the next pod to replace, None when all pods are of the spec's revision."""
    outdated = {
        m: why for m, pod in sorted(world.pods.items()) if not pod.deleting and (why := _why(cluster, world, pod))
    }
    kept = _kept(cluster, world, frozenset(outdated))
    broken = {m: _may_go_broken(cluster, world, m, kept) for m in outdated if world.serving(m) is None}
    for member, verdict in broken.items():
        if verdict.open:
            return _restart(cluster, world.pods[member], outdated[member], harmless=True)
    serving = [member for member in outdated if member not in broken]
    if serving:
        return _replace_serving(cluster, world, outdated, min(serving, key=lambda member: _rank(world, member)))
    return next((_waiting(cluster, world.pods[m], outdated[m], verdict.why) for m, verdict in broken.items()), None)


def _may_go_broken(cluster: ValidatedCluster, world: World, member: int, kept: frozenset[int]) -> Verdict:
    """Decide whether the pod of a member that does not serve may be replaced. Its data must not go with it."""
    if not cluster.is_founded:
        return gate_of_broken(world, member, kept=kept, patience_s=0.0)
    if member not in world.voters or not _goes_with_pod(cluster, world, member):
        return gate_of_broken(world, member, kept=kept)
    verdict, why = gate(world, spared=frozenset({member})), _only_copy(cluster, world, member)
    return replace(verdict, open=False, why=why) if why else verdict


def _replace_serving(cluster: ValidatedCluster, world: World, outdated: dict[int, str], member: int) -> Proposal:
    pod = world.pods[member]
    if why := _only_copy(cluster, world, member):
        return _waiting(cluster, pod, outdated[member], why)
    verdict = gate(world, spared=_unless_voter(world, member))
    if verdict.open:
        return _restart(cluster, pod, outdated[member], harmless=False)
    return _waiting(cluster, pod, outdated[member], verdict.why, _coming(cluster, world))


def _kept(cluster: ValidatedCluster, world: World, outdated: frozenset[int]) -> frozenset[int]:
    """Return the voters whose pods are of the newest revision; one that is still to be made will be, once founded."""
    return frozenset(m for m in world.voters - outdated if m in world.pods or cluster.is_founded)


def _only_copy(cluster: ValidatedCluster, world: World, member: int) -> str:
    """Say why a voter is not restarted whose data goes with its pod: the others could not give it back."""
    if not _goes_with_pod(cluster, world, member) or member not in world.voters or len(world.voters) > 2:
        return ""
    ephemeral = cluster.spec.storage.type is StorageType.EPHEMERAL
    why = "storage is Ephemeral" if ephemeral else f"claim {cluster.names.claim(member)} is being deleted"
    todo = "put the earlier Secret back, or create the cluster again" if leader_refuses(world) else "scale to 3 first"
    return f"{why} and {len(world.voters)} voters are too few to keep the data without this one: {todo}"


def _goes_with_pod(cluster: ValidatedCluster, world: World, member: int) -> bool:
    claim = world.claims.get(member)
    return cluster.spec.storage.type is StorageType.EPHEMERAL or (claim is not None and claim.deleting)


def leader_refuses(world: World) -> bool:
    """Tell whether the leader was made with another password than the Secret has: it refuses reconfigurations."""
    pod = world.pods.get(world.leader) if world.leader is not None else None
    return pod is not None and pod.secret not in ("", world.secret_id or "")


def await_restarts(cluster: ValidatedCluster, world: World) -> Proposal | None:
    """Say which restarted member is still to come back. Only while the rest of the ensemble is well."""
    going = [pod for _, pod in sorted(world.pods.items()) if pod.deleting and pod.member in cluster.members]
    if not going:
        return None
    begun, names = _begun(cluster), ", ".join(pod.name for pod in going)
    reason = begun if begun is not None else ClusterReason.REPAIRING
    return Proposal(reason, f"waiting for {names} to come back", blocked=overdue(world, going))


def overdue(world: World, going: Sequence[PodView]) -> str:
    """Say how many pods do not end in time, with what the gate says of it; empty while they may still end."""
    late = [pod.name for pod in going if world.away_s.get(pod.member, 0.0) > RETURN_S]
    if not late:
        return ""
    told = (
        f"{len(late)} of {len(world.pods)} pods do not end ({', '.join(late)}); if the node is gone for good, "
        "kubectl delete pod --force"
    )
    verdict = gate(world)
    return told if verdict.open else f"{verdict.why}; {told}"


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
    if pod.restart:
        return f"its restart was asked for: {pod.restart}"
    # The revision is that of the image as asked for: admission may have put another name in the pod.
    if pod.revision != revision(cluster, world.secret_id or ""):
        if pod.image != cluster.image:
            return f"the image changes from {pod.image} to {cluster.image}"
        return "its configuration is not the spec's"
    if world.serving(pod.member) is None and pod.template != world.of_template(TEMPLATE):
        return "it does not serve, and its template is older than the spec"
    return ""


def _owner_uid(world: World) -> str:
    live = world.children.get(Child.STATEFUL_SET)
    return str(live["metadata"]["uid"]) if live is not None else ""


def _rank(world: World, member: int) -> tuple[int, int]:
    """Order: members without a vote, followers, the leader; the highest id first among equals."""
    if member not in world.voters:
        return 0, -member
    answer = world.serving(member)
    return (2 if answer is not None and answer.mode is Mode.LEADER else 1), -member


def _unless_voter(world: World, member: int) -> frozenset[int]:
    return frozenset() if member in world.voters else frozenset({member})


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


def _waiting(cluster: ValidatedCluster, pod: PodView, why: str, blocked: str, coming: str = "") -> Proposal:
    message = f"restarting {pod.name} next: {why}"
    if coming:
        return Proposal(_reason(cluster, pod), f"waiting for {coming} to serve; {message}")
    return Proposal(_reason(cluster, pod), message, blocked=blocked)
