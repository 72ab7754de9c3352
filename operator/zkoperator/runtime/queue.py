"""The order in which waiting keys are served. Pure."""

from collections import OrderedDict

from zkoperator.runtime.keys import Key

WOKEN_IN_A_ROW = 4
"""So many woken keys are served before one that is due by timer: woken keys go first, and neither kind starves."""


class FairQueue:
    """First in, first out among the woken keys and among the due ones; a key waits in one of the two only."""

    def __init__(self) -> None:
        self._woken: OrderedDict[Key, None] = OrderedDict()
        self._due: OrderedDict[Key, None] = OrderedDict()
        self._in_a_row = 0

    def __len__(self) -> int:
        return len(self._woken) + len(self._due)

    def push_woken(self, key: Key) -> None:
        """Queue a woken key; one that waited as due is moved."""
        self._due.pop(key, None)
        self._woken.setdefault(key)

    def push_due(self, key: Key) -> None:
        """Queue a key whose timer has expired, unless it waits already."""
        if key not in self._woken:
            self._due.setdefault(key)

    def discard(self, key: Key) -> None:
        """Remove the key, if it waits."""
        self._woken.pop(key, None)
        self._due.pop(key, None)

    def pop(self) -> Key:
        """Remove and return the next key. Raises `KeyError` when none waits."""
        if self._woken and (not self._due or self._in_a_row < WOKEN_IN_A_ROW):
            self._in_a_row += 1
            return self._woken.popitem(last=False)[0]
        self._in_a_row = 0
        return self._due.popitem(last=False)[0]
