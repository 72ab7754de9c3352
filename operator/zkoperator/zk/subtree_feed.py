"""An exact snapshot of a subtree at one zxid, kept current by one recursive watch.

Why it is exact (`snapshot` is a state that really existed, a multi is in it whole or not at all):

- A reply's zxid is the version of the state that it was read from, and on one connection every event up to that zxid
  arrives before the reply. Servers apply a transaction with no read in flight, so there is nothing in between.
- Every event that arrives asks for a read, sent after it, of what it touched: the znode's data, or the stat of its
  parent. The snapshot counts only while no such read is missing or under way. Then all replies together reflect every
  event, and the last reply's zxid Z covers each of them: what was put together is the subtree at Z.
- A watch ends with its connection and gives no catch-up, so after each reconnect it is set again *before* the whole
  subtree is read again.

What no watch can tell is a change of permissions; the next full read finds it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any

from zkoperator.errors import FieldError, ForbiddenError, InvalidError, TooLargeError, TransientError, ZkOperatorError
from zkoperator.zk.pending_reads import PendingReads, zxid_of
from zkoperator.zk.port import Children, ConnectionState, EventType, Node, NoNodeError, Stat, Zk, ZnodeEvent
from zkoperator.zk.read_permits import ReadAttempts, ReadPermits
from zkoperator.zk.snapshot import Snapshot
from zkoperator.zk.snapshot_builder import SnapshotBuilder, SubtreeLimits

logger = logging.getLogger(__name__)

_NARROWEST = 4
_ANY_SIZE = SubtreeLimits()


class SubtreeFeed:
    """Follows the subtree at `root` on a session that it may share with thousands of other feeds.

    `on_change` is called, in the event loop and with nothing in it that may raise, when a new snapshot is ready and
    when the snapshot was lost with its connection; not at the short times in between, while a change is being read.
    At most `window` reads are under way at once, fewer after one was too late: all that wait share one connection.
    """

    def __init__(
        self,
        zk: Zk,
        root: str,
        *,
        on_change: Callable[[], None],
        window: int = 256,
        permits: ReadPermits | None = None,
        limits: SubtreeLimits = _ANY_SIZE,
    ) -> None:
        self._zk = zk
        self._root = root
        self._prefix = root if root == "/" else f"{root}/"
        self._on_change = on_change
        self._window = self._reads_allowed = window
        self._attempts = ReadAttempts(zk, permits or ReadPermits(1))
        self._limits = limits
        self._builder = SnapshotBuilder(root)
        self._snapshot: Snapshot | None = None
        self._is_consistent = False
        self._is_live = False
        self._is_announced = False
        self._epoch = 0
        self._event_count = 0
        self._ended: asyncio.Future[None] | None = None
        self._end: Exception | None = None
        self._found: set[str] | None = None
        self._pending = PendingReads()
        self._tasks: set[asyncio.Task[Any]] = set()

    def snapshot(self) -> Snapshot | None:
        """Return the subtree at one zxid; None while disconnected, before the first read and while catching up."""
        if not self._is_consistent:
            return None
        if self._snapshot is None:
            self._snapshot = self._builder.snapshot(self._zk.last_zxid)
        return self._snapshot

    def forget_values(self) -> None:
        """Keep only the digests of the values read so far; later changes bring their values again."""
        self._builder.forget_values()
        self._rebuild_snapshot()

    async def recall(self, paths: Collection[str]) -> bool:
        """Read forgotten values of these relative paths again.

        True: `snapshot()` has them now. False: one of them changed or could not be read, so there is no snapshot at
        the position; `on_change` follows.
        """
        epoch = self._epoch
        wanted = [path for path in paths if self._is_forgotten(path)]
        for start in range(0, len(wanted), self._window):
            part = wanted[start : start + self._window]
            futures = [self._zk.start_get(self._absolute(path)) for path in part]
            nodes = await asyncio.gather(*futures, return_exceptions=True)
            if epoch != self._epoch:
                return False
            for path, node in zip(part, nodes, strict=True):
                if not isinstance(node, Node) or not self._builder.recall(path, node):
                    self._is_consistent = False
                    self._pending.need_data(path, None)
        self._send_due_reads()
        self._rebuild_snapshot()
        return self._is_consistent

    def position(self) -> tuple[int, int]:
        """Return what changes with every notification and every loss of the connection."""
        return self._epoch, self._event_count

    def known(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the relative paths of a snapshot that stands: those that are known, and those that are refused."""
        return (self._builder.known(), self._builder.unreadable()) if self._is_consistent else ((), ())

    def agrees(self, path: str, stat: Stat | ForbiddenError | None) -> bool:
        """Whether the znode is known as this answer has it. One that is being read, or is refused, agrees with all."""
        return path in self._pending or self._builder.is_refused(path) or self._builder.agrees(path, stat)

    def reread(self) -> None:
        """Read the whole subtree again: there is something that no notification has told."""
        if self._is_live and self._found is None:
            self._is_consistent = False
            self._begin_walk()

    async def run(self) -> None:
        """Keep the snapshot until cancelled.

        Raises:
            SessionLostError: the session was closed.
            InvalidError: the root is no valid path, or the server is older than 3.6.
            TooLargeError: the subtree is over the limits, or a listing over the limit of replies.
        """
        removers = (
            self._zk.on_event(self._on_event, under=self._root),
            self._zk.on_state(self._state_changed),
        )
        try:
            while self._end is None:
                await self._attempts.begin()
                await self._follow_once()
        finally:
            for remove in removers:
                remove()
            self._discard()
        raise self._end

    async def _follow_once(self) -> None:
        """Watch, read everything, and stay current until the connection or a read is lost."""
        epoch = self._epoch
        try:
            # A server may be behind what an earlier connection saw; after a sync it is not.
            await asyncio.gather(self._zk.add_watch(self._root), self._zk.sync(self._root))
        except TransientError as error:
            if self._zk.state is ConnectionState.CLOSED:
                raise
            # A lost connection comes back with the session's own back-off; anything else waits for ours.
            if epoch == self._epoch:
                self._fail(error)
            self._attempts.end_permit()
            return
        if epoch == self._epoch:
            self._ended = asyncio.get_running_loop().create_future()
            self._begin_walk()
            await self._ended
        self._attempts.end_permit()

    def _begin_walk(self) -> None:
        self._is_live = True
        self._found = set()
        self._builder.begin_walk()
        self._pending.need_data("", None)
        self._send_due_reads()

    def _state_changed(self, state: ConnectionState) -> None:
        if state is not ConnectionState.CONNECTED:
            self._discard()
            self._announce(ready=False)
        self._attempts.state_changed(state)

    def _fail(self, error: ZkOperatorError) -> None:
        self._attempts.failed()
        if self._found is not None:
            self._reads_allowed = max(_NARROWEST, self._reads_allowed // 2)
        logger.debug("%s: reading again: %s", self._root, error)
        self._discard()
        self._announce(ready=False)

    def _end_with(self, end: Exception) -> None:
        """Nothing that comes by itself will make it better: `run` raises it, and nothing is kept meanwhile."""
        self._end = self._end or end
        self._discard()
        self._builder = SnapshotBuilder(self._root)
        self._announce(ready=False)

    def _announce(self, *, ready: bool) -> None:
        """Tell of every snapshot that is ready, and once of its loss."""
        was_announced, self._is_announced = self._is_announced, ready
        if ready or was_announced:
            self._on_change()

    def _discard(self) -> None:
        """Nothing is known to be current any more; what is under way belongs to the past."""
        self._epoch += 1
        self._is_consistent = self._is_live = False
        self._found = None
        self._snapshot = None
        self._pending.clear()
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        self._attempts.end_permit()

    def _on_event(self, event: ZnodeEvent) -> None:
        """Take note in the order of the wire, and ask at once for what must be read."""
        self._event_count += 1
        path = event.path[len(self._prefix) :]
        if not self._is_live or event.type is EventType.CHILDREN_CHANGED or self._is_ignored(path):
            return
        self._is_consistent = False
        if event.type is EventType.DELETED:
            self._need_absence(path, event)
        else:
            self._pending.need_data(path, event)
        if event.type is EventType.DELETED or (event.type is EventType.CREATED and path):
            self._need_stat(path.rpartition("/")[0], event)
        self._send_due_reads()

    def _need_absence(self, path: str, event: ZnodeEvent) -> None:
        """A deletion needs no read of the znode: a later creation would have an event of its own."""
        if path in self._pending.reading:
            self._pending.reading[path] = event
        else:
            self._erase(path)

    def _erase(self, path: str) -> None:
        self._pending.gone(path)
        self._builder.remove(path)
        if self._found is not None:
            self._found.discard(path)

    def _need_stat(self, parent: str, event: ZnodeEvent) -> None:
        """Refresh the parent's child count; for deletions this is also the reply that covers the event."""
        if event.type is EventType.CREATED and not self._is_expected(parent):
            # A child whose parent nobody told us of: the parent may not be read, and a read is what says so.
            self._pending.need_data(parent, None)
        else:
            self._pending.need_stat(parent, event)

    def _send_due_reads(self) -> None:
        """Send what is due as far as the window allows; when nothing is left, the snapshot stands."""
        pending = self._pending
        room = self._reads_allowed - len(pending.reading) - len(self._tasks)
        while room > 0 and (pending.data or pending.stats):
            room -= 1
            if pending.data:
                path = pending.begin_data()
                future = self._zk.start_get(self._absolute(path))
                future.add_done_callback(partial(self._data_arrived, path, self._epoch))
            else:
                path = pending.begin_stat()
                self._spawn(self._zk.exists(self._absolute(path)), partial(self._stat_arrived, path))
        if self._is_live and not (pending.reading or self._tasks or self._is_consistent):
            self._settle()

    def _settle(self) -> None:
        self._builder.settle(self._found)
        self._pending.created.clear()
        if self._found is not None:
            self._found = None
            self._reads_allowed = min(self._window, self._reads_allowed * 2)
            self._attempts.end_permit()
        self._attempts.succeeded()
        self._is_consistent = True
        self._snapshot = None
        self._announce(ready=True)

    def _spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[asyncio.Task[Any]], None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._finished, self._epoch, done))

    def _finished(self, epoch: int, done: Callable[[asyncio.Task[Any]], None], task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or epoch != self._epoch:
            _ = task.cancelled() or task.exception()
            return
        self._process(partial(done, task))

    def _process(self, work: Callable[[], None]) -> None:
        """Take over one reply, and ask for what is due next."""
        try:
            work()
            self._send_due_reads()
        except InvalidError as error:
            self._end_with(error)
        except ZkOperatorError as error:
            self._fail(error)
        except Exception as defect:  # noqa: BLE001 - a callback has no caller: `run` raises it
            self._end_with(defect)

    def _data_arrived(self, path: str, epoch: int, future: asyncio.Future[Node]) -> None:
        if future.cancelled() or epoch != self._epoch:
            _ = future.cancelled() or future.exception()
            return
        self._process(partial(self._take_data, path, future))

    def _take_data(self, path: str, future: asyncio.Future[Node]) -> None:
        later_event = self._pending.reading.pop(path)
        try:
            self._store_read(path, future.result(), later_event)
        except NoNodeError:
            if later_event is None or later_event.type is EventType.DELETED:
                self._erase(path)
            else:
                self._pending.data[path] = None
        except ForbiddenError:
            if later_event is None:
                self._builder.hide(path)
            else:
                self._pending.data[path] = None

    def _store_read(self, path: str, node: Node, later_event: ZnodeEvent | None) -> None:
        if later_event is not None and later_event.type is EventType.DELETED:
            # Had the znode been gone when it was read, there would be no data: the deletion is the later one.
            self._erase(path)
            return
        if later_event is not None and zxid_of(later_event) > node.zxid:
            self._pending.data[path] = None
            return
        if self._builder.is_hidden(path):
            return
        if self._builder.is_unreadable(path) or self._became_readable(path):
            # What happened below it meanwhile was not followed.
            self._begin_walk()
            return
        self._builder.store(path, node)
        if self._found is not None:
            self._found.add(path)
        self._check_limits(path, node.stat)
        if self._found is not None and node.stat.num_children:
            self._spawn(self._zk.children(self._absolute(path)), partial(self._listing_arrived, path))

    def _check_limits(self, path: str, stat: Stat) -> None:
        excess = self._builder.excess(self._limits, stat.num_children, self._found)
        if excess is not None:
            raise TooLargeError((FieldError(self._absolute(path), excess),))

    def _listing_arrived(self, path: str, task: asyncio.Task[Children]) -> None:
        try:
            names = task.result().names
        except NoNodeError:
            # Its deletion has arrived by now, or another creation after it.
            return
        except ForbiddenError:
            self._builder.hide(path)
            return
        for name in names:
            child = f"{path}/{name}" if path else name
            is_known = self._found is not None and child in self._found
            if not is_known and child not in self._pending.reading:
                self._pending.data[child] = None

    def _stat_arrived(self, path: str, task: asyncio.Task[Stat | None]) -> None:
        event_zxid = self._pending.stating.pop(path)
        stat: Stat | None = None
        try:
            stat = task.result()
        except ForbiddenError:
            if path in self._builder:
                self._pending.data[path] = None
        if stat is not None:
            self._builder.restat(path, stat)
        if event_zxid > (stat.pzxid if stat is not None else 0):
            self._pending.stats[path] = None

    def _rebuild_snapshot(self) -> None:
        """The same state in another form: the zxid of the snapshot stands."""
        if self._snapshot is not None:
            self._snapshot = self._builder.snapshot(self._snapshot.zxid)

    def _is_ignored(self, path: str) -> bool:
        return not self._is_expected(path) and self._builder.is_hidden(path)

    def _became_readable(self, path: str) -> bool:
        """Whether the znode has been there for longer than it may be read, and no walk is about to find it."""
        return self._found is None and path not in self._builder and path not in self._pending.created

    def _is_expected(self, path: str) -> bool:
        return path in self._builder or self._pending.is_expected(path)

    def _is_forgotten(self, path: str) -> bool:
        node = self._builder.node(path)
        return node is not None and node.data is None

    def _absolute(self, relative: str) -> str:
        return self._prefix + relative if relative else self._root
