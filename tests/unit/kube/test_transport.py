"""Requests to a server on loopback that behaves as each test says: cancellation, deadlines, fences and repeats."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from inspect import signature
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from tests.support.waiting import eventually
from zkoperator.errors import TransientError, UnknownOutcomeError
from zkoperator.kube import informer as informer_module
from zkoperator.kube import transport as transport_module
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import Credentials, CredentialSource
from zkoperator.kube.failures import Request
from zkoperator.kube.lease import NotLeaderError, Timing
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.kube.session import UNACKNOWLEDGED_S
from zkoperator.kube.transport import Call, Transport

READ = Request("get", CONFIG_MAPS, "demo", "shop")
REMOVAL = Request("delete", CONFIG_MAPS, "demo", "shop")
GET, DELETE = Call("GET", "/shop", {}), Call("DELETE", "/shop", {})
_TURNS = 40

Behaviour = Callable[["Server"], Awaitable[None]]


class Source(CredentialSource):
    """Knows the server, or cannot read its files."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self.credentials = credentials
        self.is_away = False

    def current(self) -> Credentials:
        if self.is_away:
            raise TransientError("the token is away")
        return self.credentials

    def renew(self) -> Credentials:
        return self.current()


class Server:
    """Counts the requests that arrive; `behave` runs in each of them before the answer."""

    def __init__(self) -> None:
        self.arrived = 0
        self.requests: list[web.BaseRequest] = []
        self.behave: Behaviour = _answer
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.arrived += 1
        self.requests.append(request)
        await self.behave(self)
        return web.json_response({})

    def cut(self) -> None:
        """Cut the connection of the last request."""
        transport = self.requests[-1].transport
        assert transport is not None
        transport.abort()


async def _answer(_: Server) -> None:
    return None


async def _never(_: Server) -> None:
    await asyncio.Event().wait()


async def _cut(server: Server) -> None:
    server.cut()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as found:
        yield found


@pytest.fixture
async def transport(server: Server) -> AsyncIterator[Transport]:
    found = Transport(Source(Credentials(server.url)), concurrency=1)
    yield found
    await found.close()


async def test_a_cancelled_request_ends_at_whatever_turn_of_the_loop_the_cancellation_comes(
    server: Server, transport: Transport
) -> None:
    await transport.send(READ, GET, deadline_s=30)
    for turns in range(_TURNS):
        server.behave = _never
        task = asyncio.create_task(transport.send(READ, GET, deadline_s=30))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=10)
        assert task.cancelled(), f"not when it comes at turn {turns}"
        server.behave = _answer
        await transport.send(READ, GET, deadline_s=30)  # the slot that it had, or waited for, is free again


async def test_a_write_is_not_repeated_when_its_connection_is_lost(server: Server, transport: Transport) -> None:
    await transport.send(REMOVAL, DELETE, deadline_s=30)
    server.behave = _cut
    with pytest.raises(UnknownOutcomeError):
        await transport.send(REMOVAL, DELETE, deadline_s=30)
    assert server.arrived == 2


async def test_the_fence_is_asked_again_when_the_connection_is_open(server: Server, transport: Transport) -> None:
    asked = 0

    def fence() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise NotLeaderError("the lease was lost while the connection was made")

    with pytest.raises(NotLeaderError):
        await transport.send(REMOVAL, DELETE, deadline_s=30, before=fence)
    assert server.arrived == 0


@pytest.mark.parametrize("body", [b'{"data":{}}', bytes(1 << 20)], ids=["small", "large"])
async def test_nothing_of_a_write_leaves_when_the_lease_ends_right_after_the_fence_was_asked(
    server: Server, transport: Transport, body: bytes
) -> None:
    asked, is_over = 0, False

    def end() -> None:
        nonlocal is_over
        is_over = True

    def fence() -> None:
        nonlocal asked
        asked += 1
        if is_over:
            raise NotLeaderError("the lease was lost while the process stood still")
        if asked == 2:  # on the open connection
            asyncio.get_running_loop().call_soon(end)

    for _ in ("a new connection", "an old one"):
        asked, is_over = 0, False
        with pytest.raises(NotLeaderError, match="stood still"):
            await transport.send(REMOVAL, Call("DELETE", "/shop", {}, body), deadline_s=10, before=fence)
        await transport.send(READ, GET, deadline_s=10)
    assert [request.method for request in server.requests] == ["GET", "GET"]


async def test_a_write_has_no_longer_than_its_fence_allows(server: Server, transport: Transport) -> None:
    server.behave = _never
    with pytest.raises(UnknownOutcomeError, match=r"0\.2 s"):
        await transport.send(REMOVAL, DELETE, deadline_s=30, before=lambda: 0.2)


def test_bytes_that_the_network_swallows_are_given_up_before_another_replica_may_lead() -> None:
    timing = Timing()
    assert timing.margin_s > UNACKNOWLEDGED_S


async def test_credentials_are_read_while_every_shared_thread_is_taken(server: Server) -> None:
    released = threading.Event()
    pool = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(pool)
    waiting = asyncio.get_running_loop().run_in_executor(None, released.wait)
    transport = Transport(Source(Credentials(server.url)))
    try:
        answer = await transport.send(READ, GET, deadline_s=10)
        assert answer.code == 200
    finally:
        released.set()
        await waiting
        await transport.close()


async def test_a_token_file_that_is_away_for_a_moment_stops_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_CREDENTIALS_AGE_S", 0.0)
    source = Source(Credentials(server.url, authorization="Bearer x"))
    transport = Transport(source)
    source.is_away = True
    with pytest.raises(TransientError, match="away"):
        await transport.send(READ, GET, deadline_s=10)
    source.is_away = False
    await transport.send(READ, GET, deadline_s=10)
    source.is_away = True
    assert (await transport.send(READ, GET, deadline_s=10)).code == 200
    await transport.close()


async def test_a_plugin_that_hangs_stops_nothing_while_the_token_is_good(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_CREDENTIALS_AGE_S", 0.0)
    released = threading.Event()
    source = Source(Credentials(server.url, authorization="Bearer x"))
    transport = Transport(source)
    await transport.send(READ, GET, deadline_s=10)
    monkeypatch.setattr(source, "current", lambda: released.wait() and source.credentials)
    for _ in range(3):
        assert (await transport.send(READ, GET, deadline_s=10)).code == 200
    source.credentials = Credentials(server.url, authorization="Bearer new")
    released.set()

    async def refreshed() -> bool:
        await transport.send(READ, GET, deadline_s=10)
        return server.requests[-1].headers["Authorization"] == "Bearer new"

    await eventually(refreshed)
    await transport.close()


async def test_an_authority_that_changes_while_a_plugin_hangs_is_read_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_CREDENTIALS_AGE_S", 0.0)
    released = threading.Event()
    source = Source(Credentials(server.url, authorization="Bearer x"))
    transport = Transport(source)
    first = await transport._logged_in()
    monkeypatch.setattr(source, "current", lambda: released.wait() and source.credentials)
    await transport.send(READ, GET, deadline_s=10)
    transport._distrust(aiohttp.ClientConnectorSSLError(cast("Any", None), OSError()))
    monkeypatch.setattr(source, "renew", lambda: source.credentials)
    asyncio.get_running_loop().call_later(0.1, released.set)
    assert (await transport._logged_in()).session is not first.session
    await transport.close()


async def test_a_token_that_is_refused_is_renewed_on_the_same_connections(server: Server) -> None:
    source = Source(Credentials(server.url, authorization="Bearer old"))
    transport = Transport(source)

    async def judge(server: Server) -> None:
        if server.requests[-1].headers["Authorization"] != "Bearer new":
            raise web.HTTPUnauthorized

    server.behave = judge
    with pytest.raises(TransientError, match="401"):
        await transport.send(READ, GET, deadline_s=10)
    source.credentials = Credentials(server.url, authorization="Bearer new")
    assert (await transport.send(READ, GET, deadline_s=10)).code == 200
    assert len({id(request.transport) for request in server.requests}) == 1
    await transport.close()


async def test_an_authority_that_cannot_be_read_is_transient() -> None:
    lost = Transport(Source(Credentials("https://127.0.0.1:1", authorization="Bearer x", ca_file="/nowhere/ca.crt")))
    with pytest.raises(TransientError, match="ca.crt"):
        await lost.send(READ, GET, deadline_s=10)
    with pytest.raises(TransientError, match="ca.crt"):
        async with lost.stream(READ, GET, deadline_s=10, inactivity_s=10):
            pass
    await lost.close()


async def test_a_proxy_that_refuses_is_a_connection_that_was_not_made_and_its_password_is_not_told(
    server: Server,
) -> None:
    async def refuse(_: Server) -> None:
        raise web.HTTPServiceUnavailable

    server.behave = refuse
    proxy = server.url.replace("http://", "http://operator:s3cret@")
    transport = Transport(Source(Credentials("https://api.invalid", authorization="Bearer x", proxy=proxy)))
    with pytest.raises(TransientError, match="cannot connect .* HTTP 503") as told:
        await transport.send(REMOVAL, DELETE, deadline_s=10)
    assert not isinstance(told.value, UnknownOutcomeError)
    assert "s3cret" not in str(told.value)
    await transport.close()


@asynccontextmanager
async def silent_proxy() -> AsyncIterator[str]:
    """Take every connection and never say anything."""
    over = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        over.set()


async def test_a_watch_is_opened_within_its_deadline_through_a_proxy_that_never_answers() -> None:
    async with silent_proxy() as proxy:
        transport = Transport(Source(Credentials("https://api.invalid", authorization="Bearer x", proxy=proxy)))
        with pytest.raises(TransientError, match=r"0\.2 s"):
            async with asyncio.timeout(10), transport.stream(READ, GET, deadline_s=0.2, inactivity_s=30):
                pass
        await transport.close()


async def test_a_watch_that_is_open_has_no_deadline(server: Server, transport: Transport) -> None:
    begun = asyncio.Event()

    async def trickle(server: Server) -> None:
        answer = web.StreamResponse()
        await answer.prepare(server.requests[-1])
        await begun.wait()
        await answer.write(b"late")
        await answer.write_eof()

    server.behave = trickle
    async with transport.stream(READ, GET, deadline_s=0.5, inactivity_s=30) as body:
        await asyncio.sleep(0.7)
        begun.set()
        assert await body.read(4) == b"late"


def test_a_watch_counts_as_open_only_after_the_time_in_which_it_must_have_been_opened() -> None:
    opening_s = signature(KubeClient).parameters["deadline_s"].default
    assert opening_s < informer_module._SETTLED_WATCH_S


@pytest.mark.parametrize("proxy", ["http://operator:s3cret@proxy:port", "http://operator:s3cret@"])
async def test_a_proxy_that_is_no_url_is_not_told_with_its_password(proxy: str) -> None:
    transport = Transport(Source(Credentials("https://api.invalid", authorization="Bearer x", proxy=proxy)))
    with pytest.raises(TransientError) as told:
        await transport.send(REMOVAL, DELETE, deadline_s=10)
    assert not isinstance(told.value, UnknownOutcomeError)
    assert "s3cret" not in str(told.value)
    await transport.close()


def test_credentials_are_shown_without_what_must_not_be_read() -> None:
    shown = repr(Credentials("https://api", authorization="Bearer s3cret", proxy="http://operator:s3cret@proxy"))
    assert "s3cret" not in shown
