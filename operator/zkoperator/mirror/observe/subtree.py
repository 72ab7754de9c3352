"""The subtree of one ConfigSync on a shared session: the session, the feed and their orderly end. I/O."""

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
        endpoint: what is followed.
        zk: the session.
        permits: bounds how many subtrees of the session are read at once.
        limits: a larger subtree is not followed.
        on_change: called when there is a new snapshot, when the snapshot is lost, and when there will never be one.
        timer: measures how long reads take and how long changes wait.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        zk: Zk,
        permits: ReadPermits,
        limits: SubtreeLimits,
        on_change: Callable[[], None],
        timer: ReadTimer,
    ) -> None:
        self.endpoint = endpoint
        self.zk = zk
        self.timer = timer
        self.failure: BaseException | None = None
        """What ended the feed, so that there will never be a snapshot again; None while it runs."""
        self.losses = 0
        """How often the snapshot was lost with the connection."""
        self._on_change = on_change
        self._feed = SubtreeFeed(zk, endpoint.root, on_change=self._changed, permits=permits, limits=limits)
        self._checking: asyncio.Task[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"subtree {endpoint.root}")
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
        """Begin to look at what no watch reports, unless that is still going on; see `zk/verification.py`."""
        if self._checking is None or self._checking.done():
            work = verify(self.zk, self.endpoint.root, self._feed, everything=everything)
            self._checking = asyncio.get_running_loop().create_task(work, name=f"verify {self.endpoint.root}")
            self._checking.add_done_callback(self._checked)

    async def verify_at(self, path: str) -> None:
        """Look at the znode at which a write was refused; if it is not as known, read the whole subtree again."""
        await verify_at(self.zk, self.endpoint.root, self._feed, path)

    async def close(self) -> None:
        """Stop following. The lease of the session is the caller's."""
        tasks = [task for task in (self._task, self._checking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        self.timer.start()
        try:
            await self._feed.run()
        finally:
            self.timer.stop()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Report every end: a pass would wait for the next snapshot for ever."""
        if not task.cancelled():
            self.failure = task.exception()
            self._on_change()

    def _checked(self, task: asyncio.Task[Any]) -> None:
        """Let anything unexpected end the subtree; a lost connection is dealt with elsewhere."""
        if not task.cancelled() and not isinstance(task.exception(), ZkOperatorError | None):
            self._ended(task)

    def _changed(self) -> None:
        if self._feed.snapshot() is None:
            self.losses += 1
        else:
            self.timer.read_ended()
        self._on_change()
