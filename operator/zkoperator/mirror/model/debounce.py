"""Delays pulls of a burst: the first change is written at once, the following ones in few writes. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Burst:
    """Times of changes and pulls of one ConfigSync, in monotonic seconds.

    The longest wait doubles with every write of the same burst, so that a short burst is written soon and a long
    one costs few writes; a pause of `quiet_s` ends the burst.
    """

    quiet_s: float
    longest_s: float
    _state: int | str = -1
    _wrote_s: float = float("-inf")
    _pending_since_s: float | None = None
    _changed_s: float = float("-inf")
    _writes: int = 0

    def wait_s(self, state: int | str, now_s: float) -> float:
        """Return the seconds to wait before this state is written; 0: write now. Another state is a change."""
        if state != self._state:
            self._state = state
            self._changed_s = now_s
        if self._pending_since_s is None:
            self._pending_since_s = now_s
            if now_s - self._wrote_s >= self.quiet_s:
                self._writes = 0
        if self._writes == 0:
            return 0.0
        longest_s = min(self.longest_s, self.quiet_s * (1 << self._writes))
        until_s = min(self._changed_s + self.quiet_s, self._pending_since_s + longest_s)
        return max(0.0, until_s - now_s)

    def wrote(self, now_s: float) -> None:
        """Note a write of everything that was pending."""
        self._wrote_s = now_s
        self._pending_since_s = None
        self._writes = min(self._writes + 1, 30)

    def settled(self) -> None:
        """Note that nothing is left to write."""
        self._pending_since_s = None
