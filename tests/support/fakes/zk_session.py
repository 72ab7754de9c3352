"""A session on the in-memory ZooKeeper of `fake_zk.py`."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from tests.support.fakes.zk_tree import CONFIG_PATH, Change, Principal
from zkoperator.errors import (
    FieldError,
    InvalidError,
    TooLargeError,
    TransientError,
    UnknownOutcomeError,
    ZkOperatorError,
)
from zkoperator.zk import port, wire
from zkoperator.zk.listeners import Dispatcher
from zkoperator.zk.paths import parent_of, path_problem
from zkoperator.zk.request_sizes import REQUEST_LIMIT_BYTES

if TYPE_CHECKING:
    from tests.support.fakes.zk import FakeZkServer


class Fault(Enum):
    """What happens to one request."""

    DROP_BEFORE = "the connection ends before the server sees the request"
    DROP_AFTER = "the server executes the request, then the connection ends"
    EXPIRE_AFTER = "the server executes the request, then the session expires"


@dataclass(slots=True)
class Call:
    """One request on its way."""

    name: str
    path: str
    is_write: bool
    execute: Callable[[], Any]
    future: asyncio.Future[Any]
    was_sent: bool = False

    def fail(self, error: ZkOperatorError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class FakeZk:
    """One session of the fake, with the `Zk` port's contract."""

    def __init__(self, server: "FakeZkServer", credential: port.Credential | None) -> None:
        self._server = server
        self._credential = credential
        self._loop = asyncio.get_running_loop()
        self._state = port.ConnectionState.CONNECTING
        self._last_zxid = 0
        self._requests: deque[Call] = deque()
        self._arriving: deque[Callable[[], None]] = deque()
        self._executed: deque[Call] = deque()
        self._is_awake = False
        self._dispatcher = Dispatcher()
        self._state_listeners: list[Callable[[port.ConnectionState], None]] = []
        self._who = Principal()
        self.session_id_known = 0
        self.watched: dict[str, bool] = {}
        self.is_held = False
        self._session_id = 0
        self.wake()

    @property
    def state(self) -> port.ConnectionState:
        return self._state

    @property
    def problem(self) -> str:
        return "zk:2181: the fake server is down"

    @property
    def session_id(self) -> int:
        return self._session_id

    @property
    def last_zxid(self) -> int:
        return self._last_zxid

    async def get(self, path: str) -> port.Node:
        return await self.start_get(path)

    def start_get(self, path: str) -> asyncio.Future[port.Node]:
        return self._submit("get", path, lambda: self._server.tree.get(path, self._who))

    async def exists(self, path: str) -> port.Stat | None:
        stat: port.Stat | None = await self._submit("exists", path, lambda: self._server.tree.exists(path, self._who))
        return stat

    async def children(self, path: str) -> port.Children:
        listing: port.Children = await self._submit(
            "children", path, lambda: self._server.tree.children(path, self._who)
        )
        return listing

    async def multi_read(self, paths: Sequence[str]) -> port.MultiRead:
        def read() -> port.MultiRead:
            tree = self._server.tree
            found = tuple(tree.get(path, self._who) if tree.exists(path, self._who) else None for path in paths)
            reads = tuple(port.Read(node.data, node.stat) if node is not None else None for node in found)
            return port.MultiRead(tree.zxid, reads)

        answer: port.MultiRead = await self._submit("multi_read", paths[0] if paths else "/", read)
        return answer

    async def get_acl(self, path: str) -> port.AclRead:
        def read() -> port.AclRead:
            tree = self._server.tree
            entries, stat = tree.get_acl(path, self._who), tree.exists(path, Principal(is_super=True))
            assert stat is not None
            return port.AclRead(entries, stat)

        found: port.AclRead = await self._submit("get_acl", path, read)
        return found

    async def set_acl(self, path: str, acl: Sequence[port.Acl], version: int) -> port.Stat:
        def execute() -> port.Stat:
            return self._server.tree.change_acl(path, tuple(acl), version, self._who)

        stat: port.Stat = await self._submit("set_acl", path, execute, is_write=True)
        return stat

    async def create(self, op: port.Create) -> port.Stat:
        committed = await self._commit("create", op.path, (op,))
        assert committed.stats[0] is not None
        return committed.stats[0]

    async def set(self, op: port.Set) -> port.Stat:
        committed = await self._commit("set", op.path, (op,))
        assert committed.stats[0] is not None
        return committed.stats[0]

    async def delete(self, op: port.Delete) -> None:
        await self._commit("delete", op.path, (op,))

    async def multi(self, ops: Sequence[port.Operation]) -> port.Committed:
        return await self._commit("multi", "multi", tuple(ops))

    async def sync(self, path: str) -> None:
        await self._submit("sync", path, lambda: None)

    async def reconfig(
        self, *, joining: Sequence[str] = (), leaving: Sequence[int] = (), from_config: int
    ) -> tuple[str, int]:
        def execute() -> tuple[str, int]:
            return self._server.reconfig(self._who, joining, leaving, from_config)

        answer: tuple[str, int] = await self._submit("reconfig", CONFIG_PATH, execute, is_write=True)
        return answer

    async def add_watch(self, path: str, *, recursive: bool = True) -> None:
        await self._submit("add_watch", path, lambda: self.watched.update({path: recursive}))

    def on_event(self, listener: Callable[[port.ZnodeEvent], None], *, under: str = "/") -> Callable[[], None]:
        self._dispatcher.add(under, listener)

        def remove() -> None:
            if self._dispatcher.remove(under, listener):
                self.watched.pop(under, None)

        return remove

    def on_state(self, listener: Callable[[port.ConnectionState], None]) -> Callable[[], None]:
        self._state_listeners.append(listener)

        def remove() -> None:
            if listener in self._state_listeners:
                self._state_listeners.remove(listener)

        return remove

    async def close(self) -> None:
        if self._state is port.ConnectionState.CLOSED:
            return
        self._server.forget(self)
        self._set_state(port.ConnectionState.CLOSED)
        self._lose_calls()
        while self._requests:
            self._requests.popleft().fail(port.SessionLostError("the session was closed"))

    def drop(self) -> None:
        """End the connection: what was sent is lost, the watches are gone, a new connection follows."""
        self.watched.clear()
        self._arriving.clear()
        if self._state is not port.ConnectionState.CONNECTED:
            return
        self._set_state(port.ConnectionState.CONNECTING)
        self._lose_calls()
        self.wake()

    def wake(self) -> None:
        """Have a turn of the loop soon."""
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon(self._turn)

    def notice(self, change: Change) -> None:
        """Queue the notifications of one change that this connection watches and may read."""
        if not self._server.tree.allows(change.acl, 1, self._who):
            return
        for event in self._events(change):
            self._arriving.append(lambda event=event: self._dispatcher.dispatch(event))  # type: ignore[misc]
            self.wake()

    def _events(self, change: Change) -> list[port.ZnodeEvent]:
        zxid = self._server.zxid if self._server.event_zxids else -1
        events = []
        if change.path in self.watched or self._is_under_recursive(change.path):
            events.append(port.ZnodeEvent(change.type, change.path, zxid))
        parent = parent_of(change.path)
        if change.type is not port.EventType.DATA_CHANGED and self.watched.get(parent) is False:
            events.append(port.ZnodeEvent(port.EventType.CHILDREN_CHANGED, parent, zxid))
        return events

    def _is_under_recursive(self, path: str) -> bool:
        while True:
            if self.watched.get(path):
                return True
            if path == "/":
                return False
            path = parent_of(path)

    async def _commit(self, name: str, path: str, ops: tuple[port.Operation, ...]) -> port.Committed:
        for op in ops:
            _refuse(path_problem(op.path), op.path)
        if sum(_at_most(op) for op in ops) > REQUEST_LIMIT_BYTES:
            size = _encoded(name, ops).frame_bytes
            if size > REQUEST_LIMIT_BYTES:
                raise TooLargeError((FieldError(path, f"the request has {size} bytes"),))

        def execute() -> port.Committed:
            try:
                committed, changes = self._server.tree.commit(ops, self._who)
            except port.MultiError as error:
                raise error if name == "multi" else error.cause from error
            self._server.publish(changes)
            return committed

        committed: port.Committed = await self._submit(name, path, execute, is_write=True)
        return committed

    def _submit(
        self, name: str, path: str, execute: Callable[[], Any], *, is_write: bool = False
    ) -> asyncio.Future[Any]:
        call = Call(name, path, is_write, execute, self._loop.create_future())
        call.was_sent = self._state is port.ConnectionState.CONNECTED
        problem = path_problem(path) if path != "multi" else None
        if problem is not None:
            call.fail(InvalidError((FieldError(path, problem),)))
        elif self._state is port.ConnectionState.CLOSED:
            call.fail(port.SessionLostError("the session was closed"))
        else:
            self._requests.append(call)
            if not self._server.is_up:
                self._loop.call_later(self._server.request_timeout_s, self._give_up, call)
            self.wake()
        return call.future

    def _give_up(self, call: Call) -> None:
        if call in self._requests:
            self._requests.remove(call)
            call.fail(TransientError(f"{call.path}: not connected"))

    def _turn(self) -> None:
        self._is_awake = False
        if self._state is port.ConnectionState.CLOSED or not self._server.is_up or self.is_held:
            return
        if self._state is port.ConnectionState.CONNECTING:
            self._connect()
        for _ in range(self._share(len(self._arriving))):
            # A listener may drop the connection, and with it what would have arrived.
            if self._arriving:
                self._arriving.popleft()()
        for _ in range(self._share(len(self._requests))):
            if self._state is port.ConnectionState.CONNECTED and self._requests:
                self._serve(self._requests.popleft())
        if self._arriving or self._requests:
            self.wake()

    def _share(self, count: int) -> int:
        return count if self._server.rng is None else self._server.rng.randint(0, count)

    def _connect(self) -> None:
        if not self.session_id_known:
            self.session_id_known = self._session_id = self._server.new_session_id()
            self._last_zxid = 0
        for call in self._requests:
            call.was_sent = True
        self._who = Principal.of(self._credential, self._session_id, self._server.super_password)
        self._set_state(port.ConnectionState.CONNECTED)

    def _serve(self, call: Call) -> None:
        if call.future.done():
            return
        fault = self._server.fault_for(call)
        self._executed.append(call)
        if fault is Fault.DROP_BEFORE:
            self.drop()
            return
        try:
            result, error = call.execute(), None
        except ZkOperatorError as refusal:
            result, error = None, refusal
        zxid = self._server.zxid
        self._arriving.append(lambda: self._settle(call, result, error, zxid))
        if fault is Fault.DROP_AFTER:
            self.drop()
        elif fault is Fault.EXPIRE_AFTER:
            self._server.expire(self)

    def _settle(self, call: Call, result: Any, error: ZkOperatorError | None, zxid: int) -> None:
        self._executed.popleft()
        self._last_zxid = max(self._last_zxid, zxid)
        if call.future.done():
            return
        if error is not None:
            call.future.set_exception(error)
        else:
            call.future.set_result(result)

    def _lose_calls(self) -> None:
        """Requests that were sent are lost, executed or not; those that still wait go to the next connection."""
        sent = [*self._executed, *(call for call in self._requests if call.was_sent)]
        self._executed.clear()
        self._requests = deque(call for call in self._requests if not call.was_sent)
        for call in sent:
            kind = UnknownOutcomeError if call.is_write else TransientError
            call.fail(kind(f"{call.path}: the connection was lost"))

    def _set_state(self, state: port.ConnectionState) -> None:
        self._state = state
        for listener in tuple(self._state_listeners):
            listener(state)


def _refuse(problem: str | None, path: str) -> None:
    if problem is not None:
        raise InvalidError((FieldError(path, problem),))


def _at_most(op: port.Operation) -> int:
    data = op.data if isinstance(op, port.Create | port.Set) else b""
    return 3 * len(op.path) + len(data) + 200


def _encoded(name: str, ops: tuple[port.Operation, ...]) -> wire.Request:
    op = ops[0] if ops else None
    if name == "create" and isinstance(op, port.Create):
        return wire.create(op)
    if name == "set" and isinstance(op, port.Set):
        return wire.set_data(op)
    return wire.multi(ops)
