"""Limits the reads of whole subtrees: how many run at once, only while connected, and with a back-off on failure."""

import asyncio
from typing import Final

from zkoperator.runtime.backoff import Backoff
from zkoperator.zk.port import ConnectionState, Zk

LONGEST_PERMIT_S: Final = 5.0
_BACKOFF: Final = Backoff(first_s=0.1, limit_s=5.0)


class ReadPermit:
    """Permission to read a subtree. It ends when it is returned, or after `LONGEST_PERMIT_S`; the read then goes on."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots: asyncio.Semaphore | None = slots
        self._expiry = asyncio.get_running_loop().call_later(LONGEST_PERMIT_S, self.end)

    def end(self) -> None:
        """Return the permit so that the next reader gets it. A second call does nothing."""
        slots, self._slots = self._slots, None
        if slots is not None:
            self._expiry.cancel()
            slots.release()


class ReadPermits:
    """Limits how many subtrees are read from one ensemble at once."""

    def __init__(self, count: int) -> None:
        self._slots = asyncio.Semaphore(count)

    async def take(self) -> ReadPermit:
        """Wait for a permit; the longest waiting reader gets the next one."""
        await self._slots.acquire()
        return ReadPermit(self._slots)


class ReadAttempts:
    """The attempts of one feed to read its subtree.

    Args:
        zk: the session; while it has no connection, it holds no permit.
        permits: shared with the other feeds of the ensemble.
    """

    __slots__ = ("_connected", "_failures", "_permit", "_permits", "_zk")

    def __init__(self, zk: Zk, permits: ReadPermits) -> None:
        self._zk = zk
        self._permits = permits
        self._permit: ReadPermit | None = None
        self._failures = 0
        self._connected: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        """Wait until the next attempt may begin."""
        if self._failures:
            await asyncio.sleep(_BACKOFF.delay_s(self._failures))
        self._permit = await self._permits.take()
        while self._zk.state is ConnectionState.CONNECTING:
            self._permit.end()
            self._connected = asyncio.get_running_loop().create_future()
            await self._connected
            self._permit = await self._permits.take()

    def failed(self) -> None:
        """Note a failure: the next attempt waits longer."""
        self._failures += 1

    def succeeded(self) -> None:
        """Note that the snapshot is complete: the next attempt does not wait."""
        self._failures = 0

    def end_permit(self) -> None:
        """Return the permit, if one is held."""
        if self._permit is not None:
            self._permit.end()

    def state_changed(self, state: ConnectionState) -> None:
        """Wake `begin` when it waits for a connection, also when the session was closed."""
        waiting = self._connected
        if state is not ConnectionState.CONNECTING and waiting is not None and not waiting.done():
            waiting.set_result(None)
