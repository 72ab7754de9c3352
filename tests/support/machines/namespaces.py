"""Hosts in network namespaces of their own on one cable, so that single links can be cut, one way too.

A hub namespace holds the bridge; each host has a namespace with one address. Packets are dropped by the filter of the
receiving host's namespace, so nothing outside of what was made here is touched, and there is no way out of it.
"""

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import packages
from testbed.network import command_in, inside
from testbed.processes import run

_SUBNET = "10.213.7"


class Network:
    """Named hosts. As a context manager it makes their namespaces and removes them."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hub = f"zkp{secrets.token_hex(2)}"
        self._numbers = {host: number for number, host in enumerate(hosts, start=1)}

    def __enter__(self) -> Self:
        packages.install()
        for name in self._namespaces():
            run("ip", "netns", "add", name)
        self._ip(self.hub, "link set lo up", "link add br0 type bridge", f"addr add {self.hub_address}/24 dev br0")
        self._ip(self.hub, "link set br0 up")
        for host, number in self._numbers.items():
            link, netns = f"h{number}", self.netns(host)
            self._ip(
                self.hub, f"link add {link} type veth peer name eth0 netns {netns}", f"link set {link} master br0 up"
            )
            self._ip(netns, "link set lo up", f"addr add {self.address(host)}/24 dev eth0", "link set eth0 up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._namespaces():
            run("ip", "netns", "del", name)

    @property
    def hub_address(self) -> str:
        """The address of the hub, which all hosts reach."""
        return f"{_SUBNET}.254"

    def hosts(self, prefix: str = "") -> list[str]:
        """The hosts whose names begin so, in their order."""
        return [host for host in self._numbers if host.startswith(prefix)]

    def address(self, host: str) -> str:
        return f"{_SUBNET}.{self._numbers[host]}"

    def netns(self, host: str) -> str:
        """The name of the host's namespace."""
        return f"{self.hub}-{self._numbers[host]}"

    def command(self, host: str, argv: Sequence[str | Path]) -> list[str]:
        """A command line that runs another one on a host."""
        return command_in(self.netns(host), argv)

    @contextlib.contextmanager
    def on_hub(self) -> Iterator[None]:
        """Have the calling thread, and what it starts, in the namespace from which all hosts can be reached."""
        with inside(self.hub):
            yield

    def cut(self, source: str, target: str) -> None:
        """Drop everything that one host sends to another; the other way stays open."""
        self._filter("-I", source, target)

    def heal(self, source: str, target: str) -> None:
        """Take one cut away."""
        self._filter("-D", source, target)

    @contextlib.contextmanager
    def without(self, *links: tuple[str, str]) -> Iterator[None]:
        """Cut links (source, target) for the length of a `with` block."""
        for source, target in links:
            self.cut(source, target)
        try:
            yield
        finally:
            for source, target in links:
                self.heal(source, target)

    def _filter(self, action: str, source: str, target: str) -> None:
        rule = ["INPUT", "-s", self.address(source), "-j", "DROP"]
        run(*self.command(target, ["iptables", "-w", action, *rule]))

    def _namespaces(self) -> list[str]:
        return [self.hub, *map(self.netns, self._numbers)]

    @staticmethod
    def _ip(netns: str, *lines: str) -> None:
        run("ip", "-n", netns, "-batch", "-", text_in="\n".join(lines), what="ip")
