"""An ensemble whose members live in network namespaces of their own, so that single links can be cut, one way too.

A hub namespace holds the bridge and the clients; each member has a namespace with one address. Packets are dropped by
the filter of the receiving member's namespace, so nothing outside of what was made here is touched.
"""

import contextlib
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import packages
from testbed.network import command_in, inside
from testbed.processes import run, wait_for
from testbed.zookeepers import Member, ZooKeeperServer

_SUBNET = "10.213.7"
_CLIENT, _PEER, _ELECTION = 2181, 2888, 3888


class _Isolated(ZooKeeperServer):
    """A server that runs in the namespace of its member."""

    netns = ""

    def _argv(self) -> list[str | Path]:
        return [*command_in(self.netns, super()._argv())]


class PartitionedEnsemble:
    """Members with the ids 1 to size at addresses of their own; `cut` and `heal` work on links between them."""

    def __init__(self, size: int) -> None:
        self._name = f"zkp{secrets.token_hex(2)}"
        self._directory = tempfile.TemporaryDirectory(prefix="zkoperator-partition-")
        self._members = [Member(n, f"{_SUBNET}.{n}", _CLIENT, _PEER, _ELECTION) for n in range(1, size + 1)]
        self.servers: list[ZooKeeperServer] = []

    @property
    def hosts(self) -> str:
        """The connect string, for clients inside of the hub."""
        return ",".join(member.hosts for member in self._members)

    @contextlib.contextmanager
    def clients(self) -> Iterator[None]:
        """Have the calling thread, and what it starts, in the namespace from which the members can be reached."""
        with inside(self._name):
            yield

    def __enter__(self) -> Self:
        packages.install()
        self._lay_cables()
        lines = [member.line() for member in self._members]
        for member in self._members:
            kind = type("Isolated", (_Isolated,), {"netns": self._netns(member.myid)})
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
        for name in [self._name, *(self._netns(member.myid) for member in self._members)]:
            run("ip", "netns", "del", name)
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
        self._filter("-I", source, target)

    def heal(self, source: int, target: int) -> None:
        """Take one cut away."""
        self._filter("-D", source, target)

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

    def _filter(self, action: str, source: int, target: int) -> None:
        rule = ["INPUT", "-s", f"{_SUBNET}.{source}", "-j", "DROP"]
        run(*command_in(self._netns(target), ["iptables", "-w", action, *rule]))

    def _netns(self, member: int) -> str:
        return f"{self._name}-{member}"

    def _lay_cables(self) -> None:
        for name in [self._name, *(self._netns(member.myid) for member in self._members)]:
            run("ip", "netns", "add", name)
        self._ip(self._name, "link set lo up", "link add br0 type bridge", f"addr add {_SUBNET}.254/24 dev br0")
        self._ip(self._name, "link set br0 up")
        for member in self._members:
            netns = self._netns(member.myid)
            self._ip(
                self._name,
                f"link add m{member.myid} type veth peer name eth0 netns {netns}",
                f"link set m{member.myid} master br0 up",
            )
            self._ip(netns, "link set lo up", f"addr add {member.address}/24 dev eth0", "link set eth0 up")

    @staticmethod
    def _ip(netns: str, *lines: str) -> None:
        run("ip", "-n", netns, "-batch", "-", text_in="\n".join(lines), what="ip")
