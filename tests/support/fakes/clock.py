"""Monotonic time that passes only when a test says so."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count


class _Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class FakeClock:
    """A `Clock`. `advance` fires what is due on the way, in order, and lets the tasks run that it woke."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self._now_s = start_s
        self._order = count()
        self._timers: list[tuple[float, int, _Timer]] = []

    def now_s(self) -> float:
        return self._now_s

    async def sleep(self, delay_s: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self.call_later(delay_s, lambda: None if future.done() else future.set_result(None))
        await future

    def call_later(self, delay_s: float, call: Callable[[], None]) -> _Timer:
        timer = _Timer(call)
        heapq.heappush(self._timers, (self._now_s + delay_s, next(self._order), timer))
        return timer

    def jump(self, seconds: float) -> None:
        """Let time pass without anything running: a process that was stopped, or an event loop that was blocked."""
        self._now_s += seconds

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self._now_s + seconds
        await settle()
        while self._timers and self._timers[0][0] <= end_s:
            at_s, _, timer = heapq.heappop(self._timers)
            self._now_s = max(self._now_s, at_s)
            if timer.call is not None:
                timer.call()
                await settle()
        self._now_s = max(self._now_s, end_s)


async def settle() -> None:
    """Let every task that can run do so until it waits again."""
    for _ in range(50):
        await asyncio.sleep(0)
