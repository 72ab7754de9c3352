"""Who hears which event: listeners by the path that they listen under.

A session may carry thousands of trees, so an event climbs its own path instead of asking every listener.
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
        """Let the listener hear the path and everything below it."""
        self._by_path[path] = (*self._by_path.get(path, ()), listener)

    def remove(self, path: str, listener: Listener) -> bool:
        """Take the listener off; returns whether it was the last one of exactly this path."""
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
        """Call everyone who listens at the event's path or above it, nearest first."""
        path = event.path
        while True:
            for listener in self._by_path.get(path, ()):
                listener(event)
            if path == "/":
                return
            path = parent_of(path)
