"""Keeps an exact snapshot of a subtree at one zxid current, by one recursive watch.

Why the snapshot is exact (it is a state that really existed, with each multi in it completely or not at all):

- The zxid of a reply is the version of the state that was read, and on one connection every event up to that zxid
  arrives before the reply. A server applies a transaction while no read is in progress, so reads never see half of one.
- Each event causes a read, sent after the event, of what has changed: the data of the znode, or the stat of its parent.
  The snapshot is valid only while no such read is due or under way. Then all replies together reflect every event, and
  the zxid Z of the last reply is not older than any of them: what was read is the subtree at Z.
- A watch ends with its connection and does not catch up, so after each reconnect it is set again *before* the whole
  subtree is read again. No watch reports a change of permissions; the next complete read finds it.
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
from zkoperator.zk.snapshot import Digest, Snapshot, digest_of
from zkoperator.zk.snapshot_builder import SnapshotBuilder, SubtreeLimits

logger = logging.getLogger(__name__)

_NARROWEST = 4
_ANY_SIZE = SubtreeLimits()


class SubtreeFeed:
    """Follows the subtree at `root` on a session that it may share with thousands of other feeds.

    `on_change` must not raise. It is called when a new snapshot is ready and when the snapshot was lost with its
    connection, but not while a change is being read. At most `window` reads are under way at once, and fewer after a
    read has timed out, because all of them share one connection. Names in `left_out` below the root are not followed;
    `digest` stands for values in snapshots.
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
        left_out: frozenset[str] = frozenset(),
        digest: Digest = digest_of,
    ) -> None:
        self._zk, self._root = zk, root
        self._prefix = root if root == "/" else f"{root}/"
        self._on_change = on_change
        self._window = self._reads_allowed = window
        self._attempts = ReadAttempts(zk, permits or ReadPermits(1))
        self._limits = limits
        self._builder = SnapshotBuilder(root, left_out, digest)
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
        """Drop the values read so far and keep their digests; znodes that change later have values again."""
        self._builder.forget_values()
        self._rebuild_snapshot()

    async def recall(self, paths: Collection[str]) -> bool:
        """Read the dropped values of these relative paths again.

        Returns True when `snapshot()` has them now; False when one of them has changed or could not be read, so that
        there is no snapshot until `on_change` is called.
        """
        epoch = self._epoch
        wanted = [path for path in paths if self._builder.is_forgotten(path)]
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
        """Return a value that changes with every notification and every loss of the connection."""
        return self._epoch, self._event_count

    @property
    def size(self) -> tuple[int, int]:
        """The number of znodes, and the bytes of their values."""
        return len(self._builder), self._builder.bytes

    def known(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the relative paths of the known and the unreadable znodes; both are empty without a snapshot."""
        return (self._builder.known(), self._builder.unreadable()) if self._is_consistent else ((), ())

    def agrees(self, path: str, stat: Stat | ForbiddenError | None) -> bool:
        """Return whether the answer agrees with what is known; it does for a znode that is being read or unreadable."""
        return path in self._pending or self._builder.is_refused(path) or self._builder.agrees(path, stat)

    def reread(self) -> None:
        """Read the whole subtree again, because the snapshot differs from the ensemble."""
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
            # The server may be behind what an earlier connection saw; after a sync it is not.
            await asyncio.gather(self._zk.add_watch(self._root), self._zk.sync(self._root))
        except TransientError as error:
            if self._zk.state is ConnectionState.CLOSED:
                raise
            # The session has its own back-off for lost connections; any other failure waits for ours.
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
        """Let `run` raise this error, which no retry can solve, and drop everything."""
        self._end = self._end or end
        self._discard()
        self._builder = SnapshotBuilder(self._root)
        self._announce(ready=False)

    def _announce(self, *, ready: bool) -> None:
        """Call `on_change` for every snapshot that is ready, and once for its loss."""
        was_announced, self._is_announced = self._is_announced, ready
        if ready or was_announced:
            self._on_change()

    def _discard(self) -> None:
        """Discard the snapshot and all reads under way: the connection is lost, or a read has failed."""
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
        """Handle one notification, in the order of arrival: send the reads that it makes necessary."""
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
        """Handle a deletion, which needs no read of the znode: a later creation has an event of its own."""
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
        """Read the stat of the parent again; after a deletion this is also the read that covers the event."""
        if event.type is EventType.CREATED and not self._is_expected(parent):
            # The parent of this child is not known: it may be unreadable, and only a read finds that out.
            self._pending.need_data(parent, None)
        else:
            self._pending.need_stat(parent, event)

    def _send_due_reads(self) -> None:
        """Send the reads that are due, as far as the window allows; when none is left, the snapshot is valid."""
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
        """Handle one reply, and send the reads that are due next."""
        try:
            work()
            self._send_due_reads()
        except InvalidError as error:
            self._end_with(error)
        except ZkOperatorError as error:
            self._fail(error)
        except Exception as defect:  # noqa: BLE001 - a callback has no caller, so `run` raises it
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
            # The znode existed when it was read, so the deletion came later.
            self._erase(path)
            return
        if later_event is not None and zxid_of(later_event) > node.zxid:
            self._pending.data[path] = None
            return
        if self._builder.is_hidden(path):
            return
        if self._builder.is_unreadable(path) or self._became_readable(path):
            # Events below it were ignored so far.
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
            # The event of its deletion has arrived before this reply.
            return
        except ForbiddenError:
            self._builder.hide(path)
            return
        for name in names:
            child = f"{path}/{name}" if path else name
            is_known = self._found is not None and child in self._found
            if not (is_known or child in self._pending.reading or self._builder.is_hidden(child)):
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
        """Build the snapshot again at the same zxid: only which values are in memory has changed."""
        if self._snapshot is not None:
            self._snapshot = self._builder.snapshot(self._snapshot.zxid)

    def _is_ignored(self, path: str) -> bool:
        return not self._is_expected(path) and self._builder.is_hidden(path)

    def _became_readable(self, path: str) -> bool:
        """Return whether the znode existed before it became readable, and no walk is under way that would find it."""
        return self._found is None and path not in self._builder and path not in self._pending.created

    def _is_expected(self, path: str) -> bool:
        return path in self._builder or self._pending.is_expected(path)

    def _absolute(self, relative: str) -> str:
        return self._prefix + relative if relative else self._root
