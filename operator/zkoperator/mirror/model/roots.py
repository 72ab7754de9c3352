"""What proves that a subtree is still the same one: the creation of its root. Pure.

The root of an ensemble is not created by a transaction: its czxid is 0 in every ensemble, as are those of ZooKeeper's
own znodes. There the oldest znodes below it are the proof, as long as one of them is left.
"""

from collections.abc import Mapping
from typing import Final

from zkoperator.mirror.model.selected_znodes import is_session_owned
from zkoperator.zk.snapshot import Snapshot

Roots = Mapping[str, frozenset[int]]
"""Absolute path of a root -> czxids, each of which proves that it is the same root."""

_MOST: Final = 16


def roots_of(snapshot: Snapshot) -> dict[str, frozenset[int]]:
    """Return the proofs of the roots that exist and can be read."""
    if not snapshot.root_exists or "" in snapshot.unreadable:
        return {}
    return {snapshot.root: _proofs(snapshot)}


def oldest(roots: Roots) -> tuple[int, ...]:
    """Return the oldest proof of each root, 0 where there is none."""
    return tuple(min(roots[path], default=0) for path in sorted(roots))


def _proofs(snapshot: Snapshot) -> frozenset[int]:
    if snapshot.root != "/":
        return frozenset({snapshot.root_czxid})
    top = (znode for path, znode in snapshot.nodes.items() if path and "/" not in path)
    return frozenset(sorted(znode.czxid for znode in top if not is_session_owned(znode))[:_MOST])
