"""Finds out when kopf lives but does not see any more.

When several of its watches end at once, kopf may swallow the cancellation of one while it stops the others. It then
neither ends nor watches, so nobody would restart it. Only the world tells: the slow list finds a change of which kopf
has said nothing.
"""

from collections.abc import Callable

from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key


class Watchdog:
    """Compares what the slow list of one kind finds with what kopf has told.

    Args:
        blind: called when kopf missed a change.
        age_s: how long kopf has lived; a young one cannot have missed anything.
        horizon_s: the slow list's period and a bit: what it finds has happened within this time.
        patience_s: kopf gets so long to tell of a change after the list has found it.
        clock: monotonic time.
    """

    def __init__(
        self,
        blind: Callable[[], None],
        *,
        age_s: Callable[[], float],
        horizon_s: float,
        patience_s: float = 5.0,
        clock: Clock = MONOTONIC,
    ) -> None:
        self._blind = blind
        self._age_s = age_s
        self._horizon_s = horizon_s
        self._patience_s = patience_s
        self._clock = clock
        self._told_s: dict[Key, float] = {}  # the longest ago first

    def told(self, key: Key) -> None:
        """Kopf has handed over an event of the key."""
        self._told_s.pop(key, None)
        self._told_s[key] = self._clock.now_s()
        while not self._is_recent(next(iter(self._told_s.values()))):
            del self._told_s[next(iter(self._told_s))]

    def found(self, key: Key) -> None:
        """The slow list has found a change of the key."""
        if self._age_s() > self._horizon_s and not self._is_told(key):
            self._clock.call_later(self._patience_s, lambda: self._check(key))

    def _check(self, key: Key) -> None:
        if self._age_s() > self._horizon_s and not self._is_told(key):
            self._blind()

    def _is_told(self, key: Key) -> bool:
        return self._is_recent(self._told_s.get(key, float("-inf")))

    def _is_recent(self, at_s: float) -> bool:
        return at_s >= self._clock.now_s() - self._horizon_s - self._patience_s
