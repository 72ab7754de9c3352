"""The session against real servers and a hostile wire."""

import asyncio
import itertools
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trustme

from testbed.zookeepers import Ensemble
from tests.support.faults.proxies.rules import CutReply, Delay, DropReply, DropRequest, Rule, Zk, ZkError
from tests.support.faults.proxies.zk import ZkProxy
from tests.support.machines.testbed import EnsembleFactory
from tests.support.waiting import eventually
from zkoperator.errors import TransientError, UnknownOutcomeError
from zkoperator.runtime.backoff import Backoff
from zkoperator.zk import port
from zkoperator.zk.port import ClientTls, ConnectionState, Create, Credential, Set
from zkoperator.zk.session import SessionSettings, ZkSession, connect

_roots = itertools.count(1)
QUICK = Backoff(first_s=0.02, limit_s=0.1)
PATIENT = SessionSettings(session_timeout_s=20, request_timeout_s=60, backoff=QUICK)
ALICE = Credential("alice", "wonder")


@pytest.fixture
async def proxy(zookeeper: Ensemble) -> AsyncIterator[ZkProxy]:
    async with ZkProxy(zookeeper.hosts) as proxy:
        yield proxy


@asynccontextmanager
async def session(
    *hosts: str, settings: SessionSettings = PATIENT, credential: Credential | None = None
) -> AsyncIterator[ZkSession]:
    zk = connect(hosts, credential=credential, settings=settings)
    try:
        yield zk
    finally:
        await zk.close()


async def fresh_root(zk: ZkSession) -> str:
    root = f"/session-{next(_roots)}"
    await zk.create(Create(root, b"0"))
    return root


async def interrupt(zk: ZkSession, proxy: ZkProxy) -> None:
    """Cut the connection and wait until the session is back."""
    states: list[ConnectionState] = []
    remove = zk.on_state(states.append)
    proxy.cut()
    await eventually(lambda: states[-2:] == [ConnectionState.CONNECTING, ConnectionState.CONNECTED])
    remove()


@asynccontextmanager
async def impostor(behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]) -> AsyncIterator[str]:
    """A TCP server that is no ZooKeeper."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        behave(reader, writer)
        await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_write_whose_reply_is_lost_is_an_unknown_outcome_and_did_happen(proxy: ZkProxy) -> None:
    async with session(proxy.hosts) as zk:
        root = await fresh_root(zk)
        first_session = zk.session_id
        with proxy.rules.active(Rule(Zk(op="set"), DropReply())), pytest.raises(UnknownOutcomeError, match=root):
            await zk.set(Set(root, b"1", 0))
        assert (await zk.get(root)).data == b"1"
        assert zk.session_id == first_session


async def test_a_write_that_never_arrived_is_an_unknown_outcome_and_did_not_happen(proxy: ZkProxy) -> None:
    async with session(proxy.hosts) as zk:
        root = await fresh_root(zk)
        with proxy.rules.active(Rule(Zk(op="multi"), DropRequest())), pytest.raises(UnknownOutcomeError):
            await zk.multi([Set(root, b"1", 0)])
        assert (await zk.get(root)).stat.version == 0


async def test_a_lost_read_is_transient_and_never_an_unknown_outcome(proxy: ZkProxy) -> None:
    async with session(proxy.hosts) as zk:
        root = await fresh_root(zk)
        with proxy.rules.active(Rule(Zk(op="get"), CutReply())), pytest.raises(TransientError) as caught:
            await zk.get(root)
        assert not isinstance(caught.value, UnknownOutcomeError)
        assert (await zk.get(root)).data == b"0"


async def test_a_session_survives_its_connection_with_ephemerals_and_credential(proxy: ZkProxy) -> None:
    async with session(proxy.hosts, credential=ALICE) as zk:
        root = await fresh_root(zk)
        await zk.create(Create(f"{root}/e", b"", ephemeral=True))
        await zk.create(Create(f"{root}/mine", b"", port.CREATOR_ACL))
        states: list[ConnectionState] = []
        zk.on_state(states.append)
        before = zk.session_id
        for _ in range(3):
            await interrupt(zk, proxy)
            assert await zk.exists(f"{root}/e") is not None
            assert (await zk.get(f"{root}/mine")).data == b""
        assert zk.session_id == before
        assert states == [ConnectionState.CONNECTING, ConnectionState.CONNECTED] * 3


async def test_an_expired_session_is_replaced_by_itself_and_says_so(proxy: ZkProxy) -> None:
    async with session(proxy.hosts) as zk:
        root = await fresh_root(zk)
        await zk.create(Create(f"{root}/e", b"", ephemeral=True))
        before = zk.session_id
        await proxy.down()
        await proxy.kill_session(before)
        await proxy.up()
        await eventually(lambda: zk.session_id not in (0, before))
        assert await zk.exists(f"{root}/e") is None
        assert zk.state is ConnectionState.CONNECTED


async def test_a_watch_ends_with_its_connection(proxy: ZkProxy, zookeeper: Ensemble) -> None:
    async with session(proxy.hosts) as zk, session(zookeeper.hosts) as other:
        root = await fresh_root(zk)
        heard: list[port.ZnodeEvent] = []
        zk.on_event(heard.append, under=root)
        await zk.add_watch(root)
        await interrupt(zk, proxy)
        await other.set(Set(root, b"1", -1))
        await zk.sync(root)
        assert not heard
        await zk.add_watch(root)
        await other.set(Set(root, b"2", -1))
        await eventually(lambda: len(heard) == 1)


async def test_calls_wait_for_a_connection_but_not_longer_than_their_deadline(proxy: ZkProxy) -> None:
    async with session(proxy.hosts) as zk:
        root = await fresh_root(zk)
        await proxy.down()
        await eventually(lambda: zk.state is not ConnectionState.CONNECTED)
        waiting = asyncio.create_task(zk.set(Set(root, b"1", 0)))
        await asyncio.sleep(0.05)
        await proxy.up()
        assert (await waiting).version == 1
    impatient = SessionSettings(request_timeout_s=0.2, backoff=QUICK)
    await proxy.down()
    async with session(proxy.hosts, settings=impatient) as zk:
        with pytest.raises(TransientError, match="not connected") as caught:
            await zk.set(Set(root, b"2", 1))
        assert not isinstance(caught.value, UnknownOutcomeError)
        assert proxy.hosts in str(caught.value)


async def test_a_late_reply_fails_its_call_alone_and_the_order_stays(proxy: ZkProxy) -> None:
    settings = SessionSettings(session_timeout_s=40, request_timeout_s=2, backoff=QUICK)
    async with session(proxy.hosts, settings=settings) as zk:
        root = await fresh_root(zk)
        before = zk.session_id
        with proxy.rules.active(Rule(Zk(op="set"), Delay(4.0))), pytest.raises(UnknownOutcomeError, match="deadline"):
            await zk.set(Set(root, b"1", 0))
        await eventually(lambda: _version(zk, root, 1))
        assert (zk.session_id, zk.state) == (before, ConnectionState.CONNECTED)


async def _version(zk: ZkSession, path: str, version: int) -> bool:
    try:
        return (await zk.get(path)).stat.version == version
    except TransientError:
        return False


async def test_a_silent_server_is_left_for_another_one_within_the_session(zookeeper: Ensemble) -> None:
    settings = SessionSettings(session_timeout_s=6, request_timeout_s=60, backoff=QUICK)
    async with (
        ZkProxy(zookeeper.hosts) as one,
        ZkProxy(zookeeper.hosts) as two,
        session(one.hosts, two.hosts, settings=settings) as zk,
    ):
        root = await fresh_root(zk)
        before = zk.session_id
        (one if one.sessions else two).freeze()
        await eventually(lambda: bool(one.sessions) and bool(two.sessions))
        assert (await zk.get(root)).data == b"0"
        assert zk.session_id == before


async def test_an_idle_session_stays_alive_by_its_pings(zookeeper: Ensemble) -> None:
    settings = SessionSettings(session_timeout_s=2, backoff=QUICK)
    async with session(zookeeper.hosts, settings=settings) as zk:
        root = await fresh_root(zk)
        states: list[ConnectionState] = []
        zk.on_state(states.append)
        await zk.create(Create(f"{root}/e", b"", ephemeral=True))
        before = zk.session_id
        await asyncio.sleep(5)
        assert await zk.exists(f"{root}/e") is not None
        assert (zk.session_id, states) == (before, [])


async def test_a_code_that_nobody_knows_is_an_answer_like_any_other(proxy: ZkProxy) -> None:
    async with session(proxy.hosts) as zk:
        root = await fresh_root(zk)
        states: list[ConnectionState] = []
        zk.on_state(states.append)
        with proxy.rules.active(Rule(Zk(op="set"), ZkError(-4242))), pytest.raises(UnknownOutcomeError, match="-4242"):
            await zk.set(Set(root, b"1", 0))
        with proxy.rules.active(Rule(Zk(op="get"), ZkError(-4242))), pytest.raises(TransientError, match="-4242"):
            await zk.get(root)
        assert (await zk.get(root)).data == b"0"
        assert states == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another-protocol"),
        pytest.param(struct.pack("!i", 0x7FFFFFFF), id="huge-frame"),
        pytest.param(struct.pack("!i", -5), id="negative-frame"),
        pytest.param(struct.pack("!i", 4) + b"\0\0\0\0", id="short-frame"),
        pytest.param(
            struct.pack("!iiiqi16sB", 37, 0, 9000, 7, 16, b"x" * 16, 0) + struct.pack("!iiqi", 16, 9, 1, 0),
            id="stray-reply",
        ),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_a_peer_that_speaks_nonsense_is_left_for_the_next_host(zookeeper: Ensemble, answer: bytes) -> None:
    def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            writer.write(answer)
        else:
            writer.transport.abort()

    async with impostor(behave) as address:
        async with session(address, zookeeper.hosts) as zk:
            for _ in range(5):
                assert await zk.exists("/") is not None
        async with session(address, settings=SessionSettings(request_timeout_s=0.3, backoff=QUICK)) as zk:
            with pytest.raises(TransientError):
                await zk.exists("/")


async def test_names_are_resolved_anew_at_each_attempt(zookeeper: Ensemble, monkeypatch: pytest.MonkeyPatch) -> None:
    real, port_number = socket.getaddrinfo, int(zookeeper.hosts.rpartition(":")[2])
    asked: list[str] = []

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        target = "127.0.0.1" if len(asked) < 3 else zookeeper.hosts.rpartition(":")[0]
        return list(real(target, *args, **kwargs))

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with session(f"moving.invalid:{port_number}") as zk:
        assert await zk.exists("/") is not None
    assert asked == ["moving.invalid"] * 3


async def test_thousands_of_requests_are_in_flight_at_once_and_answered_in_order(zookeeper: Ensemble) -> None:
    async with session(zookeeper.hosts) as zk:
        root = await fresh_root(zk)
        stats = await asyncio.gather(*(zk.set(Set(root, b"x", -1)) for _ in range(3000)))
        assert [stat.version for stat in stats] == list(range(1, 3001))


async def test_a_cancelled_call_disturbs_nobody(zookeeper: Ensemble) -> None:
    async with session(zookeeper.hosts) as zk:
        root = await fresh_root(zk)
        calls = [asyncio.create_task(zk.set(Set(root, b"x", -1))) for _ in range(50)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [result.version for result in done if isinstance(result, port.Stat)] == list(range(2, 51, 2))


async def test_no_acknowledged_write_is_lost_when_the_leader_dies(ensembles: EnsembleFactory) -> None:
    ensemble = ensembles(3)
    async with session(*ensemble.hosts.split(",")) as zk:
        root = await fresh_root(zk)
        acknowledged: set[int] = set()
        killed = False
        for number in range(400):
            if number == 150:
                (await asyncio.to_thread(ensemble.leader)).kill()
                killed = True
            try:
                await zk.create(Create(f"{root}/{number}", b""))
            except TransientError:
                continue
            acknowledged.add(number)
        assert killed
        assert len(acknowledged) > 300
        survivors = set(map(int, (await zk.children(root)).names))
        assert acknowledged <= survivors


async def test_an_ensemble_that_was_wiped_is_met_again_with_its_lower_zxid(ensembles: EnsembleFactory) -> None:
    ensemble = ensembles(1)
    settings = SessionSettings(session_timeout_s=2, request_timeout_s=60, backoff=QUICK)
    async with session(ensemble.hosts, settings=settings) as zk:
        root = await fresh_root(zk)
        await asyncio.gather(*(zk.set(Set(root, b"x", -1)) for _ in range(200)))
        before, session_before = zk.last_zxid, zk.session_id
        server = ensemble.servers[0]
        server.kill()
        server.wipe()
        await asyncio.to_thread(server.start)
        assert await zk.exists(root) is None
        assert zk.last_zxid < before
        assert zk.session_id != session_before


async def test_tls_with_a_verified_server(zookeeper: Ensemble) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server_side)
    async with _tls_relay(zookeeper.hosts, server_side) as tls_port:
        trusting = ClientTls(authority.cert_pem.bytes().decode())
        zk = connect([f"localhost:{tls_port}"], tls=trusting, settings=PATIENT)
        assert await zk.exists("/") is not None
        await zk.close()
        named = connect(
            [f"127.0.0.1:{tls_port}"], tls=replace(trusting, names=(("127.0.0.1", "localhost"),)), settings=PATIENT
        )
        assert await named.exists("/") is not None
        await named.close()
        for hosts, tls in (
            ([f"localhost:{tls_port}"], ClientTls(trustme.CA().cert_pem.bytes().decode())),
            ([f"localhost:{tls_port}"], ClientTls("")),
            ([f"127.0.0.1:{tls_port}"], trusting),
        ):
            refused = connect(hosts, tls=tls, settings=SessionSettings(request_timeout_s=0.5, backoff=QUICK))
            with pytest.raises(TransientError, match="not connected"):
                await refused.exists("/")
            await refused.close()


@asynccontextmanager
async def _tls_relay(upstream: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    host, _, upstream_port = upstream.rpartition(":")

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65536):
            writer.write(part)
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(upstream_port))
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
