"""What is wrong with members whose nodes are lost or silent, and what a person may do about it. Pure."""

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.model.names import REPLACE_VOLUME
from zkoperator.ensemble.observe.downtime import RETURN_S
from zkoperator.ensemble.observe.node_view import OUT_OF_SERVICE_TAINT, MemberNode, NodeState
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.lost_nodes import lost_node
from zkoperator.ensemble.validate import ValidatedCluster

_GRANT = "the operator does not read nodes: the component manifests/nodes, or nodes.enabled of the chart, lets it"


def on_lost_node(cluster: ValidatedCluster, observed: Observed) -> tuple[ClusterReason, str] | None:
    """Return what is known of the first member whose node seems to be lost, None when there is none.

    Nothing is done on the ground of time alone: a server that runs on counts, though nobody hears it.
    """
    for member, node in sorted(observed.nodes.items()):
        if words := _words(cluster, observed, member, node):
            return ClusterReason.NODE_LOST, words
    return None


def _words(cluster: ValidatedCluster, observed: Observed, member: int, node: MemberNode) -> str:
    pod, name = observed.pods.get(member), cluster.names.pod(member)
    away_s = observed.downtime_s.get(member, 0.0)
    if lost_node(observed, member) is not None:
        return f"{name}: its node {node.name} {node.state.value}; it is replaced by itself as soon as that is safe"
    if away_s < RETURN_S or pod is None or pod.node != node.name:
        return ""
    if node.state is NodeState.SILENT:
        return f"{name} is on node {node.name}, which {node.state.value}: {_ways(cluster, observed, member, node.name)}"
    if node.state is NodeState.UNKNOWN and pod.deleting:
        ways = _ways(cluster, observed, member, node.name)
        return f"{name} does not end on node {node.name}, and whether that one runs is not known ({_GRANT}): {ways}"
    return ""


def _ways(cluster: ValidatedCluster, observed: Observed, member: int, node: str) -> str:
    claim = observed.claims.get(member)
    replace = (
        f"; if its new pod is not scheduled because its volume was there: kubectl annotate zk {cluster.meta.name} -n "
        f"{cluster.meta.namespace} {REPLACE_VOLUME}={cluster.names.pod(member)}={claim.uid} --overwrite"
        if claim is not None
        else ""
    )
    taint = f"kubectl taint node {node} {OUT_OF_SERVICE_TAINT}=nodeshutdown:NoExecute"
    return (
        f"nothing is done while its server may run on. Once you know that the machine is switched off: {taint}, or "
        f"kubectl delete node {node} if it does not come back{replace}"
    )
