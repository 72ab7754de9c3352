"""An ensemble whose members are hosts of their own (`namespaces`), so that single links between them can be cut."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.network import command_in
from testbed.processes import wait_for
from testbed.zookeepers import Member, ZooKeeperServer
from tests.support.machines.namespaces import Network

_CLIENT, _PEER, _ELECTION = 2181, 2888, 3888


class _Isolated(ZooKeeperServer):
    """A server that runs in the namespace of its member."""

    netns = ""

    def _argv(self) -> list[str | Path]:
        return [*command_in(self.netns, super()._argv())]


class PartitionedEnsemble:
    """Members with the ids 1 to size; `cut` and `heal` work on links between them."""

    def __init__(self, size: int) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="zkoperator-partition-")
        self._network = Network([str(number) for number in range(1, size + 1)])
        self._members = [
            Member(number, self._network.address(str(number)), _CLIENT, _PEER, _ELECTION)
            for number in range(1, size + 1)
        ]
        self.servers: list[ZooKeeperServer] = []

    @property
    def hosts(self) -> str:
        """The connect string, for clients inside of the hub."""
        return ",".join(member.hosts for member in self._members)

    @contextlib.contextmanager
    def clients(self) -> Iterator[None]:
        """Have the calling thread, and what it starts, in the namespace from which the members can be reached."""
        with self._network.on_hub():
            yield

    def __enter__(self) -> Self:
        self._network.__enter__()
        lines = [member.line() for member in self._members]
        for member in self._members:
            kind = type("Isolated", (_Isolated,), {"netns": self._network.netns(str(member.myid))})
            server = kind(Path(self._directory.name) / str(member.myid), member, lines)
            self.servers.append(server)
            server.launch()
        with self.clients():
            for server in self.servers:
                server.wait_serving(120)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers:
            server.kill()
        self._network.__exit__(kind, error, trace)
        self._directory.cleanup()

    def leader(self) -> ZooKeeperServer:
        """The one server that leads, as seen from the hub."""
        leaders: list[ZooKeeperServer] = []

        def one_leads() -> bool:
            leaders[:] = [server for server in self.servers if server.mode() == "leader"]
            return len(leaders) == 1

        with self.clients():
            wait_for("one leader", one_leads, limit_s=60)
        return leaders[0]

    def cut(self, source: int, target: int) -> None:
        """Drop everything that member `source` sends to member `target`; the other way stays open."""
        self._network.cut(str(source), str(target))

    def heal(self, source: int, target: int) -> None:
        """Take one cut away."""
        self._network.heal(str(source), str(target))

    def isolate(self, member: int) -> None:
        """Cut a member off from all others, both ways; clients still reach it."""
        for other in self._others(member):
            self.cut(member, other)
            self.cut(other, member)

    def rejoin(self, member: int) -> None:
        """Undo `isolate`."""
        for other in self._others(member):
            self.heal(member, other)
            self.heal(other, member)

    def _others(self, member: int) -> Sequence[int]:
        return [other.myid for other in self._members if other.myid != member]
