"""The state that a process keeps for each key, created at its first use and dropped as a whole with the key. Pure."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from zkoperator.runtime.keys import Key

T = TypeVar("T")


class KeyedState(Generic[T]):
    """One `T` for each key. Losing it costs reads at most: it holds nothing that the API server does not have.

    Args:
        create: returns the state of a key that has none yet.
    """

    def __init__(self, create: Callable[[], T]) -> None:
        self._create = create
        self._states: dict[Key, T] = {}

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._states))

    def of(self, key: Key) -> T:
        """Return the state of the key, created if there is none."""
        if key not in self._states:
            self._states[key] = self._create()
        return self._states[key]

    def find(self, key: Key) -> T | None:
        """Return the state of the key, None if there is none."""
        return self._states.get(key)

    def drop(self, key: Key) -> None:
        """Forget everything about the key, if anything is known."""
        self._states.pop(key, None)

    def values(self) -> tuple[T, ...]:
        """Return the states of all keys as they are now; they may be dropped meanwhile."""
        return tuple(self._states.values())

    def clear(self) -> None:
        """Forget everything about every key."""
        self._states.clear()
