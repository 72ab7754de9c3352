"""One kopf in a thread and an event loop of its own, ended when it begins to end.

When one of its watches fails, kopf gives the others 5 s, cancels them and waits for them without a limit, but a watch
may swallow the only cancellation it gets and go on: seen once in a dozen such ends on a busy machine. kopf then
neither ends nor sees.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from zkoperator.runtime.clock import Clock
from zkoperator.runtime.heartbeat import Heartbeat

ABANDON_S = 6.0
"""A thread that has not ended so long after it was asked to is left to itself."""

ROOT = "stop-flag checker"
"""The name of a task that kopf makes before anything else and cancels as soon as any of its root tasks is over."""

_STOP_S = 3.0
_BEAT_S = 1.0
_CANCEL_AGAIN_S = 0.2


class DyingError(Exception):
    """Kopf has begun to end."""


class Life:
    """Runs what `start` makes, from the moment it is constructed.

    Args:
        start: called on the new event loop; returns the task that is kopf.
        clock: monotonic time.
    """

    def __init__(self, start: Callable[[], "asyncio.Task[None]"], clock: Clock) -> None:
        self.ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        """Done when it has ended, with what ended it: an exception, or None."""
        self._start = start
        self._home = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None
        self._ending = False
        self._pulse = Heartbeat(clock)
        self._pulse.beat()
        # A daemon: should it ever hang, it must not keep the process from exiting.
        self._thread = threading.Thread(target=self._body, name="kopf", daemon=True)
        self._thread.start()

    def stalled_s(self) -> float:
        """Return the seconds for which its event loop has not moved."""
        return self._pulse.late_s()

    async def end(self) -> None:
        """Ask it to stop and wait for a while; a thread that does not is abandoned."""
        with self._lock:
            self._ending = True
            if self._stop is not None:
                self._stop()
        await asyncio.wait({self.ended}, timeout=ABANDON_S)

    def _body(self) -> None:
        try:
            asyncio.run(self._main())
        finally:
            self._tell(None)

    async def _main(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        # What ends kopf is told by the supervisor; its other tasks often end the same way, with nobody to ask them.
        loop.set_exception_handler(lambda _loop, _context: None)
        with self._lock:
            if self._ending:
                return
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        stopped = asyncio.create_task(stop.wait())  # first, as kopf waits for every task that is younger than itself
        task = self._start()
        is_whole = True
        while is_whole and not (task.done() or stopped.done()):
            self._pulse.beat()
            await asyncio.wait({task, stopped}, timeout=_BEAT_S, return_when=asyncio.FIRST_COMPLETED)
            is_whole = any(each.get_name() == ROOT for each in asyncio.all_tasks())
        error = None if stopped.done() else _end_of(task)
        await _cancel(task)
        with self._lock:
            self._stop = None
        # Before the event loop closes, which waits without a limit for what is still not over.
        self._tell(error)

    def _tell(self, error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # our own loop is closed: the process exits
            self._home.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: BaseException | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)


def _end_of(task: "asyncio.Task[None]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else DyingError()


async def _cancel(task: "asyncio.Task[None]") -> None:
    """Cancel kopf, then whatever it leaves behind, again and again as some of it swallows a cancellation."""
    task.cancel()
    deadline_s = asyncio.get_running_loop().time() + _STOP_S
    rest = {task}
    while rest and asyncio.get_running_loop().time() < deadline_s:
        await asyncio.wait(rest, timeout=_CANCEL_AGAIN_S)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for each in rest:
            each.cancel()
