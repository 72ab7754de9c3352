"""One ZooKeeper session on asyncio, which reconnects by itself and opens a new session after an expiry.

Implements the `Zk` port on `connection.py`. Nothing here blocks, and every call has one deadline that includes the
wait for a connection.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from zkoperator.errors import FieldError, InvalidError, TooLargeError, TransientError, ZkOperatorError, with_brief
from zkoperator.runtime.backoff import Backoff
from zkoperator.zk import port, wire
from zkoperator.zk.connection import REPLY_LIMIT_BYTES, Call, Connection
from zkoperator.zk.dial import Dialer, DialSettings
from zkoperator.zk.hosts import Address, parse_hosts
from zkoperator.zk.listeners import Dispatcher
from zkoperator.zk.paths import path_problem
from zkoperator.zk.request_sizes import REQUEST_LIMIT_BYTES
from zkoperator.zk.request_timing import Report, not_reported, timed

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How a session behaves; the defaults suit an operator in the same cluster as the ensemble.

    A connection that ends within `settled_s` counts as a failed attempt, because a server that refuses a credential or
    closes at the first request has accepted the session before. `before_write` runs at the last moment before a write
    is sent, however long that has waited for a connection, and may raise to stop it. `report` is called with the
    duration of each request except `start_get`: of those there are thousands, and the read of a subtree is timed as a
    whole.
    """

    session_timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    connect_timeout_s: float = 3.0
    close_timeout_s: float = 1.0
    settled_s: float = 5.0
    request_limit_bytes: int = REQUEST_LIMIT_BYTES
    reply_limit_bytes: int = REPLY_LIMIT_BYTES
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.05, limit_s=2.0, factor=1.5))
    before_write: Callable[[], object] = lambda: None
    report: Report = not_reported


DEFAULTS = SessionSettings()


def connect(
    hosts: Sequence[str],
    *,
    credential: port.Credential | None = None,
    tls: port.ClientTls | None = None,
    settings: SessionSettings = DEFAULTS,
) -> "ZkSession":
    """Open a session in the running loop and return at once, in state CONNECTING.

    Raises:
        InvalidError: an entry of `hosts` is not host:port, or carries a chroot suffix.
    """
    return ZkSession(parse_hosts(hosts), credential, tls, settings)


class ZkSession:
    """The `Zk` port on the wire; see there for what every method promises."""

    def __init__(
        self,
        addresses: tuple[Address, ...],
        credential: port.Credential | None,
        tls: port.ClientTls | None,
        settings: SessionSettings,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        limits = DialSettings(settings.session_timeout_s, settings.connect_timeout_s, settings.reply_limit_bytes)
        self._dialer = Dialer(addresses, credential, tls, limits)
        self._state = port.ConnectionState.CONNECTING
        self._connection: Connection | None = None
        self._waiting: deque[Call] = deque()
        self._deadline_timer: asyncio.TimerHandle | None = None
        self._dispatcher = Dispatcher()
        self._state_listeners: list[Callable[[port.ConnectionState], None]] = []
        self._watched: set[str] = set()
        self._connected_at = self._loop.time()
        self._was_short = False
        self._logged_id = 0
        self._runner = self._loop.create_task(self._run(), name=f"zk-session {addresses[0]}")
        self._runner.add_done_callback(self._runner_ended)

    @property
    def state(self) -> port.ConnectionState:
        """The connection as known now."""
        return self._state

    @property
    def problem(self) -> str:
        """Why there is no connection, member by member, without any secret; meaningless while there is one."""
        return self._dialer.problem

    @property
    def session_id(self) -> int:
        """0 while there is no session."""
        return self._dialer.identity.session_id

    @property
    def last_zxid(self) -> int:
        """The highest zxid seen in any reply of this session."""
        return self._dialer.identity.last_zxid

    async def get(self, path: str) -> port.Node:
        """Read data and stat."""
        _check_path(path)
        node: port.Node = await self._request("get", wire.get(path))
        return node

    def start_get(self, path: str) -> asyncio.Future[port.Node]:
        """Send the read now; errors arrive in the future."""
        try:
            _check_path(path)
        except InvalidError as error:
            return self._failed(error)
        return self._start(wire.get(path))

    async def exists(self, path: str) -> port.Stat | None:
        """Read the stat."""
        _check_path(path)
        with timed("exists", self._settings.report):
            try:
                stat: port.Stat = await self._start(wire.exists(path))
            except port.NoNodeError:
                return None
        return stat

    async def children(self, path: str) -> port.Children:
        """List the children."""
        _check_path(path)
        listing: port.Children = await self._request("children", wire.children(path))
        return listing

    async def multi_read(self, paths: Sequence[str]) -> port.MultiRead:
        """Read several znodes at one moment."""
        for path in paths:
            _check_path(path)
        found: port.MultiRead = await self._request("multi_read", wire.multi_read(paths))
        return found

    async def get_acl(self, path: str) -> port.AclRead:
        """Read the ACL."""
        _check_path(path)
        found: port.AclRead = await self._request("get_acl", wire.get_acl(path))
        return found

    async def set_acl(self, path: str, acl: Sequence[port.Acl], version: int) -> port.Stat:
        """Replace the ACL."""
        _check_path(path)
        stat: port.Stat = await self._request("set_acl", wire.set_acl(path, acl, version))
        return stat

    async def create(self, op: port.Create) -> port.Stat:
        """Create one znode."""
        _check_path(op.path)
        stat: port.Stat = await self._request("create", wire.create(op))
        return stat

    async def set(self, op: port.Set) -> port.Stat:
        """Write one znode."""
        _check_path(op.path)
        stat: port.Stat = await self._request("set", wire.set_data(op))
        return stat

    async def delete(self, op: port.Delete) -> None:
        """Delete one znode."""
        _check_path(op.path)
        await self._request("delete", wire.delete(op))

    async def multi(self, ops: Sequence[port.Operation]) -> port.Committed:
        """Commit all operations or none."""
        for op in ops:
            _check_path(op.path)
        committed: port.Committed = await self._request("multi", wire.multi(ops))
        return committed

    async def sync(self, path: str) -> None:
        """Let the connected server catch up with the leader."""
        _check_path(path)
        await self._request("sync", wire.sync(path))

    async def reconfig(
        self, *, joining: Sequence[str] = (), leaving: Sequence[int] = (), from_config: int
    ) -> tuple[str, int]:
        """Change the membership from exactly the version `from_config`."""
        request = wire.reconfig(joining, leaving, from_config)
        answer: tuple[str, int] = await self._request("reconfig", request)
        return answer

    async def add_watch(self, path: str, *, recursive: bool = True) -> None:
        """Watch a subtree until the connection ends."""
        _check_path(path)
        self._watched.add(path)
        await self._request("add_watch", wire.add_watch(path, recursive=recursive))

    def on_event(self, listener: Callable[[port.ZnodeEvent], None], *, under: str = "/") -> Callable[[], None]:
        """Call the listener for each notification at or below `under`; it must not raise."""
        self._dispatcher.add(under, listener)

        def remove() -> None:
            if self._dispatcher.remove(under, listener):
                self._stop_watching(under)

        return remove

    def on_state(self, listener: Callable[[port.ConnectionState], None]) -> Callable[[], None]:
        """Call the listener at each change of state; it must not raise."""
        self._state_listeners.append(listener)

        def remove() -> None:
            if listener in self._state_listeners:
                self._state_listeners.remove(listener)

        return remove

    async def close(self) -> None:
        """End the session; its ephemerals vanish at once."""
        if self._state is port.ConnectionState.CLOSED:
            return
        connection = self._connection
        closing = self._start(wire.close()) if connection is not None else None
        self._set_state(port.ConnectionState.CLOSED)
        try:
            if closing is not None:
                closing.add_done_callback(_forget_outcome)
                await asyncio.wait((closing,), timeout=self._settings.close_timeout_s)
        finally:
            if connection is not None:
                connection.drop("closed")
            self._runner.cancel()
            self._fail_waiting()
        await asyncio.wait((self._runner,))

    async def _request(self, operation: str, request: wire.Request) -> Any:
        with timed(operation, self._settings.report):
            return await self._start(request)

    def _start(self, request: wire.Request) -> asyncio.Future[Any]:
        if self._state is port.ConnectionState.CLOSED:
            return self._failed(port.SessionLostError("the session was closed"))
        if request.frame_bytes > self._settings.request_limit_bytes:
            return self._failed(self._too_large(request))
        deadline = self._loop.time() + self._settings.request_timeout_s
        call = Call(request, self._loop.create_future(), deadline)
        if self._connection is not None:
            self._send(self._connection, call)
        else:
            self._waiting.append(call)
        if self._deadline_timer is None:
            self._deadline_timer = self._loop.call_at(deadline, self._fail_overdue)
        return call.future

    def _send(self, connection: Connection, call: Call) -> None:
        if call.request.subject.is_write:
            try:
                self._settings.before_write()
            except ZkOperatorError as error:
                call.fail(error)
                return
        connection.send(call)

    def _failed(self, error: Exception) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        future.set_exception(error)
        return future

    def _too_large(self, request: wire.Request) -> TooLargeError:
        limit = self._settings.request_limit_bytes
        message = f"the request has {request.frame_bytes} bytes, ZooKeeper takes at most {limit}"
        return TooLargeError((FieldError(request.subject.path, message),))

    def _fail_overdue(self) -> None:
        """Fail the overdue calls. All calls have the same timeout, so both queues are in the order of deadlines."""
        now = self._loop.time()
        while self._waiting and (self._waiting[0].future.done() or self._waiting[0].deadline <= now):
            call = self._waiting.popleft()
            message = f"{call.request.subject.path}: not connected: {self._dialer.problem}"
            call.fail(with_brief(TransientError(message), "ZooKeeper: not connected"))
        due = [self._waiting[0].deadline] if self._waiting else []
        sent = self._connection.overdue(now) if self._connection is not None else None
        due += [sent] if sent is not None else []
        self._deadline_timer = self._loop.call_at(min(due), self._fail_overdue) if due else None

    def _stop_watching(self, path: str) -> None:
        if path not in self._watched:
            return
        self._watched.discard(path)
        if self._connection is not None and self._state is port.ConnectionState.CONNECTED:
            # The result does not matter: a watch that stays costs the server a little, and ends with the connection.
            self._start(wire.remove_watches(path)).add_done_callback(_forget_outcome)

    def _set_state(self, state: port.ConnectionState) -> None:
        self._state = state
        for listener in tuple(self._state_listeners):
            listener(state)

    def _fail_waiting(self) -> None:
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
        for call in self._waiting:
            call.fail(port.SessionLostError("the session was closed"))
        self._waiting.clear()

    async def _run(self) -> None:
        failures = 0
        while self._state is not port.ConnectionState.CLOSED:
            connection = await self._dialer.dial(self._dispatcher.dispatch)
            if connection is not None:
                self._adopt(connection)
                await connection.ended
                self._was_short = self._is_short()
            if connection is not None and not self._was_short:
                failures = 0
                continue
            failures += 1
            await asyncio.sleep(self._settings.backoff.delay_s(failures))

    def _is_short(self) -> bool:
        return self._loop.time() - self._connected_at < self._settings.settled_s

    def _runner_ended(self, runner: asyncio.Task[None]) -> None:
        """Handle a defect: the runner ended by itself. Log it, and fail all calls instead of letting them wait."""
        if not runner.cancelled() and runner.exception() is not None:
            logger.error("the session ended by itself", exc_info=runner.exception())
            self._set_state(port.ConnectionState.CLOSED)
            self._fail_waiting()

    def _adopt(self, connection: Connection) -> None:
        self._connected_at = self._loop.time()
        if connection.ended.done():
            self._dialer.lost(connection.ended.result())
            return
        connection.on_end = self._lost
        self._connection = connection
        if self.session_id != self._logged_id:
            self._logged_id = self.session_id
            self._log_transition("new session %#x on %s", self._dialer.server, is_again=self._was_short)
        while self._waiting:
            call = self._waiting.popleft()
            if not call.future.done():
                self._send(connection, call)
        self._set_state(port.ConnectionState.CONNECTED)

    def _lost(self, reason: str) -> None:
        """Note the end of the connection. Runs before the calls in flight fail, so their callers see the new state."""
        self._connection = None
        self._dialer.lost(reason)
        if self._state is port.ConnectionState.CONNECTED:
            is_again = self._was_short and self._is_short()
            self._log_transition("lost the connection of session %#x: %s", reason, is_again=is_again)
            self._set_state(port.ConnectionState.CONNECTING)

    def _log_transition(self, text: str, what: object, *, is_again: bool) -> None:
        """Log with the session id as servers print it; at debug level when the same has just happened before."""
        logger.log(logging.DEBUG if is_again else logging.INFO, text, self.session_id & (1 << 64) - 1, what)


def _check_path(path: str) -> None:
    problem = path_problem(path)
    if problem is not None:
        raise InvalidError((FieldError(path, problem),))


def _forget_outcome(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
