"""What becomes of a write that a network has swallowed when the network comes back."""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.network import command_in, inside
from testbed.processes import run
from tests.support.waiting import eventually
from zkoperator.errors import UnknownOutcomeError
from zkoperator.kube.credentials import Credentials, CredentialSource
from zkoperator.kube.failures import Request
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.kube.session import UNACKNOWLEDGED_S
from zkoperator.kube.transport import Call, Transport

REMOVAL = Request("delete", CONFIG_MAPS, "demo", "shop")


class Network:
    """A network namespace of its own, with nothing but its loopback, that can swallow everything."""

    def __init__(self) -> None:
        self.name = f"zkl{secrets.token_hex(2)}"

    def swallow(self) -> None:
        self._filter("-A")

    def deliver(self) -> None:
        self._filter("-D")

    @staticmethod
    def has_undelivered() -> bool:
        """Whether the kernel still tries to deliver what was sent on a connection that is closed (FIN-WAIT-1)."""
        lines = Path("/proc/thread-self/net/tcp").read_text().splitlines()
        return any(line.split()[3] == "04" for line in lines[1:])

    def _filter(self, action: str) -> None:
        run(*command_in(self.name, ["iptables", "-w", action, "INPUT", "-j", "DROP"]))


@pytest.fixture
def network() -> Iterator[Network]:
    found = Network()
    run("ip", "netns", "add", found.name)
    try:
        run("ip", "-n", found.name, "link", "set", "lo", "up")
        with inside(found.name):
            yield found
    finally:
        run("ip", "netns", "del", found.name)


class Source(CredentialSource):
    def __init__(self, server: str) -> None:
        super().__init__()
        self._found = Credentials(server)

    def current(self) -> Credentials:
        return self._found


async def test_a_write_that_was_swallowed_is_not_delivered_when_the_network_comes_back(network: Network) -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                received.append(request)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = Transport(Source(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    try:
        await transport.send(REMOVAL, Call("DELETE", "/a", {}), deadline_s=10)
        network.swallow()
        with pytest.raises(UnknownOutcomeError):
            await transport.send(REMOVAL, Call("DELETE", "/b", {}), deadline_s=10, before=lambda: 0.5)
        await asyncio.sleep(2 * UNACKNOWLEDGED_S)  # the length of the outage, not a wait for something
        network.deliver()
        await eventually(lambda: not network.has_undelivered())
        await transport.send(REMOVAL, Call("DELETE", "/c", {}), deadline_s=10)
        assert [request.split()[1] for request in received] == [b"/a", b"/c"]
    finally:
        await transport.close()
        server.close()
