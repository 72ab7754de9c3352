"""An in-memory ZooKeeper for tests of what stands on the `Zk` port.

`FakeZkServer` holds one tree; `FakeZk` is a session on it. Requests run and replies arrive in turns of the event loop,
in the order of a connection: an event always comes before any reply that reflects its change. One contract suite
(`tests/contract/test_zk_contract.py`) holds it to the real server. Faults are injected by the server's hooks:

    server = FakeZkServer()
    zk = server.session()
    server.inject(Fault.DROP_AFTER, "multi")   # the next multi commits, and its reply is lost
    server.disconnect(zk)                      # comes back by itself, without watches
    server.expire(zk)                          # comes back with another session_id
    server.down() / server.up()                # nobody can connect in between
    server.hold(zk) / server.release(zk)       # the connection stalls: nothing is executed, nothing arrives
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.support.fakes.zk_session import Call, FakeZk, Fault
from tests.support.fakes.zk_tree import CONFIG_PATH, Change, Principal, Tree
from zkoperator.ensemble.model.configuration import parse_servers
from zkoperator.errors import FieldError, ForbiddenError, InvalidError, ZkOperatorError
from zkoperator.zk import port
from zkoperator.zk.config_version import config_version

__all__ = ["FakeZk", "FakeZkConnector", "FakeZkServer", "Fault"]


@dataclass(slots=True)
class _Injected:
    fault: Fault
    name: str | None
    path: str | None
    skip: int


class FakeZkServer:
    """One ensemble as a single tree.

    Args:
        event_zxids: Notifications carry the zxid of the change (3.9), or -1 (3.8).
        super_password: The password of the digest user `super`.
        rng: When given, connections do random shares of their work in each turn, so that a seed is an interleaving.
        request_timeout_s: How long calls wait while nobody can connect.
    """

    def __init__(
        self,
        *,
        event_zxids: bool = True,
        super_password: str = "super-secret",
        rng: random.Random | None = None,
        request_timeout_s: float = 10.0,
    ) -> None:
        self.tree = Tree()
        self.event_zxids = event_zxids
        self.super_password = super_password
        self.request_timeout_s = request_timeout_s
        self.rng = rng
        self.is_up = True
        self.reconfig_refusal: ZkOperatorError | None = None
        self.served: dict[str, int] = {}
        self._clients: list[FakeZk] = []
        self._injected: list[_Injected] = []
        self._sessions = 0

    @property
    def zxid(self) -> int:
        """The last committed transaction."""
        return self.tree.zxid

    def session(self, credential: port.Credential | None = None) -> FakeZk:
        """Open a session; it connects in a later turn of the loop."""
        client = FakeZk(self, credential)
        self._clients.append(client)
        return client

    def inject(self, fault: Fault, name: str | None = None, *, path: str | None = None, skip: int = 0) -> None:
        """Let the fault hit the next request of this name and path (None: any), after `skip` that go well."""
        self._injected.append(_Injected(fault, name, path, skip))

    def disconnect(self, *clients: FakeZk) -> None:
        """End the connections of these sessions (of all when none is given); the sessions live on."""
        for client in clients or tuple(self._clients):
            client.drop()

    def expire(self, client: FakeZk) -> None:
        """End the session; its ephemerals go."""
        self._end_session(client)
        client.drop()

    def hold(self, client: FakeZk) -> None:
        """Stall the connection."""
        client.is_held = True

    def release(self, client: FakeZk) -> None:
        """Let a stalled connection go on."""
        client.is_held = False
        client.wake()

    def down(self) -> None:
        """Refuse everybody until `up`; sessions live on."""
        self.is_up = False
        self.disconnect()

    def up(self) -> None:
        """Serve again."""
        self.is_up = True
        for client in self._clients:
            client.wake()

    def restore(self, tree: Tree) -> None:
        """Become another ensemble: another tree, whatever its zxid; nobody's session is known any more."""
        self.tree = tree
        for client in tuple(self._clients):
            client.session_id_known = 0
            client.drop()

    def write(self, *ops: port.Operation) -> port.Committed:
        """Commit as the superuser, outside of any session: what some other client does."""
        committed, changes = self.tree.commit(ops, Principal(is_super=True))
        self.publish(changes)
        return committed

    def set_acl(self, path: str, acl: tuple[port.Acl, ...]) -> None:
        """Change an ACL, which no watch tells."""
        self.tree.set_acl(path, acl)

    def new_session_id(self) -> int:
        """Open a session on the server; a transaction of its own."""
        self.tree.begin()
        self._sessions += 1
        return 0x1000_0000 + self._sessions

    def forget(self, client: FakeZk) -> None:
        """A client has closed its session."""
        self._end_session(client)
        self._clients.remove(client)

    def publish(self, changes: Iterable[Change]) -> None:
        """Tell every connection what it watches and may read, in the order of the changes."""
        for change in changes:
            for client in self._clients:
                if client.watched:
                    client.notice(change)

    def fault_for(self, call: Call) -> Fault | None:
        """Take the injected fault that this request meets, if any."""
        self.served[call.name] = self.served.get(call.name, 0) + 1
        for entry in self._injected:
            if entry.name not in (None, call.name) or entry.path not in (None, call.path):
                continue
            if entry.skip > 0:
                entry.skip -= 1
                continue
            self._injected.remove(entry)
            return entry.fault
        return None

    def reconfig(
        self, who: Principal, joining: Sequence[str], leaving: Sequence[int], from_config: int
    ) -> tuple[str, int]:
        """Change the configuration as the real server does, without asking whether anybody is there."""
        if not who.is_super:
            raise ForbiddenError(f"{CONFIG_PATH}: no permission")
        if self.reconfig_refusal is not None:
            raise self.reconfig_refusal
        if from_config not in (-1, config_version(self.config)):
            raise port.BadVersionError(f"{CONFIG_PATH}: another version is there")
        lines = dict(line.split("=", 1) for line in self.config.splitlines() if line.startswith("server."))
        for id_ in leaving:
            lines.pop(f"server.{id_}", None)
        for line in joining:
            if not parse_servers(line):
                raise InvalidError((FieldError(CONFIG_PATH, "the server refused the arguments"),))
            key, value = line.split("=", 1)
            lines[key] = value
        version = self.tree.begin()
        self.config = "\n".join([*(f"{key}={value}" for key, value in lines.items()), f"version={version:x}"])
        return self.config, version

    @property
    def config(self) -> str:
        """The text of the dynamic configuration."""
        return self.tree.get(CONFIG_PATH, Principal(is_super=True)).data.decode()

    @config.setter
    def config(self, text: str) -> None:
        self.tree.set_config(text)

    def _end_session(self, client: FakeZk) -> None:
        if client.session_id_known:
            self.publish(self.tree.end_session(client.session_id_known))
            client.session_id_known = 0


@dataclass(frozen=True, slots=True)
class FakeZkConnector:
    """The `ZkConnector` onto one fake ensemble, whatever the hosts say."""

    server: FakeZkServer

    async def open(
        self, hosts: Sequence[str], credential: port.Credential | None, tls: port.ClientTls | None = None
    ) -> port.Zk:
        return self.server.session(credential)
