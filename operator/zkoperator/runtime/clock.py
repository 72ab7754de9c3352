"""Monotonic time, so that no step of the wall clock moves a timer or a lease."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that has been scheduled."""

    def cancel(self) -> None:
        """Prevent the call, unless it has happened already."""


class Clock(Protocol):
    """Monotonic time. Only differences between two readings are meaningful."""

    def now_s(self) -> float:
        """Return seconds since an arbitrary moment."""

    async def sleep(self, delay_s: float) -> None:
        """Return after at least `delay_s` seconds."""

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Call once on the running event loop after `delay_s` seconds."""


_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class MonotonicClock:
    """The machine's monotonic clock and the running event loop's timers."""

    def now_s(self) -> float:
        """Return seconds that also count while the process is stopped, and on Linux while the machine is suspended."""
        return time.clock_gettime(_CLOCK)

    async def sleep(self, delay_s: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(delay_s)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Schedule on the running event loop."""
        return asyncio.get_running_loop().call_later(delay_s, call)


MONOTONIC: Clock = MonotonicClock()
