"""How long ZooKeeper takes: the port again, with every request of its own told to whoever counts.

The reads of a subtree (`start_get`) are not told one by one: there are thousands of them, and what matters is how long
all of them take, which the feed's owner tells.
"""

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TypeVar

from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.zk.port import (
    Children,
    Committed,
    ConnectionState,
    Create,
    Credential,
    Delete,
    MemberProbe,
    MultiError,
    Node,
    NoNodeError,
    Operation,
    Set,
    Stat,
    Zk,
    ZkConnector,
    ZnodeEvent,
)

Report = Callable[[str, str, float], None]
"""Called with the operation, `ok`, `refused` (the ensemble answered no) or `failed`, and the duration in seconds."""

_T = TypeVar("_T")


class TimedConnector:
    """A connector whose sessions are timed."""

    def __init__(self, inner: ZkConnector, report: Report) -> None:
        self._inner = inner
        self._report = report

    async def open(self, hosts: Sequence[str], credential: Credential | None) -> Zk:
        """Open a session as the inner connector does."""
        return TimedZk(await self._inner.open(hosts, credential), self._report)


class TimedProbe:
    """A probe whose questions are timed; the operation is the four-letter word."""

    def __init__(self, inner: MemberProbe, report: Report) -> None:
        self._inner = inner
        self._report = report

    async def ask(self, host: str, port: int, word: str) -> str:
        """Ask as the inner probe does."""
        return await _timed(word, self._inner.ask(host, port, word), self._report)


class TimedZk:
    """The `Zk` port; see there."""

    def __init__(self, inner: Zk, report: Report) -> None:
        self._inner = inner
        self._report = report

    @property
    def state(self) -> ConnectionState:
        """The connection as known now."""
        return self._inner.state

    @property
    def session_id(self) -> int:
        """0 while there is no session."""
        return self._inner.session_id

    @property
    def last_zxid(self) -> int:
        """The highest zxid seen in any reply of this session."""
        return self._inner.last_zxid

    async def get(self, path: str) -> Node:
        """Read data and stat."""
        return await _timed("get", self._inner.get(path), self._report)

    def start_get(self, path: str) -> Future[Node]:
        """Send the read now."""
        return self._inner.start_get(path)

    async def exists(self, path: str) -> Stat | None:
        """Read the stat."""
        return await _timed("exists", self._inner.exists(path), self._report)

    async def children(self, path: str) -> Children:
        """List the children."""
        return await _timed("children", self._inner.children(path), self._report)

    async def create(self, op: Create) -> Stat:
        """Create one znode."""
        return await _timed("create", self._inner.create(op), self._report)

    async def set(self, op: Set) -> Stat:
        """Write one znode."""
        return await _timed("set", self._inner.set(op), self._report)

    async def delete(self, op: Delete) -> None:
        """Delete one znode."""
        await _timed("delete", self._inner.delete(op), self._report)

    async def multi(self, ops: Sequence[Operation]) -> Committed:
        """Commit all operations or none."""
        return await _timed("multi", self._inner.multi(ops), self._report)

    async def sync(self, path: str) -> None:
        """Let the connected server catch up with the leader."""
        await _timed("sync", self._inner.sync(path), self._report)

    async def reconfig(
        self, *, joining: Sequence[str] = (), leaving: Sequence[int] = (), from_config: int
    ) -> tuple[str, int]:
        """Change the membership from exactly the version `from_config`."""
        asked = self._inner.reconfig(joining=joining, leaving=leaving, from_config=from_config)
        return await _timed("reconfig", asked, self._report)

    async def add_watch(self, path: str, *, recursive: bool = True) -> None:
        """Watch a subtree until the connection ends."""
        await _timed("add_watch", self._inner.add_watch(path, recursive=recursive), self._report)

    def on_event(self, listener: Callable[[ZnodeEvent], None], *, under: str = "/") -> Callable[[], None]:
        """Call the listener for each notification at or below `under`."""
        return self._inner.on_event(listener, under=under)

    def on_state(self, listener: Callable[[ConnectionState], None]) -> Callable[[], None]:
        """Call the listener at each change of state."""
        return self._inner.on_state(listener)

    async def close(self) -> None:
        """End the session."""
        await self._inner.close()


async def _timed(operation: str, asked: Awaitable[_T], report: Report) -> _T:
    began_s = monotonic()
    result = "failed"
    try:
        answer = await asked
        result = "ok"
    except (NoNodeError, ConflictError, ForbiddenError, MultiError):
        result = "refused"
        raise
    finally:
        report(operation, result, monotonic() - began_s)
    return answer
