"""The processes that render, shared so that nobody's template slows another one down. I/O.

There are two lanes. In the quick one a job has a fraction of a second; one that needs more is done again in the slow
lane, where it waits behind others of its kind alone, and is sent there at once the next time. Templates of which
nothing is known yet take one process of the quick lane at most, so that many bad new ones do not delay those that are
known to be quick. Processes are started when they are needed, and end when they have had nothing to do for a while.
"""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

from zkoperator.runtime.clock import MONOTONIC, Clock, Timer
from zkoperator.templates.port import Answer, Cause, Failure, Job, Limits, Pace, Rendered
from zkoperator.templates.process import WorkerProcess

QUICK: Final = Limits(cpu_s=0.25)
SLOW: Final = Limits(cpu_s=2.0)
_IDLE_S: Final = 60.0
"""After this time without a job a process ends, so that an operator without templates has none."""


class WorkerPool:
    """Renders for all ConfigSyncs of a process.

    Args:
        quick, slow: limits of a job in each lane.
        quick_workers: processes of the quick lane; the slow one has one.
        clock: monotonic time.
        start: makes a process that is not started yet.
    """

    def __init__(
        self,
        quick: Limits = QUICK,
        slow: Limits = SLOW,
        *,
        quick_workers: int = 2,
        clock: Clock = MONOTONIC,
        start: Callable[[Limits], WorkerProcess] = WorkerProcess,
    ) -> None:
        self._quick = _Lane(quick, quick_workers, clock, start)
        self._slow = _Lane(slow, 1, clock, start)
        self._new = asyncio.Semaphore(1)

    async def render(self, job: Job, pace: Pace = Pace.NEW) -> tuple[Answer, Pace]:
        """Return the answer, and the pace of the next rendering of the same."""
        if pace is not Pace.SLOW:
            async with self._new if pace is Pace.NEW else nullcontext():
                answer = await self._quick.render(job)
            if isinstance(answer, Rendered):
                return answer, Pace.QUICK
            if answer.cause is not Cause.TIME:
                return answer, Pace.NEW
        return await self._slow.render(job), Pace.SLOW

    async def close(self) -> None:
        """End all processes."""
        await self._quick.close()
        await self._slow.close()

    @property
    def processes(self) -> int:
        """Processes that are there now."""
        return self._quick.processes + self._slow.processes


class _Lane:
    """A few processes with the same limits, and the jobs that wait for them in their order."""

    def __init__(self, limits: Limits, workers: int, clock: Clock, start: Callable[[Limits], WorkerProcess]) -> None:
        self._limits = limits
        self._clock = clock
        self._start = start
        self._free = asyncio.Semaphore(workers)
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._timer: Timer | None = None

    @property
    def processes(self) -> int:
        """Processes that are there now."""
        return len(self._idle) + len(self._busy)

    async def render(self, job: Job) -> Answer:
        """Render in the next free process."""
        async with self._free:
            try:
                worker = await self._worker()
            except OSError as error:
                return Failure(Cause.LOST, f"no process could be started for it ({error.strerror})")
            self._busy.add(worker)
            try:
                return await worker.render(job, self._limits.cpu_s)
            finally:
                self._busy.discard(worker)
                self._put_back(worker)

    async def _worker(self) -> WorkerProcess:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
        worker = self._start(self._limits)
        await worker.start()
        return worker

    def _put_back(self, worker: WorkerProcess) -> None:
        if worker.is_alive:
            self._idle.append(worker)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._clock.call_later(_IDLE_S, self._end_idle)

    def _end_idle(self) -> None:
        for worker in self._idle:
            worker.dismiss()
        self._idle.clear()

    async def close(self) -> None:
        """End all processes."""
        if self._timer is not None:
            self._timer.cancel()
        for worker in self._busy:
            worker.kill()
        for worker in self._idle:
            await worker.end()
        self._idle.clear()
