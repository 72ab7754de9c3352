"""Which znodes a subtree feed still has to read, and which reads are under way, by relative path. No I/O."""

from zkoperator.zk.port import EventType, ZnodeEvent

_UNKNOWN_ZXID = 1 << 63
"""Later than any transaction: servers before 3.9 do not send the transaction of an event."""


class PendingReads:
    """Reads of data and stats that are due (in the order in which they became due), and those under way.

    `reading` maps each path to the last event that arrived after its read was sent; `stating` maps it to the zxid that
    the stat must cover; `created` has the znodes that were created since nothing was pending, and whose descendants
    are therefore all known by events.
    """

    __slots__ = ("created", "data", "reading", "stating", "stats")

    def __init__(self) -> None:
        self.data: dict[str, None] = {}
        self.stats: dict[str, None] = {}
        self.reading: dict[str, ZnodeEvent | None] = {}
        self.stating: dict[str, int] = {}
        self.created: set[str] = set()

    def __contains__(self, path: str) -> bool:
        """Return whether a read of this znode is due or under way."""
        return path in self.data or path in self.reading or path in self.stats or path in self.stating

    def clear(self) -> None:
        """Forget everything, because the connection that it belongs to is lost."""
        for part in (self.data, self.stats, self.reading, self.stating, self.created):
            part.clear()

    def is_expected(self, path: str) -> bool:
        """Return whether a read of the znode's data is due or under way."""
        return path in self.data or path in self.reading

    def need_data(self, path: str, event: ZnodeEvent | None) -> None:
        """Make a read of the data due; for a read under way, note the event that came after it was sent."""
        if event is not None and event.type is EventType.CREATED:
            self.created.add(path)
        if path not in self.reading:
            self.data[path] = None
        elif event is not None:
            self.reading[path] = event

    def gone(self, path: str) -> None:
        """Note that the znode is absent and need not be read."""
        self.data.pop(path, None)
        self.created.discard(path)

    def need_stat(self, path: str, event: ZnodeEvent) -> None:
        """Make a read of the stat due that covers this event."""
        if path in self.stating:
            self.stating[path] = max(self.stating[path], zxid_of(event))
        else:
            self.stats[path] = None

    def begin_data(self) -> str:
        """Start the read of data that is due longest; return its path."""
        path = _take(self.data)
        self.reading[path] = None
        return path

    def begin_stat(self) -> str:
        """Start the read of a stat that is due longest; return its path."""
        path = _take(self.stats)
        self.stating[path] = 0
        return path


def zxid_of(event: ZnodeEvent) -> int:
    """Return the zxid of an event; one later than any other if the server did not send it."""
    return event.zxid if event.zxid > 0 else _UNKNOWN_ZXID


def _take(due: dict[str, None]) -> str:
    path = next(iter(due))
    del due[path]
    return path
