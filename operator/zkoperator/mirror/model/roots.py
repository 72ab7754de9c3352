"""What proves that a subtree is still the same one: the creation of its root. Pure.

The root of an ensemble is not created by a transaction: its czxid is 0 in every ensemble, as are those of ZooKeeper's
own znodes. There the oldest znodes below it are the proof, as long as one of them is left.
"""

from collections.abc import Mapping
from typing import Final

from zkoperator.mirror.model.selected_znodes import is_session_owned
from zkoperator.zk.paths import join
from zkoperator.zk.snapshot import Snapshot

Roots = Mapping[str, frozenset[int]]
"""Absolute path of a root -> czxids, each of which proves that it is the same root."""

_MOST: Final = 16


def roots_of(snapshot: Snapshot) -> dict[str, frozenset[int]]:
    """Return the proofs of the roots that exist and can be read."""
    return {_absolute(snapshot, root): _proofs(snapshot, root) for root in snapshot.roots if root in snapshot.nodes}


def missing_roots(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the absolute paths of the roots that do not exist."""
    known = snapshot.nodes.keys() | snapshot.unreadable
    return tuple(_absolute(snapshot, root) for root in snapshot.roots if root not in known)


def oldest(roots: Roots) -> tuple[int, ...]:
    """Return the oldest proof of each root, 0 where there is none."""
    return tuple(min(roots[path], default=0) for path in sorted(roots))


def _absolute(snapshot: Snapshot, root: str) -> str:
    return join(snapshot.root, root) if root else snapshot.root


def _proofs(snapshot: Snapshot, root: str) -> frozenset[int]:
    if root or snapshot.root != "/":
        return frozenset({snapshot.nodes[root].czxid})
    top = (znode for path, znode in snapshot.nodes.items() if path and "/" not in path)
    return frozenset(sorted(znode.czxid for znode in top if not is_session_owned(znode))[:_MOST])
