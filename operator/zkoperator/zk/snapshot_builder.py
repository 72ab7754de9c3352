"""Collects what a subtree feed has read, and builds snapshots from it. No I/O.

A snapshot shares the builder's dictionary until the next change, so an idle subtree is in memory once.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from types import MappingProxyType

from zkoperator.errors import ForbiddenError
from zkoperator.zk.port import Node, Stat
from zkoperator.zk.snapshot import Digest, Snapshot, Znode, digest_of, is_at_or_below


@dataclass(frozen=True, slots=True)
class SubtreeLimits:
    """How large a subtree may be that is followed: all of it is kept in the memory of the process."""

    znodes: int = 1 << 62
    bytes: int = 1 << 62

    def excess(self, znodes: int, size: int) -> str | None:
        """Return which limit is exceeded, as a text for users; None when none is."""
        if znodes > self.znodes:
            return f"the subtree has more than {self.znodes} znodes"
        return f"the subtree has more than {self.bytes} bytes" if size > self.bytes else None


class SnapshotBuilder:
    """Znodes by relative path ("" is the root), and the paths that may not be read.

    `left_out` are names below the root that count as hidden, with everything below them. `digest`: of values.
    """

    __slots__ = (
        *("_digest", "_has_new_hidden", "_is_shared", "_left_out", "_nodes", "_root", "_unreadable", "_valued"),
        "bytes",
    )

    def __init__(self, root: str, left_out: frozenset[str] = frozenset(), digest: Digest = digest_of) -> None:
        self._root = root
        self._left_out = left_out
        self._digest = digest
        self._nodes: dict[str, Znode] = {}
        self._unreadable: set[str] = set()
        self._valued: set[str] = set()
        self._has_new_hidden = False
        self._is_shared = False
        self.bytes = 0
        """The size of all values, dropped ones included."""

    def __len__(self) -> int:
        return len(self._nodes) + len(self._unreadable)

    def __contains__(self, relative: str) -> bool:
        return relative in self._nodes

    def node(self, relative: str) -> Znode | None:
        """Return one znode, None when it is not known."""
        return self._nodes.get(relative)

    def is_forgotten(self, relative: str) -> bool:
        """Whether the znode is known and its value is not in memory any more."""
        node = self._nodes.get(relative)
        return node is not None and node.data is None

    def known(self) -> tuple[str, ...]:
        """Return the path of every known znode."""
        return tuple(self._nodes)

    def unreadable(self) -> tuple[str, ...]:
        """Return every path that may not be read."""
        return tuple(self._unreadable)

    def is_unreadable(self, relative: str) -> bool:
        """Return whether exactly this path may not be read."""
        return relative in self._unreadable

    def is_refused(self, relative: str) -> bool:
        """Return whether nothing can be known about the path: it, or an ancestor, may not be read."""
        return self.is_unreadable(relative) or self.is_hidden(relative)

    def is_hidden(self, relative: str) -> bool:
        """Return whether the path is left out, or an ancestor of it may not be read."""
        if self._left_out and relative.partition("/")[0] in self._left_out:
            return True
        if not self._unreadable:
            return False
        while relative:
            relative = relative.rpartition("/")[0]
            if relative in self._unreadable:
                return True
        return False

    def agrees(self, relative: str, stat: Stat | ForbiddenError | None) -> bool:
        """Return whether what is known about the znode agrees with this answer; None means absent."""
        node = self._nodes.get(relative)
        if node is None or not isinstance(stat, Stat):
            return node is None and stat is None
        return (node.czxid, node.mzxid, node.pzxid) == (stat.czxid, stat.mzxid, stat.pzxid)

    def store(self, relative: str, node: Node) -> None:
        """Store the result of one read. A value that was dropped and has not changed stays dropped."""
        old = self._nodes.get(relative)
        new = _znode(node, old, self._digest)
        self._unreadable.discard(relative)
        if new != old:
            self._put(relative, new)

    def restat(self, relative: str, stat: Stat) -> None:
        """Store the number of children and pzxid of a znode whose children were created or deleted."""
        old = self._nodes.get(relative)
        if old is not None and old.czxid == stat.czxid and old.pzxid <= stat.pzxid:
            self._put(relative, old._replace(pzxid=stat.pzxid, num_children=stat.num_children))

    def remove(self, relative: str) -> None:
        """Note that the znode, and any unreadable znodes below it, do not exist any more."""
        self._drop((relative,) if relative in self._nodes else ())
        if self._unreadable:
            self._unreadable = {path for path in self._unreadable if not is_at_or_below(path, relative)}

    def hide(self, relative: str) -> None:
        """Note that the znode may not be read: it and everything below it are unknown from now on."""
        self._drop((relative,) if relative in self._nodes else ())
        self._unreadable.add(relative)
        self._has_new_hidden = True

    def begin_walk(self) -> None:
        """Prepare for a complete walk, which finds out again which paths may not be read."""
        self._unreadable = set()

    def settle(self, found: Set[str] | None) -> None:
        """Drop the znodes that a complete walk did not find (`found`), and those that became hidden."""
        if found is not None:
            self._keep(found)
        if self._has_new_hidden:
            self._has_new_hidden = False
            self._drop([path for path in self._nodes if self.is_hidden(path)])
            self._unreadable = {path for path in self._unreadable if not self.is_hidden(path)}

    def excess(self, limits: SubtreeLimits, num_children: int, found: Set[str] | None) -> str | None:
        """Return which limit the subtree exceeds, as a text for users; None when none is.

        During a walk only the znodes that it has found count: others may be gone, and are dropped first.
        """
        excess = limits.excess(max(len(self), num_children), self.bytes)
        if excess is None or found is None:
            return excess
        self._keep(found)
        return limits.excess(max(len(self), num_children), self.bytes)

    def forget_values(self) -> None:
        """Drop all values and keep their digests."""
        valued, self._valued = self._valued, set()
        if valued:
            self._own()
        for path in valued:
            self._nodes[path] = self._nodes[path]._replace(data=None)

    def recall(self, relative: str, node: Node) -> bool:
        """Restore a dropped value; False when the znode has changed since."""
        known = self._nodes.get(relative)
        if known is None or (known.czxid, known.mzxid) != (node.stat.czxid, node.stat.mzxid):
            return False
        self._put(relative, known._replace(data=node.data))
        return True

    def snapshot(self, zxid: int) -> Snapshot:
        """Return a snapshot of what is known, as the state of the subtree at `zxid`."""
        self._is_shared = True
        has_root = "" in self._nodes or "" in self._unreadable
        return Snapshot(
            self._root, zxid, MappingProxyType(self._nodes), frozenset(self._unreadable), root_exists=has_root
        )

    def _put(self, relative: str, znode: Znode) -> None:
        self._own()
        old = self._nodes.get(relative)
        self.bytes += znode.data_length - (old.data_length if old is not None else 0)
        self._nodes[relative] = znode
        if znode.data is not None:
            self._valued.add(relative)

    def _keep(self, found: Set[str]) -> None:
        self._drop([path for path in self._nodes if path not in found])

    def _drop(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._own()
            self.bytes -= self._nodes.pop(path).data_length
            self._valued.discard(path)

    def _own(self) -> None:
        if self._is_shared:
            self._nodes = dict(self._nodes)
            self._is_shared = False


def _znode(node: Node, old: Znode | None, make_digest: Digest) -> Znode:
    stat = node.stat
    # The zxids of the write do not tell: an ensemble that was set up again may use the same ones for other values.
    digest, is_forgotten = make_digest(node.data), False
    if old is not None and old.digest == digest:
        # One object for both, because earlier snapshots hold the old one.
        digest, is_forgotten = old.digest, old.data is None
    # One int object where the numbers are equal, as they are for most znodes: they are a third of what a znode costs.
    czxid = stat.czxid
    mzxid = czxid if stat.mzxid == czxid else stat.mzxid
    pzxid = czxid if stat.pzxid == czxid else stat.pzxid
    return Znode(
        digest,
        None if is_forgotten else node.data,
        czxid,
        mzxid,
        pzxid,
        stat.version,
        stat.num_children,
        stat.ephemeral_owner,
        stat.data_length,
    )
