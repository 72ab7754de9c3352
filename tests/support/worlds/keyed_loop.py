"""A keyed loop on a fake clock, with passes that tests hold."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from tests.support.fakes.clock import FakeClock, settle
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain, Outcome, Pass

A, B, C = (Key("demo", name) for name in "abc")
FIXED = Backoff(first_s=1, limit_s=8, uniform=lambda low, high: high)
SLOW = Backoff(first_s=100, limit_s=100, uniform=lambda low, high: high)
RESYNC_S = 1000.0


Reconcile = Callable[[Key], Awaitable[LookAgain]]


class LoopWorld:
    """A loop on a fake clock, with everything that its passes did."""

    def __init__(self, reconcile: Reconcile | None = None, **options: int | float | Backoff) -> None:
        self.clock = FakeClock()
        self.passes: list[Pass] = []
        self.seen: Counter[Key] = Counter()
        self.raises: dict[Key, list[Exception]] = {}
        self.again_s: dict[Key, float] = {}
        self.loop = KeyedLoop(
            "Thing",
            reconcile or self.reconcile,
            slow_backoff=SLOW,
            resync_s=RESYNC_S,
            clock=self.clock,
            report=self.passes.append,
            **{"grace_s": 0.01, "backoff": FIXED, **options},  # type: ignore[arg-type]
        )

    def wake_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.loop.wake(key)

    async def reconcile(self, key: Key) -> LookAgain:
        self.seen[key] += 1
        errors = self.raises.get(key)
        if errors:
            raise errors.pop(0)
        return LookAgain(self.again_s[key]) if key in self.again_s else WHEN_WOKEN

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.loop.run())
        await settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def outcomes(self) -> list[Outcome]:
        return [each.outcome for each in self.passes]


class Gate:
    """A reconcile whose passes stand still until they are let go."""

    def __init__(self) -> None:
        self.inside: list[Key] = []
        self.started: Counter[Key] = Counter()
        self.finished: Counter[Key] = Counter()
        self._open: dict[Key, asyncio.Event] = {}

    async def __call__(self, key: Key) -> LookAgain:
        self.started[key] += 1
        self.inside.append(key)
        try:
            await self._open.setdefault(key, asyncio.Event()).wait()
        finally:
            self.inside.remove(key)
        self.finished[key] += 1
        return WHEN_WOKEN

    async def release(self, *keys: Key) -> None:
        for key in keys:
            self._open.setdefault(key, asyncio.Event()).set()
        await settle()
        for key in keys:
            self._open.pop(key, None)
