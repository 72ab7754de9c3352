"""What a Node object says of the members on it, and a PersistentVolume of where it can be used. Pure.

A Node object that is gone, and the taint `node.kubernetes.io/out-of-service`, are statements of a person or of the
cloud that nothing runs there any more. A node that does not report is none: its pods may run on, and vote.
"""

from dataclasses import dataclass
from enum import StrEnum

from zkoperator.kube.port import Manifest

OUT_OF_SERVICE_TAINT = "node.kubernetes.io/out-of-service"
HOSTNAME = "kubernetes.io/hostname"


class NodeState(StrEnum):
    """What is known of a node."""

    REPORTS = "reports"
    SILENT = "does not report"
    OUT_OF_SERVICE = "is out of service"
    GONE = "is gone"
    UNKNOWN = "is not known"
    """The operator may not read nodes, or there is none of the name under which a volume knows it."""


@dataclass(frozen=True, slots=True)
class MemberNode:
    """The node of a member that does not serve. `volume` is the member's, if it can be used there and nowhere else."""

    name: str
    state: NodeState
    volume: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether somebody has stated that nothing runs there any more."""
        return self.state in (NodeState.GONE, NodeState.OUT_OF_SERVICE)


def state_of(node: Manifest | None) -> NodeState:
    """Return the state of a node; None: there is no such object."""
    if node is None:
        return NodeState.GONE
    if any(taint.get("key") == OUT_OF_SERVICE_TAINT for taint in node.get("spec", {}).get("taints") or ()):
        return NodeState.OUT_OF_SERVICE
    conditions = node.get("status", {}).get("conditions") or ()
    ready = next((each.get("status") for each in conditions if each.get("type") == "Ready"), "Unknown")
    return NodeState.REPORTS if ready == "True" else NodeState.SILENT


def only_host_of(volume: Manifest) -> str:
    """Return the host name of the one node where a volume can be used, empty when there may be several."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required") or {}
    hosts = [_hosts(term) for term in required.get("nodeSelectorTerms") or ()]
    return hosts[0][0] if len(hosts) == 1 and len(hosts[0]) == 1 else ""


def _hosts(term: Manifest) -> list[str]:
    expressions = term.get("matchExpressions") or ()
    found = [each for each in expressions if each.get("key") == HOSTNAME and each.get("operator") == "In"]
    return list(found[0].get("values") or ()) if found else []
