"""The subtree of one ConfigSync, or several of them, on a shared session: opens the feeds and closes them. I/O.

Why several subtrees together are a state that really existed at one zxid: their watches are on one connection, on
which every event up to a zxid arrives before any reply of that zxid. Once no feed has a read due or under way, each of
them has seen all events up to the newest reply of the session, so that all of them are valid at its zxid.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from zkoperator.errors import FieldError, TooLargeError, ZkOperatorError
from zkoperator.mirror.model.names import RESERVED_NAMES
from zkoperator.mirror.observe.read_timer import ReadTimer
from zkoperator.zk.port import ClientTls, ConnectionState, Credential, Zk
from zkoperator.zk.read_permits import ReadPermits
from zkoperator.zk.snapshot import Digest, Snapshot, composed, digest_of, is_at_or_below
from zkoperator.zk.snapshot_builder import SubtreeLimits
from zkoperator.zk.subtree_feed import SubtreeFeed
from zkoperator.zk.verification import verify, verify_at


class Sessions(Protocol):
    """Sessions that all ConfigSyncs with the same members, credential and trust share."""

    async def lease(self, hosts: tuple[str, ...], credential: Credential | None, tls: ClientTls | None = None) -> Zk:
        """Return a lease of the session. Opens the session if there is none."""

    async def release(self, zk: Zk) -> None:
        """Release one lease."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a subtree is: the members' addresses, the credential and the roots; and the trust, where there is TLS.

    `is_list`: the roots are a list in the spec, so that paths are relative to `/`, also with one root.
    """

    hosts: tuple[str, ...]
    credential: Credential | None
    roots: tuple[str, ...]
    tls: ClientTls | None = None
    is_list: bool = False


class Subtree:
    """One subtree that is followed, or several: a leased session and the feeds that run on it.

    Args:
        endpoint: where the subtree is.
        zk: the session.
        permits: limit how many subtrees of the session are read at once.
        limits: a larger subtree is not followed, nor are several that are larger together.
        on_change: called when there is a new snapshot, when the snapshot is lost, and when there will never be one.
        timer: measures how long reads take and how long changes wait.
        digest: stands for the values.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        zk: Zk,
        permits: ReadPermits,
        limits: SubtreeLimits,
        on_change: Callable[[], None],
        timer: ReadTimer,
        digest: Digest = digest_of,
    ) -> None:
        self.endpoint = endpoint
        self.zk = zk
        self.timer = timer
        self.failure: BaseException | None = None
        """The exception that ended a feed, None while all run. After it there is never a snapshot again."""
        self.losses = 0
        """How often the snapshot was lost with the connection."""
        self._on_change = on_change
        self._limits, self._digest = limits, digest
        self._parts: tuple[Snapshot, ...] = ()
        self._whole: Snapshot | None = None
        self._feeds = {root: self._feed(root, permits) for root in endpoint.roots}
        self._checking: asyncio.Task[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"subtree {endpoint.roots[0]}")
        self._task.add_done_callback(self._ended)

    def _feed(self, root: str, permits: ReadPermits) -> SubtreeFeed:
        left_out = RESERVED_NAMES if root == "/" else frozenset[str]()
        return SubtreeFeed(
            self.zk,
            root,
            on_change=partial(self._changed, root),
            permits=permits,
            limits=self._limits,
            left_out=left_out,
            digest=self._digest,
        )

    @property
    def is_connected(self) -> bool:
        """Whether the session has a connection now."""
        return self.zk.state is ConnectionState.CONNECTED

    def snapshot(self) -> Snapshot | None:
        """Return the subtree at one zxid, None while it is not known."""
        parts = tuple(part for feed in self._feeds.values() if (part := feed.snapshot()) is not None)
        if len(parts) < len(self._feeds):
            return None
        if not self.endpoint.is_list:
            return parts[0]
        if self._whole is None or any(part is not known for part, known in zip(parts, self._parts, strict=True)):
            self._parts, self._whole = parts, composed(parts, self.zk.last_zxid)
        return self._whole

    async def recall(self, paths: list[str]) -> bool:
        """Read forgotten values again. Return False when the snapshot is stale."""
        return all([await feed.recall(self._of(root, paths)) for root, feed in self._feeds.items()])

    def forget_values(self) -> None:
        """Forget all values and keep only their digests."""
        for feed in self._feeds.values():
            feed.forget_values()

    def verify(self, *, everything: bool) -> None:
        """Start a check of what no watch reports, unless one is still running; see `zk/verification.py`."""
        if self._checking is None or self._checking.done():
            work = self._verify(everything=everything)
            self._checking = asyncio.get_running_loop().create_task(work, name=f"verify {self.endpoint.roots[0]}")
            self._checking.add_done_callback(self._checked)

    async def verify_at(self, path: str) -> None:
        """Read the znode at which a write was refused. If the snapshot has it differently, read the subtree again."""
        for root, feed in self._feeds.items():
            await verify_at(self.zk, root, feed, path)

    async def close(self) -> None:
        """Stop following. The caller releases the lease of the session."""
        tasks = [task for task in (self._task, self._checking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        self.timer.start()
        try:
            await self._follow()
        finally:
            self.timer.stop()

    async def _follow(self) -> None:
        """Run all feeds; the end of one ends the others. One alone needs no further task: there are thousands of it."""
        if len(self._feeds) == 1:
            await next(iter(self._feeds.values())).run()
            return
        running = [asyncio.ensure_future(feed.run()) for feed in self._feeds.values()]
        try:
            await asyncio.gather(*running)
        finally:
            for feed in running:
                feed.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _verify(self, *, everything: bool) -> None:
        for root, feed in self._feeds.items():
            await verify(self.zk, root, feed, everything=everything)

    def _of(self, root: str, paths: list[str]) -> list[str]:
        """Return the paths of one subtree, relative to its root."""
        if not self.endpoint.is_list:
            return paths
        top = root[1:]
        return [path[len(top) + 1 :] for path in paths if is_at_or_below(path, top)]

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Report every end. Otherwise a pass would wait for the next snapshot for ever."""
        if not task.cancelled():
            self.failure = task.exception()
            self._on_change()

    def _checked(self, task: asyncio.Task[Any]) -> None:
        """End the subtree after an unexpected error. A lost connection is handled elsewhere."""
        if not task.cancelled() and not isinstance(task.exception(), ZkOperatorError | None):
            self._ended(task)

    def _changed(self, root: str) -> None:
        if self._feeds[root].snapshot() is None:
            self.losses += 1
        elif (excess := self._excess()) is not None:
            self.failure = TooLargeError((FieldError(", ".join(self._feeds), excess),))
            self._task.cancel()
        elif len(self._feeds) == 1 or self.snapshot() is not None:
            self.timer.read_ended()
        self._on_change()

    def _excess(self) -> str | None:
        """Return which limit several subtrees exceed together."""
        sizes = [feed.size for feed in self._feeds.values()]
        return self._limits.excess(sum(znodes for znodes, _ in sizes), sum(size for _, size in sizes))
