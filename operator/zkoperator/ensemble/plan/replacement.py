"""Volumes that are replaced: the member comes back with an empty one, and fills it from the others. Pure.

One at a time, through the gate, the leader last. The claim is deleted first and stays until its pod has ended, so that
an operator which ends between the two finds a claim that is being deleted and goes on with the pod.
"""

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.ensemble.plan.claim_changes import has_another_class
from zkoperator.ensemble.plan.claim_templates import fits
from zkoperator.ensemble.plan.gate import gate
from zkoperator.ensemble.plan.lost_nodes import lost_node, lost_volumes
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.replacement_approval import approval_text, is_recorded, read_replacement
from zkoperator.ensemble.plan.roll import overdue, returning, unguarded
from zkoperator.ensemble.plan.steps import RecordReplacement, ReplaceVolume, RestartPod
from zkoperator.ensemble.plan.terminating_claims import MIN_VOTERS
from zkoperator.ensemble.validate import ValidatedCluster

_REASON = ClusterReason.REPLACING_VOLUMES


def due_volumes(cluster: ValidatedCluster, observed: Observed) -> dict[int, str]:
    """Return the members whose present volumes are to be replaced, each with the reason."""
    if not cluster.is_founded:
        return {}
    asked = read_replacement(cluster, observed)
    by_person = {asked: "a person has asked for it"} if isinstance(asked, int) else {}
    return _of_another_class(cluster, observed) | by_person | lost_volumes(observed)


def _of_another_class(cluster: ValidatedCluster, observed: Observed) -> dict[int, str]:
    """Return the members whose volumes are of another class than the spec asks for, once new ones are of that class."""
    wanted = cluster.spec.storage.storage_class_name
    if not wanted or not fits(cluster, observed):
        return {}
    return {
        member: f"its StorageClass changes from {claim.storage_class} to {wanted}"
        for member, claim in observed.claims.items()
        if member in cluster.members and has_another_class(cluster, claim)
    }


def refused_replacement(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return why the volume that a person has named is not replaced, empty when it is, or when none is named."""
    asked = read_replacement(cluster, observed)
    return asked if isinstance(asked, str) else ""


def replace_volumes(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose the next replacement, None when no volume is to be replaced."""
    due = due_volumes(cluster, observed)
    if not due:
        return None
    member = min(due, key=lambda each: _rank(observed, each))
    pod, why = observed.pods.get(member), due[member]
    message = f"giving {cluster.names.pod(member)} a new volume: {why}"
    if pod is not None and pod.deleting and lost_node(observed, member) is None:
        return Proposal(_REASON, f"{message}; waiting for the end of its pod", blocked=overdue(observed, [pod]))
    if pod is None and observed.claims[member].deleting:
        return Proposal(_REASON, f"{message}; waiting for the end of the present one")
    if blocked := _obstacle(observed, member):
        if coming := returning(cluster, observed):
            return Proposal(_REASON, f"waiting for {coming} to serve; then {message}")
        return Proposal(_REASON, message, blocked=blocked)
    if read_replacement(cluster, observed) == member and not is_recorded(cluster):
        return Proposal(_REASON, message, RecordReplacement(approval_text(cluster)))
    return Proposal(_REASON, message, _step(cluster, observed, member, why))


def _rank(observed: Observed, member: int) -> tuple[bool, bool, bool, int]:
    """Sort key: what has begun, members that do not serve, followers, the leader; the highest id first."""
    has_begun = observed.claims[member].deleting
    return not has_begun, observed.serving(member) is not None, member == observed.leader, -member


def _obstacle(observed: Observed, member: int) -> str:
    """Return why the others cannot do without this member and give it its data back, empty when they can."""
    voters = len(observed.voters)
    if voters < MIN_VOTERS:
        return f"{voters} voters are too few to give a member its data back: scale to {MIN_VOTERS} first"
    verdict = gate(observed, excluded=frozenset({member}))
    return "" if verdict.open else verdict.why


def _step(cluster: ValidatedCluster, observed: Observed, member: int, why: str) -> ReplaceVolume:
    pod = observed.pods.get(member)
    restart = _restart(cluster, observed, pod, why) if pod is not None else None
    return ReplaceVolume(observed.claims[member], restart, why)


def _restart(cluster: ValidatedCluster, observed: Observed, pod: PodView, why: str) -> RestartPod:
    harmless, how = observed.serving(pod.member) is None, unguarded(cluster, observed, pod)
    node = lost_node(observed, pod.member)
    return RestartPod(pod.member, pod.name, pod.uid, why, harmless, how, node.name if node is not None else "")
