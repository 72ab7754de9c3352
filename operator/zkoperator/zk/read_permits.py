"""When a whole subtree may be read: so many at once, while there is a connection, and not at once after a failure."""

import asyncio
from typing import Final

from zkoperator.runtime.backoff import Backoff
from zkoperator.zk.port import ConnectionState, Zk

LONGEST_TURN_S: Final = 5.0
_BACKOFF: Final = Backoff(first_s=0.1, limit_s=5.0)


class ReadPermit:
    """Leave to read a subtree. It ends when it is given back, and at the latest after a while: the reading goes on."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free: asyncio.Semaphore | None = free
        self._alarm = asyncio.get_running_loop().call_later(LONGEST_TURN_S, self.end)

    def end(self) -> None:
        """Let the next one read. Does nothing the second time."""
        free, self._free = self._free, None
        if free is not None:
            self._alarm.cancel()
            free.release()


class ReadPermits:
    """Bounds how many subtrees are read from one ensemble at once."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)

    async def take(self) -> ReadPermit:
        """Wait for a turn, in the order of asking."""
        await self._free.acquire()
        return ReadPermit(self._free)


class Attempts:
    """The attempts of one feed at reading its subtree.

    Args:
        zk: the session; one without a connection takes nobody's turn.
        turns: shared with the other feeds of the ensemble.
    """

    __slots__ = ("_connected", "_failures", "_turn", "_turns", "_zk")

    def __init__(self, zk: Zk, turns: ReadPermits) -> None:
        self._zk = zk
        self._turns = turns
        self._turn: ReadPermit | None = None
        self._failures = 0
        self._connected: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        """Wait until it is time."""
        if self._failures:
            await asyncio.sleep(_BACKOFF.delay_s(self._failures))
        self._turn = await self._turns.take()
        while self._zk.state is ConnectionState.CONNECTING:
            self._turn.end()
            self._connected = asyncio.get_running_loop().create_future()
            await self._connected
            self._turn = await self._turns.take()

    def failed(self) -> None:
        """Wait for longer the next time."""
        self._failures += 1

    def succeeded(self) -> None:
        """The subtree is read, or its snapshot stands again."""
        self._failures = 0

    def end_turn(self) -> None:
        """Let others read."""
        if self._turn is not None:
            self._turn.end()

    def state_changed(self, state: ConnectionState) -> None:
        """Wake whoever waits for a connection, also when there will be none any more."""
        waiting = self._connected
        if state is not ConnectionState.CONNECTING and waiting is not None and not waiting.done():
            waiting.set_result(None)
