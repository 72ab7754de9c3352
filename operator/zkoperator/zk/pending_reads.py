"""What a tree feed has to read and what it is reading, by relative path. No I/O."""

from zkoperator.zk.port import EventType, ZnodeEvent

_UNKNOWN_ZXID = 1 << 63
"""Later than anything: servers before 3.9 do not say which transaction an event belongs to."""


class Pending:
    """Data and stats that are due, in the order in which they became so, and those that are under way.

    `reading` has with each path the last event that came after the read was sent; `stating` the zxid that the stat has
    to cover; `created` the znodes that came into being since nothing was pending: all below them is heard of.
    """

    __slots__ = ("created", "data", "reading", "stating", "stats")

    def __init__(self) -> None:
        self.data: dict[str, None] = {}
        self.stats: dict[str, None] = {}
        self.reading: dict[str, ZnodeEvent | None] = {}
        self.stating: dict[str, int] = {}
        self.created: set[str] = set()

    def __contains__(self, path: str) -> bool:
        """Whether anything of this znode is not known yet."""
        return path in self.data or path in self.reading or path in self.stats or path in self.stating

    def clear(self) -> None:
        """Forget everything: it belongs to a connection that is gone."""
        for part in (self.data, self.stats, self.reading, self.stating, self.created):
            part.clear()

    def is_expected(self, path: str) -> bool:
        """Whether the znode's data is due or under way."""
        return path in self.data or path in self.reading

    def need_data(self, path: str, event: ZnodeEvent | None) -> None:
        """Have the znode read, or judge the read that is under way by this event."""
        if event is not None and event.type is EventType.CREATED:
            self.created.add(path)
        if path not in self.reading:
            self.data[path] = None
        elif event is not None:
            self.reading[path] = event

    def gone(self, path: str) -> None:
        """The znode need not be read: it is known to be absent."""
        self.data.pop(path, None)
        self.created.discard(path)

    def need_stat(self, path: str, event: ZnodeEvent) -> None:
        """Have the stat read at the state after this event."""
        if path in self.stating:
            self.stating[path] = max(self.stating[path], zxid_of(event))
        else:
            self.stats[path] = None

    def begin_data(self) -> str:
        """Take the first znode that is due."""
        path = _take(self.data)
        self.reading[path] = None
        return path

    def begin_stat(self) -> str:
        """Take the first stat that is due."""
        path = _take(self.stats)
        self.stating[path] = 0
        return path


def zxid_of(event: ZnodeEvent) -> int:
    """Return the transaction of an event, later than any other where the server does not say."""
    return event.zxid if event.zxid > 0 else _UNKNOWN_ZXID


def _take(due: dict[str, None]) -> str:
    path = next(iter(due))
    del due[path]
    return path
