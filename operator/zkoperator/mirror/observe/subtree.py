"""The subtree of one ConfigSync on a shared session: which session, which feed, and its orderly end. I/O."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from zkoperator.errors import ZkOperatorError
from zkoperator.mirror.observe.read_timer import ReadTimer
from zkoperator.zk.port import ConnectionState, Credential, Zk
from zkoperator.zk.read_permits import ReadPermits
from zkoperator.zk.snapshot import Snapshot
from zkoperator.zk.snapshot_builder import SubtreeLimits
from zkoperator.zk.subtree_feed import SubtreeFeed
from zkoperator.zk.verification import verify, verify_at


class Sessions(Protocol):
    """Sessions that are shared by everybody with the same members and credential."""

    async def lease(self, hosts: tuple[str, ...], credential: Credential | None) -> Zk:
        """Return a session, opened if there is none."""

    async def release(self, zk: Zk) -> None:
        """Give one lease back."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An ensemble, an identity and a subtree."""

    hosts: tuple[str, ...]
    credential: Credential | None
    root: str


class Subtree:
    """One subtree that is followed: a leased session and the feed that runs on it.

    Args:
        place: what is followed.
        zk: the session.
        turns: bounds how many trees of the session are read at once.
        budget: a larger tree is not followed.
        on_change: called when there is another snapshot, or none any more, or never one again.
        watch: takes the time of what happens here.
    """

    def __init__(
        self,
        place: Endpoint,
        zk: Zk,
        turns: ReadPermits,
        budget: SubtreeLimits,
        on_change: Callable[[], None],
        watch: ReadTimer,
    ) -> None:
        self.place = place
        self.zk = zk
        self.watch = watch
        self.failure: BaseException | None = None
        """What ended it: it will never have a snapshot again."""
        self.losses = 0
        """How often a snapshot was lost with its connection."""
        self._on_change = on_change
        self._feed = SubtreeFeed(zk, place.root, on_change=self._changed, permits=turns, limits=budget)
        self._checking: asyncio.Task[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"tree {place.root}")
        self._task.add_done_callback(self._ended)

    @property
    def is_connected(self) -> bool:
        """Whether the session has a connection now."""
        return self.zk.state is ConnectionState.CONNECTED

    def snapshot(self) -> Snapshot | None:
        """Return the subtree at one zxid, None while it is not known."""
        return self._feed.snapshot()

    async def recall(self, paths: list[str]) -> bool:
        """Read forgotten values again; False when the snapshot is stale."""
        return await self._feed.recall(paths)

    def forget_values(self) -> None:
        """Keep digests only."""
        self._feed.forget_values()

    def verify(self, *, everything: bool) -> None:
        """Begin to look at what no watch tells of, unless that is still going on; see `zk/verification.py`."""
        if self._checking is None or self._checking.done():
            work = verify(self.zk, self.place.root, self._feed, everything=everything)
            self._checking = asyncio.get_running_loop().create_task(work, name=f"verify {self.place.root}")
            self._checking.add_done_callback(self._checked)

    async def verify_at(self, path: str) -> None:
        """Look at a znode that a write was refused at; if it is not as known, the whole subtree is read again."""
        await verify_at(self.zk, self.place.root, self._feed, path)

    async def close(self) -> None:
        """Stop following. The lease of the session is the caller's."""
        tasks = [task for task in (self._task, self._checking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        self.watch.start()
        try:
            await self._feed.run()
        finally:
            self.watch.stop()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Nothing may end a tree in silence: it would be awaited for ever."""
        if not task.cancelled():
            self.failure = task.exception()
            self._on_change()

    def _checked(self, task: asyncio.Task[Any]) -> None:
        """A connection that was lost is dealt with elsewhere; anything unexpected ends the tree."""
        if not task.cancelled() and not isinstance(task.exception(), ZkOperatorError | None):
            self._ended(task)

    def _changed(self) -> None:
        if self._feed.snapshot() is None:
            self.losses += 1
        else:
            self.watch.seen()
        self._on_change()
