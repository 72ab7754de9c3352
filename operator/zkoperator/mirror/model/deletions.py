"""Deletions over time: how many count for the guard, and how long deletions in ZooKeeper wait. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

_NONE: Final[frozenset[Any]] = frozenset()

MAX_KEYS = 64
"""At most this number of keys is kept in the status. A restarted operator knows only the last ones."""


@dataclass(slots=True)
class DeletionLog:
    """The keys that were deleted within a window of time and did not come back. Times are monotonic seconds.

    Args:
        window_s: how long a deletion counts; longer while others wait for approval because of it.
        quiet_s: deletions in ZooKeeper are pulled when there was no further deletion for this time,
        longest_s: or when the first of them has waited for this time.
    """

    window_s: float
    quiet_s: float
    longest_s: float
    is_restored: bool = False
    _at_s: dict[str, float] = field(default_factory=dict)
    _is_held: bool = False
    _waiting: frozenset[str] = frozenset()
    _first_s: float = 0.0
    _last_s: float = 0.0

    def restore(self, keys: Iterable[str], age_s: float, now_s: float, *, held: bool) -> None:
        """Take over the count of an earlier process from the status, once."""
        if not self.is_restored:
            self.is_restored, self._is_held = True, held
            self._at_s = dict.fromkeys(keys, now_s - max(0.0, age_s))

    def lately(self, now_s: float) -> frozenset[str]:
        """Return the keys that count now."""
        if not self._is_held:
            self._at_s = {key: at_s for key, at_s in self._at_s.items() if now_s - at_s <= self.window_s}
        return frozenset(self._at_s)

    def note(self, deleted: Iterable[str], written: Iterable[str], now_s: float, *, held: bool) -> None:
        """Remember what one pass has carried out, and whether deletions wait for approval since."""
        self._waiting = _NONE
        for key in written:
            self._at_s.pop(key, None)
        for key in deleted:
            self._at_s.pop(key, None)
            self._at_s[key] = now_s
        if self._is_held and not held:
            # What was waited for was undone or has run: what came before it is as old as that.
            self._at_s = dict.fromkeys(self._at_s, now_s)
        self._is_held = held

    def approve(self) -> None:
        """Forget what counts: somebody has approved the deletions."""
        self._at_s.clear()

    def shown(self) -> tuple[str, ...]:
        """Return the last keys as a status keeps them."""
        return tuple(sorted(list(self._at_s)[-MAX_KEYS:]))

    def wait_s(self, keys: frozenset[str], now_s: float) -> float:
        """Return how long to wait for further deletions, because the root may be deleted too. 0.0: not at all."""
        if not keys:
            self._waiting = _NONE
            return 0.0
        if not self._waiting:
            self._first_s = now_s
        if not keys <= self._waiting:
            self._last_s = now_s
        self._waiting = keys
        return min(self._last_s + self.quiet_s, self._first_s + self.longest_s) - now_s
