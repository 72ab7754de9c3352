"""Runs kopf once, in a thread with an event loop of its own, and stops all of it as soon as kopf begins to end.

When one of its watches fails, kopf gives the others 5 s, cancels them once and waits for them without a limit. A watch
may swallow that cancellation and go on (seen once in a dozen such ends on a busy machine); kopf then neither ends nor
watches. So we cancel its tasks ourselves, repeatedly.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from zkoperator.runtime.clock import Clock
from zkoperator.runtime.heartbeat import Heartbeat

ABANDON_S = 6.0
"""A thread that has not ended so long after a stop is abandoned."""

ROOT = "stop-flag checker"
"""The name of a task that kopf creates first and cancels as soon as any of its root tasks has ended."""

_STOP_S = 3.0
_BEAT_S = 1.0
_CANCEL_AGAIN_S = 0.2


class KopfEndingError(Exception):
    """One of kopf's root tasks has ended, so kopf will end or go on without its watches."""


class KopfThread:
    """Runs the task that `start` creates, beginning with the construction of this object.

    Args:
        start: called on the new event loop; returns the task that runs kopf.
        clock: monotonic time.
    """

    def __init__(self, start: Callable[[], "asyncio.Task[None]"], clock: Clock) -> None:
        self.ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        """Done when kopf has ended; its result is the exception that ended it, or None."""
        self._start = start
        self._owner_loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None
        self._ending = False
        self._heartbeat = Heartbeat(clock)
        self._heartbeat.beat()
        # A daemon thread: if it hangs, it must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run_thread, name="kopf", daemon=True)
        self._thread.start()

    def stalled_s(self) -> float:
        """Return the seconds for which kopf's event loop has not moved."""
        return self._heartbeat.late_s()

    async def end(self) -> None:
        """Ask the thread to stop and wait up to `ABANDON_S`; one that has not stopped by then is abandoned."""
        with self._lock:
            self._ending = True
            if self._stop is not None:
                self._stop()
        await asyncio.wait({self.ended}, timeout=ABANDON_S)

    def _run_thread(self) -> None:
        try:
            asyncio.run(self._main())
        finally:
            self._report_end(None)

    async def _main(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        # The supervisor logs what ended kopf; other tasks often fail for the same reason, and nobody awaits them.
        loop.set_exception_handler(lambda _loop, _context: None)
        with self._lock:
            if self._ending:
                return
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        # Created first, because kopf waits for every task that was created after itself.
        stopped = asyncio.create_task(stop.wait())
        task = self._start()
        is_whole = True
        while is_whole and not (task.done() or stopped.done()):
            self._heartbeat.beat()
            await asyncio.wait({task, stopped}, timeout=_BEAT_S, return_when=asyncio.FIRST_COMPLETED)
            is_whole = any(task_left.get_name() == ROOT for task_left in asyncio.all_tasks())
        error = None if stopped.done() else _error_of(task)
        await _cancel(task)
        with self._lock:
            self._stop = None
        # Before the event loop closes, because that waits without a limit for tasks that still run.
        self._report_end(error)

    def _report_end(self, error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the owner's loop is closed: the process exits
            self._owner_loop.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: BaseException | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)


def _error_of(task: "asyncio.Task[None]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else KopfEndingError()


async def _cancel(task: "asyncio.Task[None]") -> None:
    """Cancel kopf and then the tasks it leaves behind, repeatedly because some swallow a cancellation."""
    task.cancel()
    deadline_s = asyncio.get_running_loop().time() + _STOP_S
    rest = {task}
    while rest and asyncio.get_running_loop().time() < deadline_s:
        await asyncio.wait(rest, timeout=_CANCEL_AGAIN_S)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task_left in rest:
            task_left.cancel()
