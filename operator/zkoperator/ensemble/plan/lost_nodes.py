"""Members on nodes of which somebody has stated that nothing runs there any more. Pure.

Only such a statement lets a pod be removed by force: one that is merely silent may run on, and its acknowledgement
would count beside that of the pod which takes its place.
"""

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.observe.answers import Silent
from zkoperator.ensemble.observe.node_view import MemberNode
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.steps import RestartPod


def lost_node(observed: Observed, member: int) -> MemberNode | None:
    """Return the lost node of a member, None when it is not known to be on one, or answers all the same.

    What was read a moment ago may be about a pod or a volume that has been replaced since.
    """
    node, pod = observed.nodes.get(member), observed.pods.get(member)
    is_there = pod is None or pod.node in ("", node.name if node is not None else "")
    answers = not isinstance(observed.answer(member), Silent)
    return node if node is not None and node.is_lost and is_there and not answers else None


def lost_volumes(observed: Observed) -> dict[int, str]:
    """Return the members whose volumes are tied to lost nodes, each with the reason to replace them."""
    found = {member: lost_node(observed, member) for member in sorted(observed.claims)}
    return {
        member: f"its volume was on node {node.name}, which {node.state.value}"
        for member, node in found.items()
        if node is not None and _holds_volume(observed, member, node)
    }


def release_pods(observed: Observed) -> Proposal | None:
    """Propose to remove the next pod from a lost node, None when there is none whose volume another node can use."""
    for member, pod in sorted(observed.pods.items()):
        node = lost_node(observed, member)
        if node is not None and pod.node and not _holds_volume(observed, member, node):
            why = f"its node {node.name} {node.state.value}"
            step = RestartPod(member, pod.name, pod.uid, why, harmless=True, unguarded=why, lost_node=node.name)
            return Proposal(ClusterReason.REPAIRING, f"removing {pod.name}: {why}", step)
    return None


def _holds_volume(observed: Observed, member: int, node: MemberNode) -> bool:
    claim = observed.claims.get(member)
    return bool(node.volume) and claim is not None and claim.volume == node.volume
