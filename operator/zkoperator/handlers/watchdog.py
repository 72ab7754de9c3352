"""Detects a kopf that runs but delivers no events.

When several of its watches end at once, kopf may swallow the cancellation of one while it stops the others. It then
neither ends nor watches, and nothing would restart it. It is detected by comparison: the slow list finds a change that
kopf has not delivered.
"""

from collections.abc import Callable

from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key


class Watchdog:
    """Compares the changes that the slow list of one kind finds with the events that kopf delivers.

    Args:
        on_missed: called when kopf has missed a change.
        age_s: returns the seconds since kopf was started; one that was started just now cannot have missed anything.
        horizon_s: a little more than the period of the slow list; a change that it finds has happened within this time.
        missed_after_s: how long kopf may take to deliver a change after the list has found it.
        clock: monotonic time.
    """

    def __init__(
        self,
        on_missed: Callable[[], None],
        *,
        age_s: Callable[[], float],
        horizon_s: float,
        missed_after_s: float = 5.0,
        clock: Clock = MONOTONIC,
    ) -> None:
        self._on_missed = on_missed
        self._age_s = age_s
        self._horizon_s = horizon_s
        self._missed_after_s = missed_after_s
        self._clock = clock
        self._seen_s: dict[Key, float] = {}  # in the order of time

    def event_seen(self, key: Key) -> None:
        """Note that kopf has delivered an event of the key."""
        self._seen_s.pop(key, None)
        self._seen_s[key] = self._clock.now_s()
        while not self._is_recent(next(iter(self._seen_s.values()))):
            del self._seen_s[next(iter(self._seen_s))]

    def change_found(self, key: Key) -> None:
        """Note that the slow list has found a change of the key."""
        if self._age_s() > self._horizon_s and not self._was_seen(key):
            self._clock.call_later(self._missed_after_s, lambda: self._check(key))

    def _check(self, key: Key) -> None:
        if self._age_s() > self._horizon_s and not self._was_seen(key):
            self._on_missed()

    def _was_seen(self, key: Key) -> bool:
        return self._is_recent(self._seen_s.get(key, float("-inf")))

    def _is_recent(self, at_s: float) -> bool:
        return at_s >= self._clock.now_s() - self._horizon_s - self._missed_after_s
