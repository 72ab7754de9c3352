"""Replaces pods whose revision is not that of the spec: first idle members, then followers, then the leader. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from zkoperator.api.cluster import StorageType
from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.disruption_budget import spare_members
from zkoperator.ensemble.build.statefulset import revision
from zkoperator.ensemble.model.names import TEMPLATE, Component
from zkoperator.ensemble.observe.answers import Mode, NotServing, Serving, Silent
from zkoperator.ensemble.observe.downtime import RETURN_S
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView, Running
from zkoperator.ensemble.plan.aging import aging
from zkoperator.ensemble.plan.child_steps import voters_of_budget
from zkoperator.ensemble.plan.expansion import awaited_start
from zkoperator.ensemble.plan.gate import Verdict, gate, gate_for_broken_pod
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.steps import RestartPod
from zkoperator.ensemble.plan.terminating_claims import MIN_VOTERS, claims_message, terminating_claims
from zkoperator.ensemble.validate import ValidatedCluster

_ROLLS = (
    ClusterReason.BOOTSTRAPPING,
    ClusterReason.ROLLING_RESTART,
    ClusterReason.UPGRADING,
    ClusterReason.CHANGING_TLS,
    ClusterReason.EXPANDING_VOLUMES,
    ClusterReason.REPLACING_VOLUMES,
)


def replace_pods(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose the next pod to replace, None when all pods are of the spec's revision."""
    due = {
        m: why
        for m, pod in sorted(observed.pods.items())
        if not pod.deleting and (why := why_replaced(cluster, observed, pod))
    }
    outdated, held = due, _held(cluster, observed, due)
    if held is not None and not (outdated := _spared(observed, due)):
        return held
    updated = _updated(cluster, observed, frozenset(due))
    broken = {m: _may_go_broken(cluster, observed, m, updated) for m in outdated if observed.serving(m) is None}
    for member, verdict in broken.items():
        if verdict.open:
            return _restart(cluster, observed, member, outdated[member], harmless=True)
    serving = [member for member in outdated if member not in broken]
    if serving:
        return _replace_serving(cluster, observed, outdated, min(serving, key=lambda member: _rank(observed, member)))
    held_back = ((m, verdict.why) for m, verdict in broken.items())
    return next((_waiting(cluster, observed, observed.pods[m], outdated[m], why) for m, why in held_back), None)


def _held(cluster: ValidatedCluster, observed: Observed, outdated: dict[int, str]) -> Proposal | None:
    """Hold every restart while claims are being deleted, if any is due."""
    going = terminating_claims(observed)
    if not going or not outdated or not cluster.is_founded or len(observed.voters) < MIN_VOTERS:
        return None
    member = next(iter(outdated))
    return _waiting(cluster, observed, observed.pods[member], outdated[member], claims_message(cluster, going))


def _spared(observed: Observed, outdated: dict[int, str]) -> dict[int, str]:
    """Return the members that may be restarted although claims are being deleted.

    A member whose volume goes is one of them if a person has asked for its restart. A member whose volume stays is one
    of them if its container does not run: it would otherwise keep the gate shut for the members that were asked for.
    """
    going = terminating_claims(observed)
    return {member: why for member, why in outdated.items() if _is_spared(observed.pods[member], member in going)}


def _is_spared(pod: PodView, volume_goes: bool) -> bool:
    return bool(pod.restart) if volume_goes else pod.running is Running.NO


def _may_go_broken(cluster: ValidatedCluster, observed: Observed, member: int, updated: frozenset[int]) -> Verdict:
    """Decide whether the pod of a member that does not serve may be replaced without loss of the only copy of data."""
    if not cluster.is_founded:
        return gate_for_broken_pod(observed, member, updated=updated, patience_s=0.0)
    if member not in observed.voters or not _data_goes_with_pod(cluster, observed, member):
        return gate_for_broken_pod(observed, member, updated=updated)
    verdict, why = gate(observed, excluded=frozenset({member})), _only_copy(cluster, observed, member)
    return replace(verdict, open=False, why=why) if why else verdict


def _replace_serving(cluster: ValidatedCluster, observed: Observed, outdated: dict[int, str], member: int) -> Proposal:
    pod = observed.pods[member]
    if why := _only_copy(cluster, observed, member):
        return _waiting(cluster, observed, pod, outdated[member], why)
    verdict = gate(observed, excluded=_excluded_voters(observed, member))
    if verdict.open:
        return _restart(cluster, observed, member, outdated[member], harmless=False)
    return _waiting(cluster, observed, pod, outdated[member], verdict.why, returning(cluster, observed))


def _updated(cluster: ValidatedCluster, observed: Observed, outdated: frozenset[int]) -> frozenset[int]:
    """Return the voters whose pods have the newest revision; after founding also those whose pods do not exist yet."""
    return frozenset(m for m in observed.voters - outdated if m in observed.pods or cluster.is_founded)


def _only_copy(cluster: ValidatedCluster, observed: Observed, member: int) -> str:
    """Return why a voter may not be restarted: its data goes with the pod, and no other member has a full copy."""
    if not _data_goes_with_pod(cluster, observed, member) or member not in observed.voters or len(observed.voters) > 2:
        return ""
    ephemeral = cluster.spec.storage.type is StorageType.EPHEMERAL
    why = "storage is Ephemeral" if ephemeral else f"claim {cluster.names.claim(member)} is being deleted"
    todo = (
        "put the earlier Secret back, or create the cluster again"
        if leader_has_other_password(observed)
        else "scale to 3 first"
    )
    return f"{why} and {len(observed.voters)} voters are too few to keep the data without this one: {todo}"


def _data_goes_with_pod(cluster: ValidatedCluster, observed: Observed, member: int) -> bool:
    claim = observed.claims.get(member)
    return cluster.spec.storage.type is StorageType.EPHEMERAL or (claim is not None and claim.deleting)


def leader_has_other_password(observed: Observed) -> bool:
    """Whether the leader's pod has another password than the Secret, so that it refuses reconfigurations."""
    pod = observed.pods.get(observed.leader) if observed.leader is not None else None
    return pod is not None and pod.secret not in ("", observed.secret_id or "")


def await_restarts(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to wait for members whose pods are terminating."""
    going = [pod for _, pod in sorted(observed.pods.items()) if pod.deleting and pod.member in cluster.members]
    if not going:
        return None
    begun, names = begun_restart(cluster), ", ".join(pod.name for pod in going)
    reason = begun if begun is not None else ClusterReason.REPAIRING
    return Proposal(reason, f"waiting for {names} to come back", blocked=overdue(observed, going))


def overdue(observed: Observed, going: Sequence[PodView]) -> str:
    """Return which pods terminate for too long, after the gate's reason if it is shut; empty when none does."""
    late = [pod.name for pod in going if observed.downtime_s.get(pod.member, 0.0) > RETURN_S]
    if not late:
        return ""
    message = (
        f"{len(late)} of {len(observed.pods)} pods do not end ({', '.join(late)}); if the node is gone for good, "
        "kubectl delete pod --force"
    )
    verdict = gate(observed)
    return message if verdict.open else f"{verdict.why}; {message}"


def await_return(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to wait until the last member of a restart in progress serves again."""
    begun, coming = begun_restart(cluster), returning(cluster, observed)
    if begun is None or not coming:
        return None
    return Proposal(begun, f"waiting for {coming} to serve")


def begun_restart(cluster: ValidatedCluster) -> ClusterReason | None:
    """Return the reason of Progressing in the last status if it is a restart, else None."""
    reason = next((c.reason for c in cluster.status.conditions if c.type == ClusterCondition.PROGRESSING.value), "")
    return ClusterReason(reason) if reason in _ROLLS else None


def why_replaced(cluster: ValidatedCluster, observed: Observed, pod: PodView) -> str:
    """Return why the pod must be replaced, empty when it need not be. `cluster` has the spec of this pod."""
    child = Child.OBSERVERS if cluster.component is Component.OBSERVER else Child.STATEFUL_SET
    if pod.owner_uid != _owner_uid(observed, child):
        return ""
    if pod.restart:
        return f"its restart was asked for: {pod.restart}"
    # Admission may rewrite the image in the pod, so images are compared only after the revisions differ.
    if pod.revision != revision(cluster, observed.secret_id or ""):
        if pod.image != cluster.image:
            return f"the image changes from {pod.image} to {cluster.image}"
        if pod.tls != cluster.tls:
            return f"its TLS changes from {pod.tls} to {cluster.tls}"
        if pod.restarted != cluster.restart:
            return "a restart of all members was asked for"
        return "its configuration is not the spec's"
    if found := aging(cluster, observed.certificates, pod) or awaited_start(observed, pod):
        return found
    if pod.template != observed.template_annotation(TEMPLATE, child) and _is_known_away(observed, pod):
        return "it does not serve, and its template is older than the spec"
    return ""


def _is_known_away(observed: Observed, pod: PodView) -> bool:
    """Return whether the member is known not to serve. One missing answer does not prove it, many in a row do."""
    match observed.answer(pod.member):
        case Serving():
            return False
        case NotServing():
            return True
        case Silent():
            return pod.running is Running.NO or observed.downtime_s.get(pod.member, 0.0) > RETURN_S


def _owner_uid(observed: Observed, child: Child) -> str:
    live = observed.children.get(child)
    return str(live["metadata"]["uid"]) if live is not None else ""


def _rank(observed: Observed, member: int) -> tuple[int, int]:
    """Sort key: members without a vote, those that are not ready, followers, the leader; the highest id first.

    A member that serves in a pod that is not ready spends the disruption budget, so that no other can be restarted.
    """
    if member not in observed.voters:
        return 0, -member
    if not observed.pods[member].ready:
        return 1, -member
    answer = observed.serving(member)
    return (3 if answer is not None and answer.mode is Mode.LEADER else 2), -member


def _excluded_voters(observed: Observed, member: int) -> frozenset[int]:
    return frozenset() if member in observed.voters else frozenset({member})


def returning(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return the names of replaced members that do not serve yet, empty when any of them has a fault."""
    current = revision(cluster, observed.secret_id or "")
    away = [m for m in sorted(observed.voters) if observed.serving(m) is None]
    pods = [observed.pods.get(m) for m in away]
    fresh = all(pod is None or pod.deleting or (pod.revision == current and not pod.trouble) for pod in pods)
    if any(observed.downtime_s.get(member, 0.0) > RETURN_S for member in away):
        return ""
    return ", ".join(cluster.names.pod(member) for member in away) if fresh else ""


def reason_of(cluster: ValidatedCluster, observed: Observed, pod: PodView) -> ClusterReason:
    """Return the reason of Progressing while this pod is replaced."""
    if pod.image != cluster.image:
        return ClusterReason.UPGRADING
    if pod.tls != cluster.tls:
        return ClusterReason.CHANGING_TLS
    return ClusterReason.EXPANDING_VOLUMES if awaited_start(observed, pod) else ClusterReason.ROLLING_RESTART


def _restart(cluster: ValidatedCluster, observed: Observed, member: int, why: str, *, harmless: bool) -> Proposal:
    pod = observed.pods[member]
    step = RestartPod(member, pod.name, pod.uid, why, harmless, unguarded(cluster, observed, pod))
    return Proposal(reason_of(cluster, observed, pod), f"restarting {pod.name}: {why}", step)


def unguarded(cluster: ValidatedCluster, observed: Observed, pod: PodView) -> str:
    """Return why the pod is deleted instead of evicted, "" if it is evicted.

    Both ways protect the other members from evictions by somebody else. A pod that is not ready does not count in the
    budget, which would refuse its eviction while others are not ready either. A budget that can spare no member lets
    no eviction pass at all.
    """
    if not pod.ready:
        return "it is not ready"
    if _joiner_is_stuck(observed):
        return "members without a vote do not come up, and have spent the disruption budget"
    spare = spare_members(cluster, voters_of_budget(cluster, observed))
    return "" if spare else "the disruption budget can spare no member"


def _joiner_is_stuck(observed: Observed) -> bool:
    """Whether a pod without a vote is not ready for long. Its fault may be one that only the restarts can mend."""
    return any(
        not pod.ready and member not in observed.voters and observed.downtime_s.get(member, 0.0) > RETURN_S
        for member, pod in observed.pods.items()
        if member <= (observed.replicas or 0)
    )


def _waiting(
    cluster: ValidatedCluster, observed: Observed, pod: PodView, why: str, blocked: str, coming: str = ""
) -> Proposal:
    message = f"restarting {pod.name} next: {why}"
    if coming:
        return Proposal(reason_of(cluster, observed, pod), f"waiting for {coming} to serve; {message}")
    return Proposal(reason_of(cluster, observed, pod), message, blocked=blocked)
