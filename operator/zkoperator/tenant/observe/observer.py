"""Looks at a ZNode: its ensemble, its Secrets, its znodes. I/O."""

from dataclasses import dataclass
from typing import Final

from zkoperator.api.reasons import ZNodeReason
from zkoperator.errors import ForbiddenError, TransientError, brief_of
from zkoperator.kube.port import KubeApi
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key
from zkoperator.tenant.model.access import Door
from zkoperator.tenant.model.quota import Usage, usage_in
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.observe.door import DoorFinder
from zkoperator.tenant.observe.identity import IdentityFinder
from zkoperator.tenant.observe.seen import Audit, Contents, Seen, Tree, is_owned
from zkoperator.tenant.observe.tree import read_tree
from zkoperator.tenant.observe.walk import audit, contents
from zkoperator.tenant.validate import ValidatedZNode
from zkoperator.zk.pool import SessionPool
from zkoperator.zk.port import Zk

USAGE_S: Final = 60.0
"""How old the usage in a status may be: an application that always writes must not make it change all the time."""
AUDIT_S: Final = 600.0


@dataclass(slots=True)
class Measured:
    """Something that was measured, and when."""

    at_s: float = float("-inf")
    usage: Usage | None = None
    audit: Audit | None = None


class View:
    """What the process keeps of one ZNode. Losing it costs reads."""

    def __init__(self) -> None:
        self.cluster: Key | None = None
        self.door: Door | None = None
        self.zk: Zk | None = None
        self.usage = Measured()
        self.audit = Measured()


class Observer:
    """Looks at ZNodes.

    Args:
        api: the Kubernetes API.
        sessions: shared with everything else that reads ensembles.
        clock: monotonic time.
        domain: DNS domain of the Kubernetes cluster.
    """

    def __init__(self, api: KubeApi, sessions: SessionPool, clock: Clock, domain: str) -> None:
        self._doors = DoorFinder(api, domain)
        self._identities = IdentityFinder(api)
        self._sessions = sessions
        self._clock = clock

    async def observe(self, znode: ValidatedZNode, view: View) -> Seen | Waiting:
        """Return one look, or why there is none."""
        try:
            door = await self._doors.find(znode)
            identity = await self._identities.find(znode) if not znode.deleting else None
        except ForbiddenError as error:
            return Waiting(ZNodeReason.FORBIDDEN, str(error))
        if isinstance(door, Waiting):
            await self.leave(view)
            return door
        zk = await self._session(door, view)
        try:
            tree = await read_tree(zk, znode.path)
            below = await self._contents(zk, znode, tree)
            await self._measure(zk, znode, tree, view)
        except ForbiddenError as error:
            return Waiting(ZNodeReason.FORBIDDEN, f"the superuser is refused: {error}")
        except TransientError as error:
            message = f"ZooKeeperCluster {znode.cluster.name} does not answer ({brief_of(error)}); see kubectl get zk"
            return Waiting(ZNodeReason.DISCONNECTED, message)
        return Seen(door, identity, tree, view.usage.usage, view.audit.audit, below)

    async def leave(self, view: View) -> None:
        """Give the session back."""
        if view.zk is not None:
            zk, view.zk, view.door = view.zk, None, None
            await self._sessions.release(zk)

    async def _session(self, door: Door, view: View) -> Zk:
        if view.zk is None or view.door is None or _address(view.door) != _address(door):
            await self.leave(view)
            view.zk = await self._sessions.lease(door.hosts, door.superuser, door.tls)
        view.door = door
        return view.zk

    async def _contents(self, zk: Zk, znode: ValidatedZNode, tree: Tree) -> Contents | None:
        is_wanted = znode.deleting and znode.deletes_znodes and tree.root is not None
        return await contents(zk, znode.path) if is_wanted else None

    async def _measure(self, zk: Zk, znode: ValidatedZNode, tree: Tree, view: View) -> None:
        if tree.root is None or znode.deleting or not is_owned(tree, znode.owner):
            return
        now_s, stats = self._clock.now_s(), tree.quota.stats
        if stats is None:
            view.usage = Measured()
        elif now_s - view.usage.at_s >= USAGE_S:
            view.usage = Measured(now_s, usage=usage_in(stats.data))
        if now_s - view.audit.at_s >= AUDIT_S:
            view.audit = Measured(now_s, audit=await audit(zk, znode.path))


def _address(door: Door) -> tuple[object, ...]:
    return door.hosts, door.superuser, door.tls
