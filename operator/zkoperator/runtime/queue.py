"""The order in which waiting keys are served."""

from collections import OrderedDict

from zkoperator.runtime.keys import Key

WOKEN_IN_A_ROW = 4
"""So many woken keys are served before one that is due by timer: news goes first, and neither side starves."""


class FairQueue:
    """First in, first out among the woken keys and among the due ones; a key waits in one place only."""

    def __init__(self) -> None:
        self._woken: OrderedDict[Key, None] = OrderedDict()
        self._due: OrderedDict[Key, None] = OrderedDict()
        self._in_a_row = 0

    def __len__(self) -> int:
        return len(self._woken) + len(self._due)

    def push_woken(self, key: Key) -> None:
        """Queue a woken key; one that waited as due moves over."""
        self._due.pop(key, None)
        self._woken.setdefault(key)

    def push_due(self, key: Key) -> None:
        """Queue a key whose timer ran out, unless it waits already."""
        if key not in self._woken:
            self._due.setdefault(key)

    def discard(self, key: Key) -> None:
        """Take the key out, wherever it waits."""
        self._woken.pop(key, None)
        self._due.pop(key, None)

    def pop(self) -> Key:
        """Take the next key. Raises `KeyError` when nobody waits."""
        if self._woken and (not self._due or self._in_a_row < WOKEN_IN_A_ROW):
            self._in_a_row += 1
            return self._woken.popitem(last=False)[0]
        self._in_a_row = 0
        return self._due.popitem(last=False)[0]
