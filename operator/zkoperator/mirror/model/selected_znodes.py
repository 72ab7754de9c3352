"""The selected znodes of a snapshot as keys, and the paths at which nothing can be written or concluded. Pure.

A znode is a key when it is selected and has data, or is an empty leaf that never was anything else. Empty znodes that
have or had children, empty containers and an empty root only hold others together, or wait for them (the parent of a
lock): they are empty parents, present without being keys.

Of several subtrees, the last one that has a key wins. One that leaves a key undecided leaves it so for those before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from zkoperator.mirror.model.decision import shown_name
from zkoperator.mirror.model.keys import Unmappable
from zkoperator.mirror.model.selection import Selection
from zkoperator.zk.snapshot import Snapshot, Znode

_CONTAINER_OWNER = 1 << 63


@dataclass(frozen=True, slots=True)
class SelectedZnodes:
    """The selected part of a snapshot.

    Args:
        snapshot: of the whole subtree; its `nodes` include znodes that are not selected.
        keys: key -> znode of everything that has a counterpart in the ConfigMap.
        paths: key -> its path relative to the root, for `keys`, `empty_parents` and `taken`.
        empty_parents: key -> selected znode that is an empty parent, see `is_empty_parent`.
        unmappable: selected znodes with a value whose path has no key.
        taken: keys of ephemeral znodes that are left out: nothing can be written at their paths.
        contested: keys that several znodes would have; what stands under them is left alone.
    """

    snapshot: Snapshot
    keys: Mapping[str, Znode]
    paths: Mapping[str, str]
    empty_parents: Mapping[str, Znode] = field(default_factory=dict)
    unmappable: tuple[Unmappable, ...] = ()
    taken: frozenset[str] = frozenset()
    contested: frozenset[str] = frozenset()

    def is_unknown(self, path: str) -> bool:
        """Whether nothing may be concluded from the absence of the path."""
        return (
            bool(self.snapshot.unreadable)
            and not self.snapshot.is_known_absent(path)
            and path not in self.snapshot.nodes
        )


def is_session_owned(znode: Znode) -> bool:
    """Whether the znode vanishes with a session. Container and TTL znodes do not."""
    owner = znode.ephemeral_owner & 0xFFFF_FFFF_FFFF_FFFF
    return owner not in (0, _CONTAINER_OWNER) and owner >> 56 != 0xFF


def is_empty_parent(path: str | None, znode: Znode) -> bool:
    """Whether the znode has no data and only holds others, or held or is going to hold them. "" is a root."""
    return znode.data_length == 0 and (path == "" or holds_children(znode))


def holds_children(znode: Znode) -> bool:
    """Whether the znode has or had children, or is a container, which exists for nothing else."""
    is_container = znode.ephemeral_owner & 0xFFFF_FFFF_FFFF_FFFF == _CONTAINER_OWNER
    return is_container or znode.num_children > 0 or znode.pzxid > znode.czxid


def select_znodes(snapshot: Snapshot, selection: Selection, *, ephemerals: bool = False) -> SelectedZnodes:
    """Return the keys of a snapshot. `ephemerals`: whether ephemeral znodes are keys."""
    if not selection.naming.parts:
        return _select(snapshot, snapshot.nodes, selection, ephemerals=ephemerals)
    parts: list[dict[str, Znode]] = [{} for _ in selection.naming.parts]
    for path, znode in snapshot.nodes.items():
        if (number := selection.naming.number_of(path)) is not None:
            parts[number][path] = znode
    return reduce(_overlaid, (_select(snapshot, nodes, selection, ephemerals=ephemerals) for nodes in parts))


def _overlaid(below: SelectedZnodes, above: SelectedZnodes) -> SelectedZnodes:
    """Return the keys of two subtrees, the second of which wins."""
    decided = above.keys.keys() | above.contested
    keys = {key: znode for key, znode in below.keys.items() if key not in decided}
    contested = (below.contested - above.keys.keys()) | above.contested
    keys |= above.keys
    empty = {**below.empty_parents, **above.empty_parents}
    paths = {**above.paths, **below.paths} | {key: above.paths[key] for key in above.keys}
    return SelectedZnodes(
        below.snapshot,
        keys,
        {key: path for key, path in paths.items() if key not in above.contested},
        {key: znode for key, znode in empty.items() if key not in keys.keys() | contested},
        tuple(one for one in below.unmappable if one.name not in decided) + above.unmappable,
        below.taken | above.taken,
        contested,
    )


def _select(
    snapshot: Snapshot, nodes: Mapping[str, Znode], selection: Selection, *, ephemerals: bool
) -> SelectedZnodes:
    """Return the keys of one subtree."""
    keys: dict[str, Znode] = {}
    paths: dict[str, str] = {}
    empty_parents: dict[str, Znode] = {}
    unmappable: list[Unmappable] = []
    taken: dict[str, str] = {}
    contested: dict[str, list[str]] = {}
    for path, znode in nodes.items():
        if not selection.takes(path):
            continue
        key = selection.naming.key_of(path)
        is_left_out = znode.ephemeral_owner != 0 and not ephemerals and is_session_owned(znode)
        has_no_value = is_empty_parent(selection.naming.relative(path), znode)
        if isinstance(key, Unmappable):
            if not is_left_out and not has_no_value:
                unmappable.append(key)
        elif is_left_out:
            taken[key] = path
        elif has_no_value:
            empty_parents[key] = znode
            paths.setdefault(key, path)
        else:
            if key in keys:
                contested.setdefault(key, [paths[key]]).append(path)
            keys[key], paths[key] = znode, path
    unmappable += _leave_out(contested, keys, paths)
    for key in empty_parents.keys() & (keys.keys() | contested.keys()):
        del empty_parents[key]
    return SelectedZnodes(
        snapshot, keys, taken | paths, empty_parents, tuple(unmappable), frozenset(taken), frozenset(contested)
    )


def _leave_out(contested: Mapping[str, list[str]], keys: dict[str, Znode], paths: dict[str, str]) -> list[Unmappable]:
    for key in contested:
        del keys[key], paths[key]
    return [Unmappable(key, _contest(rivals)) for key, rivals in contested.items()]


def _contest(rivals: list[str]) -> str:
    """Return why a key stands for nothing. A long tree must not hide the other path."""
    first, second = (shown_name(path or "/") for path in rivals[:2])
    return (
        f"znodes {first} and {second} would both be this key; rename one, exclude one (spec.keys.exclude), or change "
        "spec.keys.separator or stripPrefix"
    )


def selected_path(key: str, selection: Selection) -> str | Unmappable | None:
    """Return the path of a ConfigMap's key, `Unmappable` if it has none, None if the key is not selected."""
    path = selection.naming.path_of(key)
    if isinstance(path, Unmappable):
        return path if selection.takes_key(key, selection.naming.meant_by(key)) else None
    return path if selection.takes(path) else None
