"""The level-triggered loop: it takes wakes, runs at most one pass a key at a time, and retries what has failed.

A wake only means "reconcile this key"; the content of an event is never used. This is the only place that catches every
exception: it classifies the error, backs off with jitter and reports, so that one failing key never slows another one.
All methods must be called on the thread of the event loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from zkoperator.errors import TransientError
from zkoperator.logs import about
from zkoperator.runtime.backoff import Backoff, spread_s
from zkoperator.runtime.clock import MONOTONIC, Clock, Timer
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain, Outcome, Pass, classify, frames
from zkoperator.runtime.queue import FairQueue
from zkoperator.runtime.timers import KeyedTimers

Reconcile = Callable[[Key], Awaitable[LookAgain]]

RETRY = Backoff(first_s=0.5, limit_s=60.0)
SLOW_RETRY = Backoff(first_s=10.0, limit_s=300.0)

_CONFLICTS_AT_ONCE = 2


@dataclass(slots=True)
class _Entry:
    """The state of one key.

    While a pass runs, its key is neither queued nor has a timer: `woken` notes a wake until the pass has ended.
    `failures` counts the failed passes in a row; `logged` is what was last logged about the key.
    """

    running: bool = False
    woken: bool = False
    forgotten: bool = False
    failures: int = 0
    not_before_s: float = 0.0
    logged: tuple[Outcome, str] = (Outcome.SUCCESS, "")


class KeyedLoop:
    """Runs `reconcile(key)` for each key that is woken, is due or has failed.

    Args:
        name: kind of the keys, for logs.
        reconcile: one pass; returns when the next pass is due.
        concurrency: passes that run at once, of different keys.
        backoff: after `TransientError` and unexpected exceptions, and for conflicts that repeat.
        slow_backoff: after `UnsafeError`, `ForbiddenError` and `InvalidError`, which somebody else must resolve.
        resync_s: longest time without a pass, give or take a tenth.
        pass_limit_s: a pass that takes longer is cancelled and counts as a transient failure.
        grace_s: time that running passes get to finish when `run` is cancelled.
        clock: monotonic time.
        report: called with every finished pass.
    """

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        *,
        concurrency: int = 16,
        backoff: Backoff = RETRY,
        slow_backoff: Backoff = SLOW_RETRY,
        resync_s: float = 600.0,
        pass_limit_s: float = 300.0,
        grace_s: float = 10.0,
        clock: Clock = MONOTONIC,
        report: Callable[[Pass], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._reconcile = reconcile
        self._concurrency = concurrency
        self._backoff = backoff
        self._slow_backoff = slow_backoff
        self._resync_s = resync_s
        self._pass_limit_s = pass_limit_s
        self._grace_s = grace_s
        self._clock = clock
        self._report = report
        self._log = logging.getLogger(f"{__name__}.{name}")
        self._entries: dict[Key, _Entry] = {}
        self._queue = FairQueue()
        self._timers = KeyedTimers()
        self._alarm: Timer | None = None
        self._alarm_s = float("inf")
        self._passes: set[asyncio.Task[None]] = set()
        self._open = False
        self._progress_s = clock.now_s()

    @property
    def depth(self) -> int:
        """Keys that wait for a pass now."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Passes that run now."""
        return len(self._passes)

    def stalled_s(self) -> float:
        """Return the seconds for which keys have waited while no pass began or ended; 0 while `run` is not active.

        One pass may take up to `pass_limit_s`; more than that means that the loop does not work any more.
        """
        if not self._open:
            return 0.0
        now_s = self._clock.now_s()
        busy = self._passes or len(self._queue) > 0
        since_s = min(self._progress_s if busy else now_s, self._timers.next_s())
        return max(0.0, now_s - since_s)

    def wake(self, key: Key) -> None:
        """Ask for a pass of the key. Any number of wakes during its pass cause exactly one more pass."""
        entry = self._entries.setdefault(key, _Entry())
        entry.forgotten = False
        if entry.running:
            entry.woken = True
            return
        self._enqueue(key, entry)
        self._start_passes()

    def forget(self, key: Key) -> None:
        """Drop the key with its timer and failures; a running pass goes on.

        A later wake adds it again, and so does a wake during the running pass: the object may exist again.
        """
        entry = self._entries.get(key)
        if entry is None:
            return
        self._queue.discard(key)
        self._timers.cancel(key)
        if entry.running:
            entry.forgotten = not entry.woken
        else:
            del self._entries[key]

    async def run(self) -> None:
        """Run passes until cancelled; then start none, and let running ones finish within `grace_s`.

        May be called again: keys that were woken meanwhile, or whose pass was cancelled, are served then.
        """
        self._open = True
        self._progress_s = self._clock.now_s()
        try:
            self._start_passes()
            self._arm()
            await asyncio.Event().wait()
        finally:
            self._open = False
            self._disarm()
            await self._drain()

    async def _drain(self) -> None:
        try:
            if self._passes:
                await asyncio.wait(self._passes, timeout=self._grace_s)
        finally:
            for task in self._passes:
                task.cancel()
        if self._passes:
            await asyncio.wait(self._passes)

    def _enqueue(self, key: Key, entry: _Entry) -> None:
        """Queue a woken key. A key that keeps failing, or that must wait, waits even if it is woken."""
        now_s = self._clock.now_s()
        if entry.not_before_s > now_s:
            self._schedule(key, min(entry.not_before_s, self._timers.at_s(key)))
            return
        if not len(self._queue) and not self._passes:
            self._progress_s = now_s
        self._timers.cancel(key)
        self._queue.push_woken(key)

    def _start_passes(self) -> None:
        while self._open and len(self._queue) and len(self._passes) < self._concurrency:
            key = self._queue.pop()
            entry = self._entries[key]
            # A key in the queue of due keys may have got a timer since: it would begin a second pass at the same time.
            self._timers.cancel(key)
            entry.running = True
            self._progress_s = self._clock.now_s()
            task = asyncio.create_task(self._pass(key, entry), name=f"{self._name} {key}")
            self._passes.add(task)
            task.add_done_callback(self._passed)

    def _passed(self, task: asyncio.Task[None]) -> None:
        self._passes.discard(task)
        self._progress_s = self._clock.now_s()
        self._start_passes()

    async def _pass(self, key: Key, entry: _Entry) -> None:
        started_s = self._clock.now_s()
        try:
            outcome, error, again = await self._attempt(key)
        except asyncio.CancelledError:
            # Cancelled by a stop. It is not known how far the pass got, so it runs first when `run` is called again.
            entry.running = False
            self._settle(key, entry, delay_s=0.0)
            raise
        entry.running = False
        self._log_transition(key, entry, outcome, error)
        self._settle(key, entry, self._delay_s(entry, outcome, error, again))
        self._report(Pass(key, outcome, self._clock.now_s() - started_s, error))

    async def _attempt(self, key: Key) -> tuple[Outcome, Exception | None, LookAgain]:
        limit = asyncio.timeout(self._pass_limit_s)
        try:
            async with limit:
                return Outcome.SUCCESS, None, await self._reconcile(key)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            # Something that the pass waited for was cancelled, such as a session that was closed; the pass was not.
            return Outcome.TRANSIENT, TransientError("something that the pass waited for was cancelled"), WHEN_WOKEN
        except Exception as raised:  # noqa: BLE001 - the one place where every error must end
            late = f"the pass took longer than {self._pass_limit_s:g} s and was cancelled"
            outcome, error = classify(TransientError(late) if limit.expired() else raised)
            return outcome, error, WHEN_WOKEN

    def _delay_s(self, entry: _Entry, outcome: Outcome, error: Exception | None, again: LookAgain) -> float:
        """Count the outcome; return the seconds until the next pass."""
        if outcome is Outcome.SUCCESS:
            entry.failures, entry.not_before_s = 0, 0.0
            return max(0.0, min(again.after_s, spread_s(self._resync_s)))
        entry.failures += 1
        if outcome is Outcome.CONFLICT and entry.failures <= _CONFLICTS_AT_ONCE:
            return 0.0
        retry_after_s = (error.retry_after_s if isinstance(error, TransientError) else None) or 0.0
        pace_s = max(retry_after_s, self._backoff.first_s if entry.failures > 1 else 0.0)
        entry.not_before_s = max(entry.not_before_s, self._clock.now_s() + pace_s)
        # A refused write may be our own status: no edit of the object solves that, so no wake follows either.
        slow = outcome in {Outcome.UNSAFE, Outcome.FORBIDDEN, Outcome.INVALID}
        return max(retry_after_s, (self._slow_backoff if slow else self._backoff).delay_s(entry.failures))

    def _settle(self, key: Key, entry: _Entry, delay_s: float) -> None:
        if entry.forgotten:
            del self._entries[key]
            return
        if delay_s > 0:
            self._schedule(key, self._clock.now_s() + delay_s)
        if entry.woken or delay_s == 0:
            entry.woken = False
            self._enqueue(key, entry)

    def _schedule(self, key: Key, at_s: float) -> None:
        self._timers.set(key, at_s)
        if self._open and at_s < self._alarm_s:
            self._arm()

    def _arm(self) -> None:
        """Set the one alarm of the clock to the earliest timer."""
        self._disarm()
        self._alarm_s = self._timers.next_s()
        if self._alarm_s < float("inf"):
            self._alarm = self._clock.call_later(max(0.0, self._alarm_s - self._clock.now_s()), self._timer_rang)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_s = None, float("inf")

    def _timer_rang(self) -> None:
        now_s = self._clock.now_s()
        if not len(self._queue) and not self._passes:
            self._progress_s = now_s
        for key in self._timers.pop_due(now_s):
            self._queue.push_due(key)
        self._start_passes()
        self._arm()

    def _log_transition(self, key: Key, entry: _Entry, outcome: Outcome, error: Exception | None) -> None:
        """Log transitions only: the first failure of each type, and the recovery."""
        logged = (outcome, "" if error is None else type(error).__name__)
        if logged == entry.logged or (outcome is Outcome.CONFLICT and entry.failures < _CONFLICTS_AT_ONCE):
            return
        entry.logged = logged
        extra = about(self._name, *key)
        if error is None:
            self._log.info("reconciled again", extra=extra)
        elif outcome is Outcome.UNEXPECTED:
            self._log.error("unexpected error, retrying with back-off\n%s", frames(error), extra=extra)
        else:
            self._log.warning("%s: %s", outcome, error, extra=extra)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
