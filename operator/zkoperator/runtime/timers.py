"""One timer for each key, all in one heap. Pure."""

import heapq

from zkoperator.runtime.keys import Key

_SLACK = 64


class KeyedTimers:
    """The time at which each key is due. Setting a timer again replaces it."""

    def __init__(self) -> None:
        self._at: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: Key, at_s: float) -> None:
        """Set the time at which the key is due, instead of any earlier setting."""
        if self._at.get(key) == at_s:
            return
        self._at[key] = at_s
        heapq.heappush(self._heap, (at_s, key))
        if len(self._heap) > 2 * len(self._at) + _SLACK:
            # A replaced timer stays in the heap until it expires; a busy key would leave thousands of them.
            self._heap = [(at, key) for key, at in self._at.items()]
            heapq.heapify(self._heap)

    def cancel(self, key: Key) -> None:
        """Forget the timer of the key."""
        self._at.pop(key, None)

    def at_s(self, key: Key) -> float:
        """Return the time at which the key is due; infinity when it has no timer."""
        return self._at.get(key, float("inf"))

    def next_s(self) -> float:
        """Return the earliest time of all keys; infinity when there is no timer."""
        while self._heap and not self._is_valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")

    def pop_due(self, now_s: float) -> list[Key]:
        """Remove and return every key that is due by now, the earliest first."""
        due = []
        while self.next_s() <= now_s:
            _, key = heapq.heappop(self._heap)
            del self._at[key]
            due.append(key)
        return due

    def _is_valid(self, item: tuple[float, Key]) -> bool:
        at_s, key = item
        return self._at.get(key) == at_s
