"""Finds out where members are that do not serve, and what is known of these nodes. I/O.

Nodes and volumes are read with rights that only some installations have; without them no node is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.node_view import HOSTNAME, MemberNode, NodeState, only_host_of, state_of
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import NODES, PERSISTENT_VOLUMES, KubeApi

PATIENCE_S = 10.0
"""Seconds that a member may not serve before anybody asks for its node."""
READ_EVERY_S = 5.0
"""Seconds between two reads while a member does not serve."""


@dataclass(slots=True)
class NodesState:
    """What is remembered of one cluster. Times are monotonic seconds."""

    read_s: float = float("-inf")
    found: dict[int, MemberNode] = field(default_factory=dict)


class NodeReader:
    """Reads the nodes of members that have not served for a while.

    Args:
        api: gets nodes and volumes.
        now_s: monotonic time.
        may_read: whether the installation has the right to.
    """

    def __init__(self, api: KubeApi, now_s: Callable[[], float], *, may_read: bool) -> None:
        self._api = api
        self._now_s = now_s
        self._may_read = may_read

    async def read(self, observed: Observed, state: NodesState) -> Mapping[int, MemberNode]:
        """Return the nodes of members that do not serve, as far as they are on one or their volumes are tied to one."""
        away = [m for m, away_s in sorted(observed.downtime_s.items()) if away_s >= PATIENCE_S]
        if not away:
            state.read_s, state.found = float("-inf"), {}
        elif self._now_s() - state.read_s >= READ_EVERY_S:
            state.read_s = self._now_s()
            found = {m: await self._node_of(observed.pods.get(m), observed.claims.get(m)) for m in away}
            state.found = {member: node for member, node in found.items() if node is not None}
        return {member: node for member, node in state.found.items() if member in away}

    async def _node_of(self, pod: PodView | None, claim: ClaimView | None) -> MemberNode | None:
        name = pod.node if pod is not None else ""
        try:
            return await self._read(name, claim) if self._may_read else _unknown(name)
        except ForbiddenError:
            return _unknown(name)

    async def _read(self, name: str, claim: ClaimView | None) -> MemberNode | None:
        """Return the node of the pod, or that to which the volume of a pod without a node is tied."""
        host = await self._only_host(claim) if claim is not None else ""
        if claim is None or not host:
            return MemberNode(name, state_of(await self._api.get(NODES, "", name))) if name else None
        name = name or claim.selected_node
        node = await self._api.get(NODES, "", name or host)
        if node is None and not name:
            # A volume knows the host name alone, of which the name of the node may differ.
            return MemberNode(host, NodeState.UNKNOWN)
        labels = (node["metadata"].get("labels") or {}) if node is not None else {}
        is_tied = host in (name or host, labels.get(HOSTNAME)) or name == claim.selected_node
        return MemberNode(name or host, state_of(node), claim.volume if is_tied else "")

    async def _only_host(self, claim: ClaimView) -> str:
        volume = await self._api.get(PERSISTENT_VOLUMES, "", claim.volume) if claim.volume else None
        return only_host_of(volume) if volume is not None else ""


def _unknown(name: str) -> MemberNode | None:
    return MemberNode(name, NodeState.UNKNOWN) if name else None
