"""The subtree of one ConfigSync on a shared session: opens the feed, and closes it in order. I/O."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from zkoperator.errors import ZkOperatorError
from zkoperator.mirror.model.names import RESERVED_NAMES
from zkoperator.mirror.observe.read_timer import ReadTimer
from zkoperator.zk.port import ClientTls, ConnectionState, Credential, Zk
from zkoperator.zk.read_permits import ReadPermits
from zkoperator.zk.snapshot import Snapshot
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
    """Where a subtree is: the members' addresses, the credential and the root; and the trust, where there is TLS."""

    hosts: tuple[str, ...]
    credential: Credential | None
    root: str
    tls: ClientTls | None = None


class Subtree:
    """One subtree that is followed: a leased session and the feed that runs on it.

    Args:
        endpoint: where the subtree is.
        zk: the session.
        permits: limit how many subtrees of the session are read at once.
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
        """The exception that ended the feed, None while it runs. After it there is never a snapshot again."""
        self.losses = 0
        """How often the snapshot was lost with the connection."""
        self._on_change = on_change
        left_out = RESERVED_NAMES if endpoint.root == "/" else frozenset[str]()
        self._feed = SubtreeFeed(
            zk, endpoint.root, on_change=self._changed, permits=permits, limits=limits, left_out=left_out
        )
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
        """Read forgotten values again. Return False when the snapshot is stale."""
        return await self._feed.recall(paths)

    def forget_values(self) -> None:
        """Forget all values and keep only their digests."""
        self._feed.forget_values()

    def verify(self, *, everything: bool) -> None:
        """Start a check of what no watch reports, unless one is still running; see `zk/verification.py`."""
        if self._checking is None or self._checking.done():
            work = verify(self.zk, self.endpoint.root, self._feed, everything=everything)
            self._checking = asyncio.get_running_loop().create_task(work, name=f"verify {self.endpoint.root}")
            self._checking.add_done_callback(self._checked)

    async def verify_at(self, path: str) -> None:
        """Read the znode at which a write was refused. If the snapshot has it differently, read the subtree again."""
        await verify_at(self.zk, self.endpoint.root, self._feed, path)

    async def close(self) -> None:
        """Stop following. The caller releases the lease of the session."""
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
        """Report every end. Otherwise a pass would wait for the next snapshot for ever."""
        if not task.cancelled():
            self.failure = task.exception()
            self._on_change()

    def _checked(self, task: asyncio.Task[Any]) -> None:
        """End the subtree after an unexpected error. A lost connection is handled elsewhere."""
        if not task.cancelled() and not isinstance(task.exception(), ZkOperatorError | None):
            self._ended(task)

    def _changed(self) -> None:
        if self._feed.snapshot() is None:
            self.losses += 1
        else:
            self.timer.read_ended()
        self._on_change()
