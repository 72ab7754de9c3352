"""A replica that has lost the Lease writes nothing to ZooKeeper, however long the write has waited."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from tests.support.fakes.kube import FakeKube
from tests.support.waiting import eventually
from zkoperator.active_replica import ActiveReplica
from zkoperator.errors import TransientError
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.lease import NotLeaderError
from zkoperator.metrics import Metrics
from zkoperator.settings import Settings
from zkoperator.zk.port import Check, Create, Delete, Set, Zk
from zkoperator.zk.session import SessionSettings, connect

READ = 4


class Lease:
    """The Lease, as the session hears of it."""

    def __init__(self) -> None:
        self.held = True

    def require(self) -> float:
        if not self.held:
            raise NotLeaderError("lost")
        return 1.0


class Server:
    """Takes sessions once it may, answers nothing, and notes what kinds of requests arrive."""

    def __init__(self) -> None:
        self.may_take = asyncio.Event()
        self.arrived: list[int] = []

    async def start(self) -> str:
        self.listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self.listening.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._frame(reader)
        await self.may_take.wait()
        body = struct.pack("!iiq", 0, 10_000, 1) + struct.pack("!i", 16) + bytes(16) + b"\0"
        writer.write(struct.pack("!i", len(body)) + body)
        try:
            while True:
                _, kind = struct.unpack_from("!ii", await self._frame(reader))
                self.arrived.append(kind)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        return await reader.readexactly(length)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    yield found
    found.listening.close()


WRITES = {
    "reconfig": lambda zk: zk.reconfig(leaving=[2], from_config=1),
    "multi": lambda zk: zk.multi([Check("/a", 1), Set("/a", b"x", 1)]),
    "create": lambda zk: zk.create(Create("/a", b"")),
    "set": lambda zk: zk.set(Set("/a", b"x", 1)),
    "delete": lambda zk: zk.delete(Delete("/a", 1)),
}


async def _only_reads_arrive(server: Server, zk: Zk) -> None:
    """A read that was asked for later arrives, so nothing before it is still on its way."""
    reading = asyncio.ensure_future(zk.get("/a"))
    await eventually(lambda: READ in server.arrived)
    reading.cancel()
    assert [kind for kind in server.arrived if kind > 0] == [READ]


@pytest.mark.parametrize("write", WRITES)
async def test_no_write_leaves_without_the_lease(server: Server, write: str) -> None:
    lease = Lease()
    server.may_take.set()
    zk = connect([await server.start()], settings=SessionSettings(before_write=lease.require))
    try:
        await eventually(lambda: zk.session_id)
        lease.held = False
        with pytest.raises(NotLeaderError):
            await WRITES[write](zk)
        await _only_reads_arrive(server, zk)
    finally:
        await zk.close()


async def test_a_write_that_waited_for_a_connection_does_not_leave_after_the_lease_is_lost(server: Server) -> None:
    lease = Lease()
    zk = connect([await server.start()], settings=SessionSettings(before_write=lease.require))
    try:
        writing = asyncio.ensure_future(zk.reconfig(leaving=[2], from_config=1))
        await asyncio.sleep(0)
        lease.held = False
        server.may_take.set()
        with pytest.raises(NotLeaderError):
            await writing
        await _only_reads_arrive(server, zk)
    finally:
        await zk.close()


async def test_the_lease_fences_the_sessions_of_an_acting_replica(server: Server) -> None:
    lease = Lease()
    lease.held = False
    server.may_take.set()
    acting = ActiveReplica(Settings(), FakeKube(), CredentialSource(None), Metrics(), before_write=lease.require)
    hosts = [await server.start()]
    for connector in (acting._sessions._connector, acting._ensemble._applier._reconfigurer._connector):
        zk = await connector.open(hosts, None)
        try:
            with pytest.raises(TransientError, match="lost"):
                await zk.reconfig(leaving=[2], from_config=1)
        finally:
            await zk.close()
