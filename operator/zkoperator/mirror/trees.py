"""The subtree of one ConfigSync on a shared session: which session, which feed, and its orderly end. I/O."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from zkoperator.errors import ZkOperatorError
from zkoperator.mirror.stopwatch import Stopwatch
from zkoperator.zk.feed import TreeFeed
from zkoperator.zk.picture import Picture
from zkoperator.zk.port import ConnectionState, Credential, Zk

_LONGEST_TURN_S = 5.0


class Sessions(Protocol):
    """Sessions that are shared by everybody with the same members and credential."""

    async def lease(self, hosts: tuple[str, ...], credential: Credential | None) -> Zk:
        """Return a session, opened if there is none."""

    async def release(self, zk: Zk) -> None:
        """Give one lease back."""


@dataclass(frozen=True, slots=True)
class Place:
    """An ensemble, an identity and a subtree."""

    hosts: tuple[str, ...]
    credential: Credential | None
    root: str


class Tree:
    """One subtree that is followed: a leased session and the feed that runs on it.

    Args:
        place: what is followed.
        zk: the session.
        turns: bounds how many trees are read for the first time at once; a tree that cannot be read gives its turn up
            after a while, so that an ensemble that is away holds up nobody else's.
        on_change: called when there is another picture, or none any more.
        watch: takes the time of what happens here.
    """

    def __init__(
        self, place: Place, zk: Zk, turns: asyncio.Semaphore, on_change: Callable[[], None], watch: Stopwatch
    ) -> None:
        self.place = place
        self.zk = zk
        self.watch = watch
        self.failure: ZkOperatorError | None = None
        self.losses = 0
        """How often a picture was lost with its connection."""
        self._turns = turns
        self._has_turn = False
        self._on_change = on_change
        self._feed = TreeFeed(zk, place.root, on_change=self._changed)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"tree {place.root}")

    @property
    def is_connected(self) -> bool:
        """Whether the session has a connection now."""
        return self.zk.state is ConnectionState.CONNECTED

    def picture(self) -> Picture | None:
        """Return the subtree at one zxid, None while it is not known."""
        return self._feed.picture()

    async def recall(self, paths: list[str]) -> bool:
        """Read forgotten values again; False when the picture is stale."""
        return await self._feed.recall(paths)

    def forget_values(self) -> None:
        """Keep digests only."""
        self._feed.forget_values()

    async def close(self) -> None:
        """Stop following. The lease of the session is the caller's."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        await self._turns.acquire()
        self._has_turn = True
        alarm = asyncio.get_running_loop().call_later(_LONGEST_TURN_S, self._end_turn)
        self.watch.start()
        try:
            await self._feed.run()
        except ZkOperatorError as error:
            self.failure = error
            self._on_change()
        finally:
            self.watch.stop()
            alarm.cancel()
            self._end_turn()

    def _changed(self) -> None:
        self._end_turn()
        if self._feed.picture() is None:
            self.losses += 1
        else:
            self.watch.seen()
        self._on_change()

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turns.release()
