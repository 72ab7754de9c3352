"""Every request to ZooKeeper is reported with what became of it, reads of whole subtrees excepted."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.support.fakes.kube import FakeKube
from zkoperator.active_replica import ActiveReplica
from zkoperator.errors import TransientError
from zkoperator.kube.credentials import CredentialSource
from zkoperator.metrics import Metrics
from zkoperator.settings import Settings
from zkoperator.zk.admin import SocketProbe
from zkoperator.zk.port import Check, Create, Delete, NoNodeError, Set, Zk
from zkoperator.zk.session import SessionSettings, connect

NO_NODE = -101
STAT = bytes(68)
NO_DATA = struct.pack("!i", -1)
BODIES = {
    1: struct.pack("!i", 2) + b"/a" + STAT,
    15: struct.pack("!i", 2) + b"/a" + STAT,
    3: STAT,
    4: NO_DATA + STAT,
    5: STAT,
    6: struct.pack("!i", 0) + STAT,
    7: STAT,
    12: struct.pack("!i", 0) + STAT,
    14: struct.pack("!i?i", -1, True, -1),
    16: struct.pack("!i", 9) + b"version=1" + STAT,
}
"""The bodies of answers by the kind of request; an answer without one has an empty body."""

OPERATIONS: dict[str, Callable[[Zk], Awaitable[Any]]] = {
    "get": lambda zk: zk.get("/a"),
    "exists": lambda zk: zk.exists("/a"),
    "children": lambda zk: zk.children("/a"),
    "multi_read": lambda zk: zk.multi_read([]),
    "get_acl": lambda zk: zk.get_acl("/a"),
    "set_acl": lambda zk: zk.set_acl("/a", (), 0),
    "create": lambda zk: zk.create(Create("/a", b"")),
    "set": lambda zk: zk.set(Set("/a", b"x", 1)),
    "delete": lambda zk: zk.delete(Delete("/a", 1)),
    "multi": lambda zk: zk.multi([]),
    "sync": lambda zk: zk.sync("/a"),
    "reconfig": lambda zk: zk.reconfig(leaving=[2], from_config=1),
    "add_watch": lambda zk: zk.add_watch("/a"),
}


class Server:
    """Takes a session and answers each request at once: with an error, or with an answer that says nothing."""

    def __init__(self) -> None:
        self.error = 0

    async def start(self) -> str:
        self.listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self.listening.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._frame(reader)
            self._answer(writer, struct.pack("!iiqi", 0, 10_000, 1, 16) + bytes(16) + b"\0")
            while True:
                xid, kind = struct.unpack_from("!ii", await self._frame(reader))
                body = b"" if self.error else BODIES.get(kind, b"")
                self._answer(writer, struct.pack("!iqi", xid, 1, self.error) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(struct.pack("!i", len(body)) + body)

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        return await reader.readexactly(length)


class Reports:
    def __init__(self) -> None:
        self.results: list[tuple[str, str]] = []

    def __call__(self, operation: str, result: str, duration_s: float) -> None:
        assert duration_s >= 0
        self.results.append((operation, result))


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    yield found
    found.listening.close()


@pytest.fixture
async def zk(server: Server, reports: Reports) -> AsyncIterator[Zk]:
    session = connect([await server.start()], settings=SessionSettings(report=reports))
    yield session
    await session.close()


def test_every_request_of_the_port_is_tried_here() -> None:
    others = {"start_get", "close", "on_event", "on_state"}
    assert {name for name in vars(Zk) if not name.startswith("_") and callable(vars(Zk)[name])} - others == set(
        OPERATIONS
    )


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_each_request_is_reported_once_under_its_name(zk: Zk, reports: Reports, operation: str) -> None:
    await OPERATIONS[operation](zk)
    assert reports.results == [(operation, "ok")]


async def test_an_answer_that_says_no_is_refused_and_an_absent_znode_is_an_answer(
    server: Server, zk: Zk, reports: Reports
) -> None:
    server.error = NO_NODE
    assert await zk.exists("/a") is None
    with pytest.raises(NoNodeError):
        await zk.set(Set("/a", b"", 1))
    assert reports.results == [("exists", "ok"), ("set", "refused")]


async def test_a_request_that_the_lease_forbids_or_the_connection_loses_has_failed(reports: Reports) -> None:
    def forbid() -> None:
        raise TransientError("lost")

    server = Server()
    settings = SessionSettings(report=reports, before_write=forbid)
    zk = connect([await server.start()], settings=settings)
    with pytest.raises(TransientError):
        await zk.multi([Check("/a", 1)])
    await zk.close()
    server.listening.close()
    assert reports.results == [("multi", "failed")]


async def test_reads_of_whole_subtrees_are_not_reported_one_by_one(zk: Zk, reports: Reports) -> None:
    await zk.start_get("/a")
    assert reports.results == []


async def test_a_four_letter_word_is_reported_under_itself(reports: Reports) -> None:
    with pytest.raises(TransientError):
        await SocketProbe(timeout_s=0.5, report=reports).ask("127.0.0.1", 1, "srvr")
    assert reports.results == [("srvr", "failed")]


async def test_an_acting_replica_counts_the_requests_of_its_sessions_and_its_probe() -> None:
    metrics = Metrics()
    acting = ActiveReplica(Settings(), FakeKube(), CredentialSource(None), metrics)
    server = Server()
    zk = await acting._sessions._connector.open([await server.start()], None)
    await zk.sync("/a")
    await zk.close()
    server.listening.close()
    with pytest.raises(TransientError):
        await acting._ensemble._observer._probe.ask("127.0.0.1", 1, "srvr")
    name = "zkoperator_zookeeper_request_seconds_count"
    count = metrics.registry.get_sample_value
    assert count(name, {"operation": "sync", "result": "ok"}) == 1
    assert count(name, {"operation": "srvr", "result": "failed"}) == 1
