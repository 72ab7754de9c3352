"""An event loop whose time passes only when nobody has anything to do: seconds of timers cost nothing."""

import asyncio
import heapq
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from zkoperator.runtime.clock import Timer

_TICK_S = 1e-7


class WarpLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer when it is idle. For worlds without real I/O."""

    _scheduled: list[asyncio.TimerHandle]
    _ready: Any
    _timer_cancelled_count: int

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1000.0

    def time(self) -> float:
        return self._now_s

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1
        self._now_s += _TICK_S  # as real work does: a delay below the precision of the clock must pass too
        if not self._ready and self._scheduled:
            self._now_s = max(self._now_s, self._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


class LoopClock:
    """The `Clock` that belongs to the running loop, so that everything agrees on the time."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(delay_s, call)


@contextmanager
def silent() -> Iterator[None]:
    """Log nothing: an episode tells thousands of lines that nobody reads."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def run_warped(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end in a loop of its own."""
    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        runner.run(work)
