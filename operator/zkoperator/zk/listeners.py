"""Delivers events to listeners, by the path that each listens under. Pure.

A session may serve thousands of subtrees, so an event looks up the ancestors of its own path instead of asking every
listener.
"""

from collections.abc import Callable

from zkoperator.zk.paths import parent_of
from zkoperator.zk.port import ZnodeEvent

Listener = Callable[[ZnodeEvent], None]


class Dispatcher:
    """Listeners keyed by path; the cost of an event grows with its depth, not with the number of listeners."""

    def __init__(self) -> None:
        self._by_path: dict[str, tuple[Listener, ...]] = {}

    def add(self, path: str, listener: Listener) -> None:
        """Call the listener for events at the path and below it."""
        self._by_path[path] = (*self._by_path.get(path, ()), listener)

    def remove(self, path: str, listener: Listener) -> bool:
        """Remove the listener; return whether it was the last one of exactly this path."""
        rest = list(self._by_path.get(path, ()))
        if listener not in rest:
            return False
        rest.remove(listener)
        if rest:
            self._by_path[path] = tuple(rest)
            return False
        del self._by_path[path]
        return True

    def dispatch(self, event: ZnodeEvent) -> None:
        """Call the listeners at the event's path and above it, nearest first."""
        path = event.path
        while True:
            for listener in self._by_path.get(path, ()):
                listener(event)
            if path == "/":
                return
            path = parent_of(path)
