"""Counts what a ConfigSync deletes, from docs/consistency.md ("How deletions are counted") and not from the code."""

from collections.abc import Collection, Iterable, Mapping

WINDOW_S = 300.0


class DeletionCount:
    """The keys that the operator deleted within five minutes, unasked, and that have not come back.

    It is a lower bound: what waits makes earlier deletions count for longer. Before `begin` nothing is judged.
    """

    def __init__(self) -> None:
        self._max_keys: int | None = None
        self._at_s: dict[str, float] = {}

    def begin(self, max_keys: int) -> None:
        """A new ConfigSync begins to count."""
        self._max_keys = max_keys
        self._at_s.clear()

    def crashed(self, recorded: Iterable[str]) -> None:
        """What the status did not record in the moment of a crash is missing."""
        kept = set(recorded)
        self._at_s = {key: at_s for key, at_s in self._at_s.items() if key in kept}

    def wrote(self, changes: Mapping[str, bytes | None]) -> None:
        """Keys that have come back do not count."""
        for key, value in changes.items():
            if value is not None:
                self._at_s.pop(key, None)

    def deleted(self, keys: Iterable[str], now_s: float, *, is_approved: bool, left: Collection[str]) -> str:
        """Note the deletions of one write. Return what is wrong with them, "" when nothing is.

        `left`: the keys that there are afterwards, on either side. A write is decided before it arrives: who creates a
        key again on the other side meanwhile is seen before its deletion is. Such a key counts for this write, which
        was decided without it, and for none after it, as it is there.
        """
        gone = set(keys)
        if not gone or self._max_keys is None:
            return ""
        if is_approved:
            self._at_s.clear()
            return ""
        self._at_s = {key: at_s for key, at_s in self._at_s.items() if now_s - at_s <= WINDOW_S}
        self._at_s |= dict.fromkeys(gone, now_s)
        counted = set(self._at_s)
        for key in gone.intersection(left):
            del self._at_s[key]
        if len(counted) > self._max_keys:
            return f"{sorted(gone)} deleted unasked, after {sorted(counted - gone)} in five minutes"
        if not left:
            return f"{sorted(gone)} deleted unasked, which were all that there were"
        return ""
