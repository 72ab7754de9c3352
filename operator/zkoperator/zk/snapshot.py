"""A subtree exactly as it was at one zxid. Pure.

`subtree_feed.py` builds it from the ensemble; the planners of `mirror/` read it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

DIGEST_BYTES = 16

Digest = Callable[[bytes], bytes]
"""Returns what stands for a value in decisions and records, in `DIGEST_BYTES` bytes."""


def digest_of(data: bytes) -> bytes:
    """Return the 16-byte digest that stays known when the value itself is dropped to save memory."""
    return blake2b(data, digest_size=DIGEST_BYTES).digest()


class Znode(NamedTuple):
    """One znode of a snapshot. `data` is None when the value was dropped; the digest is always there."""

    digest: bytes
    data: bytes | None
    czxid: int
    mzxid: int
    pzxid: int
    version: int
    num_children: int
    ephemeral_owner: int
    data_length: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A subtree as it really was at `zxid`.

    `nodes` is keyed by the path relative to the root: "" is the root itself, "db/pool_size" a descendant.
    `unreadable` has the relative paths that we may not read: nothing is known about them or anything below,
    so they never count as deleted. A missing root has `root_exists` False and no nodes.

    Several subtrees are one snapshot with the root `/`: `roots` has the paths of theirs, and `root_exists` is whether
    all of them exist.
    """

    root: str
    zxid: int
    nodes: Mapping[str, Znode]
    unreadable: frozenset[str] = frozenset()
    root_exists: bool = True
    roots: tuple[str, ...] = ("",)

    @property
    def root_czxid(self) -> int:
        """The zxid at which this root was created (0: unknown or missing); another one means another root."""
        root = self.nodes.get("")
        return root.czxid if root is not None else 0

    @property
    def newest(self) -> int:
        """The zxid of the last change of any of these znodes; a deletion changes the parent."""
        return max((max(node.mzxid, node.pzxid) for node in self.nodes.values()), default=0)

    def is_known_absent(self, relative: str) -> bool:
        """Return whether the znode did not exist: it is not in the snapshot and not at or below an unreadable one."""
        if relative in self.nodes:
            return False
        return not any(is_at_or_below(relative, refused) for refused in self.unreadable)


def composed(snapshots: Sequence[Snapshot], zxid: int) -> Snapshot:
    """Return several subtrees, none of which is in another one, as one. All of them must be valid at `zxid`."""
    nodes: dict[str, Znode] = {}
    unreadable: list[str] = []
    for part in snapshots:
        top = part.root[1:]
        nodes.update({f"{top}/{path}" if path else top: znode for path, znode in part.nodes.items()})
        unreadable += [f"{top}/{path}" if path else top for path in part.unreadable]
    return Snapshot(
        "/",
        zxid,
        nodes,
        frozenset(unreadable),
        root_exists=all(part.root_exists for part in snapshots),
        roots=tuple(part.root[1:] for part in snapshots),
    )


def is_at_or_below(relative: str, top: str) -> bool:
    """Return whether a relative path is `top` or lies below it; "" is the root."""
    return top in ("", relative) or relative.startswith(top + "/")
