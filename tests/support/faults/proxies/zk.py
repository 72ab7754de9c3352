"""A proxy in front of one ZooKeeper server that reads frames and does to each what the rules say."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine
from typing import Self

from tests.support.faults.proxies import zk_frames
from tests.support.faults.proxies.gates import Gates
from tests.support.faults.proxies.journal import Journal, Side, TrapSprungError
from tests.support.faults.proxies.listening import listening
from tests.support.faults.proxies.rules import (
    CutReply,
    Delay,
    Discard,
    DropReply,
    DropRequest,
    Duplicate,
    Hold,
    KillSession,
    Rule,
    RuleBook,
    ZkError,
)
from tests.support.faults.proxies.zk_frames import Reply, Session, ZkNotification, ZkRequest

_PING_S = 2.0  # as often as a client with the shortest session that a server grants by default, 4 s


class CutError(Exception):
    """This connection ends now, on both sides."""


class ZkProxy:
    """One server's stand-in. `sessions` keeps every session that was created or taken over through it.

    Sessions are the authors of transactions in the server's log, so they tell the operator's writes from others.
    """

    def __init__(
        self, upstream: str, *, journal: Journal | None = None, address: str = "127.0.0.1", netns: str = ""
    ) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._address = address
        self._netns = netns
        self._port = 0
        self._listener: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._flowing = asyncio.Event()
        self._killing = asyncio.Lock()
        self._kills: set[asyncio.Task[None]] = set()
        self._flowing.set()
        self.rules = RuleBook()
        self.gates = Gates()
        self.journal = journal or Journal()
        self.sessions: dict[int, Session] = {}
        self.requests: list[ZkRequest] = []

    @property
    def hosts(self) -> str:
        """The connect string of this proxy."""
        return f"{self._address}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gates.release_all()
        self.rules.clear()
        self._flowing.set()
        await self.down()
        for connection in tuple(self._connections):
            await connection.closed()
        await asyncio.gather(*self._kills, return_exceptions=True)

    async def up(self) -> None:
        """Accept connections (again, on the same port)."""
        line = listening(self._address, self._port, self._netns)
        self._port = line.getsockname()[1]
        self._listener = await asyncio.start_server(self._accept, sock=line)

    async def down(self) -> None:
        """Refuse connections and cut those that are open: the server is gone."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Reset every open connection; the sessions live on."""
        for connection in tuple(self._connections):
            connection.cut()

    def freeze(self) -> None:
        """Pass nothing on in either direction; connections stay open and are accepted."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let what was kept back go on."""
        self._flowing.set()

    async def kill_session(self, session_id: int) -> None:
        """Take the session over with its id and password and close it: expired, for everybody at once.

        It goes on to its end when whoever asked is cancelled: taking a session over ends the connection that asks.
        """
        kill = asyncio.create_task(self._take_over_and_close(session_id))
        self._kills.add(kill)
        kill.add_done_callback(self._kills.discard)
        await asyncio.shield(kill)

    async def _take_over_and_close(self, session_id: int) -> None:
        # A client that came back in between would take its session back before it is closed.
        async with self._killing:
            reader, writer = await asyncio.open_connection(*self._upstream)
            writer.write(zk_frames.connect_frame(self.sessions[session_id]))
            await zk_frames.read_frame(reader)
            writer.write(zk_frames.close_frame())
            await zk_frames.read_frame(reader)
            writer.close()

    async def flowing(self) -> None:
        await self._flowing.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await self._dial(writer)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, (reader, writer), upstream)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def _dial(self, client: asyncio.StreamWriter) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._killing:
            return await asyncio.open_connection(*self._upstream)


class _Connection:
    """Both directions of one client's connection, with the requests that wait for their reply."""

    def __init__(
        self,
        proxy: ZkProxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._waiting: deque[tuple[ZkRequest, Rule | None, int | None]] = deque()
        self._session = 0
        self._zxid = 0
        self._ended = asyncio.Event()

    async def run(self) -> None:
        first = await self._from_client.read(4)
        if first.isalpha():  # a four-letter word, not a length
            await self._forward(first)
            halves = [self._raw()]
        else:
            halves = [self._client_to_server(first), self._server_to_client()]
        pumps = [asyncio.ensure_future(self._pump(half)) for half in halves]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        self.cut()
        self._ended.set()

    def cut(self) -> None:
        self._to_client.transport.abort()
        self._to_server.transport.abort()

    async def closed(self) -> None:
        await self._ended.wait()

    async def _pump(self, half: Coroutine[None, None, None]) -> None:
        try:
            await half
        except (CutError, TrapSprungError, ConnectionError, asyncio.IncompleteReadError):
            self.cut()

    async def _raw(self) -> None:
        await self._proxy.flowing()
        self._to_client.write(await self._from_server.read())
        self._to_client.write_eof()
        await self._to_client.drain()

    async def _client_to_server(self, first: bytes) -> None:
        await self._proxy.flowing()
        await self._forward(first + await self._from_client.readexactly(int.from_bytes(first)))
        while (frame := await zk_frames.read_frame(self._from_client)) is not None:
            await self._proxy.flowing()
            await self._request(frame)
        # The client is gone, what it sent is not: a server answers requests that it has received.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while any(handle is not None for _, _, handle in self._waiting):
                    await asyncio.sleep(0.01)

    async def _request(self, frame: bytes) -> None:
        request = zk_frames.parse_request(frame)
        self._proxy.requests.append(request)
        rule = self._proxy.rules.pick(request)
        if await self._refused(request, rule):
            return
        handle = None
        if request.mutates:
            handle = self._proxy.journal.begin(Side.ZOOKEEPER, request.op, request.target)
        self._waiting.append((request, rule, handle))
        await self._forward(frame)

    async def _refused(self, request: ZkRequest, rule: Rule | None) -> bool:
        """Act before anything is forwarded; true when the request goes no further."""
        match rule and rule.action:
            case DropRequest():
                raise CutError
            case ZkError(code):
                self._to_client.write(zk_frames.error_reply(request.xid, code, self._zxid))
                return True
            case Delay(seconds, reply=False):
                await asyncio.sleep(seconds)
            case Hold(key, reply=False):
                await self._held(key)
            case KillSession():
                await self._proxy.kill_session(self._session)
        return False

    async def _held(self, key: str) -> None:
        """Wait at the gate with a session that lives: the request is late, and whoever sent it may be dead by now."""
        opened = asyncio.ensure_future(self._proxy.gates.wait(key))
        try:
            while not (await asyncio.wait([opened], timeout=_PING_S))[0]:
                await self._forward(zk_frames.PING)
        finally:
            opened.cancel()

    async def _server_to_client(self) -> None:
        answer = await zk_frames.read_frame(self._from_server)
        if answer is None:
            return
        await self._proxy.flowing()
        session = zk_frames.parse_connected(answer)
        self._session = session.id
        if session.id:
            self._proxy.sessions[session.id] = session
        self._to_client.write(answer)
        while (frame := await zk_frames.read_frame(self._from_server)) is not None:
            await self._proxy.flowing()
            await self._reply(frame)

    async def _reply(self, frame: bytes) -> None:
        reply = zk_frames.parse_reply(frame)
        if reply.xid == zk_frames.NOTIFICATION_XID:
            await self._notify(frame, zk_frames.parse_notification(frame))
            return
        self._zxid = max(self._zxid, reply.zxid)
        request, rule, handle = self._match(reply)
        if request is None and reply.xid == zk_frames.PING_XID:
            return  # the client did not ask: see _held
        if request is not None and handle is not None:
            self._proxy.journal.end(handle, reply.error or zk_frames.multi_error(frame, request), f"{reply.zxid:x}")
        match rule and rule.action:
            case DropReply():
                raise CutError
            case Delay(seconds, reply=True):
                await asyncio.sleep(seconds)
            case Hold(key, reply=True):
                await self._proxy.gates.wait(key)
            case CutReply(share):
                await self._half(frame, share)
        self._to_client.write(frame)

    def _match(self, reply: Reply) -> tuple[ZkRequest | None, Rule | None, int | None]:
        """What this answers. Special xids (ping, auth) repeat, so the first one that waits counts."""
        for position, waiting in enumerate(self._waiting):
            if waiting[0].xid == reply.xid:
                del self._waiting[position]
                return waiting
        return None, None, None

    async def _half(self, frame: bytes, share: float) -> None:
        self._to_client.write(frame[: max(int(len(frame) * share), 1)])
        await self._to_client.drain()
        self._to_client.close()
        await asyncio.sleep(0.05)  # the bytes must be out before the reset, which would overtake them
        raise CutError

    async def _notify(self, frame: bytes, event: ZkNotification) -> None:
        rule = self._proxy.rules.pick(event)
        match rule and rule.action:
            case Discard():
                return
            case Duplicate():
                self._to_client.write(frame)
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Hold(key):  # and everything behind it: ZooKeeper never lets a reply overtake a notification
                await self._proxy.gates.wait(key)
        self._to_client.write(frame)

    async def _forward(self, frame: bytes) -> None:
        self._to_server.write(frame)
        await self._to_server.drain()
