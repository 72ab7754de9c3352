"""The multi of a push: which znodes are created, set and deleted, over which versions, in which order. Pure.

Deletions come first, children before parents; then creations, parents before children; then sets. A znode that keeps
other children is emptied instead of deleted, and an existing one is never written without its version. The answer to a
deletion does not say which znode was deleted, so that each deletion follows a set, whose answer has the stat.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from zkoperator.mirror.model.ledger import Ledger, encode_ledger, next_push
from zkoperator.mirror.model.merge_base import EMPTY_DIGEST, EMPTY_PARENT, EMPTY_PUSHED, short
from zkoperator.mirror.model.names import claim_path, ledger_path
from zkoperator.mirror.model.naming import PLAIN, Naming
from zkoperator.mirror.model.push_limits import PushLimits
from zkoperator.mirror.model.selected_znodes import SelectedZnodes, holds_children, is_session_owned
from zkoperator.zk.paths import join
from zkoperator.zk.port import OPEN_ACL, Acl, Check, Create, Delete, Operation, Set
from zkoperator.zk.request_sizes import multi_bytes
from zkoperator.zk.snapshot import Digest, Znode, digest_of

MAX_VALUE_BYTES: Final = 900_000
"""The largest value that is sent to ZooKeeper at all."""
MAX_KEYS: Final = 1_000
"""A push of more keys is split."""
OWN_OPERATIONS: Final = 2
"""The last operations of every transaction: the check of the claim and the set of the ledger."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One key as the ConfigMap has it: `value` None is a deletion."""

    key: str
    path: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class PushMulti:
    """One multi: the operations, the ledger that goes with them, and what is expected of it.

    Args:
        operations: everything, with the check of the claim and the set of the ledger as the last ones.
        ledger: the ledger as it will be, still with the version that it must have before.
        keys: the keys that are pushed.
        expected_czxid: operation index -> creation of the znode that was read; another one after the commit means
            that a foreign re-creation with the same version was overwritten.
        touches: key -> absolute paths of its own operations, its created parents included.
        pruned: absolute paths of parents that go with their last child.
        rest: number of edits that wait for the next multi.
    """

    operations: tuple[Operation, ...]
    ledger: Ledger
    keys: tuple[str, ...]
    expected_czxid: Mapping[int, int]
    touches: Mapping[str, frozenset[str]]
    pruned: frozenset[str] = frozenset()
    rest: int = 0


@dataclass(frozen=True, slots=True)
class PushInput:
    """Everything that a push is made of.

    Args:
        selected: the snapshot that was merged.
        ledger: as last read.
        sync_uid: names the ledger.
        annotated_zxid: entries up to this one are held by the annotation, the one written in the same plan included.
        resource_version, config_map: version and uid of the ConfigMap that is pushed.
        missing_above: absolute paths above the root that do not exist, outermost first.
        acl: of znodes that are created.
        limits: what the ensemble takes.
        digests: the base of every key.
        naming: how keys are named.
        held: keys of the ConfigMap; their znodes stay when their last children go.
        digest: stands for the values in the ledger.
    """

    selected: SelectedZnodes
    ledger: Ledger
    sync_uid: str
    annotated_zxid: int
    resource_version: str
    config_map: str = ""
    missing_above: tuple[str, ...] = ()
    acl: tuple[Acl, ...] = OPEN_ACL
    limits: PushLimits = field(default_factory=PushLimits)
    digests: Mapping[str, bytes] = field(default_factory=dict)
    naming: Naming = PLAIN
    held: Collection[str] = ()
    digest: Digest = digest_of


def blocked_by(path: str, selected: SelectedZnodes) -> str | None:
    """Return why no znode can be created at the path (an ancestor that takes no children), None if one can."""
    for ancestor in _ancestors(path):
        znode = selected.snapshot.nodes.get(ancestor)
        if znode is not None and is_session_owned(znode):
            return f"{ancestor or 'the root'} is ephemeral and takes no children"
    return None


def plan_push(edits: list[Edit], given: PushInput) -> tuple[PushMulti | None, frozenset[str]]:
    """Return the first multi of the edits, None when there is nothing to push, and the keys that fit into no multi."""
    waiting = _in_splitting_order(edits)
    oversized: set[str] = set()
    count = len(waiting)
    while waiting:
        count = min(count, MAX_KEYS)
        push = _Builder(waiting[:count], given).build(rest=len(waiting) - count)
        size = multi_bytes(push.operations)
        if size <= given.limits.split_bytes or (count == 1 and size <= given.limits.request_bytes):
            return push, frozenset(oversized)
        if count == 1:
            oversized.add(waiting.pop(0).key)
            count = len(waiting)
        else:
            count = max(1, min(count - 1, count * given.limits.split_bytes // size))
    return None, frozenset(oversized)


def _in_splitting_order(edits: list[Edit]) -> list[Edit]:
    """Return edits in the order in which they may be split: deletions from the leaves up, the rest from the root."""
    deletions = sorted((edit for edit in edits if edit.value is None), key=lambda edit: edit.path, reverse=True)
    return deletions + sorted((edit for edit in edits if edit.value is not None), key=lambda edit: edit.path)


class _Builder:
    """Collects the operations of one multi."""

    def __init__(self, edits: list[Edit], given: PushInput) -> None:
        self._given = given
        self._nodes = given.selected.snapshot.nodes
        self._root = given.selected.snapshot.root
        self._edits = edits
        self._writes = {edit.path: edit.value for edit in edits if edit.value is not None}
        self._pruned: set[str] = set()
        self._made: set[str] = set()
        self._emptied: set[str] = set()
        self._operations: list[Operation] = []
        self._expected: dict[int, int] = {}
        self._parents = {ancestor for path in self._writes for ancestor in _ancestors(path)}
        self._kept = self._parents | set(self._writes)
        self._deleted_children: dict[str, int] = {}

    def build(self, *, rest: int) -> PushMulti:
        self._delete()
        self._create_missing_above()
        for path in sorted(self._writes):
            self._write(path, self._writes[path])
        ledger = self._next_ledger()
        own = (
            Check(claim_path(self._root), self._given.ledger.claim_version),
            Set(ledger_path(self._given.sync_uid), encode_ledger(ledger), self._given.ledger.version),
        )
        keys = tuple(edit.key for edit in self._edits)
        pruned = frozenset(self._absolute(path) for path in self._pruned)
        return PushMulti(
            (*self._operations, *own), ledger, keys, self._expected, self._touches(), pruned=pruned, rest=rest
        )

    def _touches(self) -> dict[str, frozenset[str]]:
        return {
            edit.key: frozenset(
                self._absolute(path)
                for path in (edit.path, *(above for above in _ancestors(edit.path) if above in self._made))
            )
            for edit in self._edits
        }

    def _delete(self) -> None:
        for edit in sorted(self._edits, key=lambda edit: edit.path, reverse=True):
            znode = self._nodes.get(edit.path)
            if edit.value is not None or znode is None or edit.path in self._pruned:
                continue
            if self._is_childless(edit.path, znode):
                self._remove(edit.path, znode)
                continue
            self._emptied.add(edit.path)
            if znode.data_length > 0:
                self._set(edit.path, b"", znode)

    def _is_childless(self, path: str, znode: Znode) -> bool:
        if path == "" or path in self._kept:
            return False
        return znode.num_children == self._deleted_children.get(path, 0)

    def _remove(self, path: str, znode: Znode) -> None:
        """Delete the znode, and its ancestors that a push created only to hold it."""
        self._set(path, b"", znode)
        self._operations.append(Delete(self._absolute(path), znode.version + 1))
        parent = _parent(path)
        self._deleted_children[parent] = self._deleted_children.get(parent, 0) + 1
        above = self._nodes.get(parent)
        if above is not None and self._is_prunable(parent, above):
            self._pruned.add(parent)
            self._remove(parent, above)

    def _is_prunable(self, path: str, znode: Znode) -> bool:
        if path not in self._given.ledger.parents or self._absolute(path) in self._given.limits.kept:
            return False
        if self._given.naming.key_of(path) in self._given.held:
            return False
        return znode.data_length == 0 and self._is_childless(path, znode)

    def _create_missing_above(self) -> None:
        if not self._writes:
            return
        for path in self._given.missing_above:
            self._operations.append(Create(path, b"", self._given.acl))

    def _write(self, path: str, value: bytes) -> None:
        znode = self._nodes.get(path)
        if znode is not None:
            self._set(path, value, znode)
            return
        for ancestor in _ancestors(path):
            if ancestor not in self._nodes and ancestor not in self._made and ancestor not in self._writes:
                self._operations.append(Create(self._absolute(ancestor), b"", self._given.acl))
                self._made.add(ancestor)
        if path == "" or path not in self._made:
            self._operations.append(Create(self._absolute(path), value, self._given.acl))

    def _set(self, path: str, value: bytes, znode: Znode) -> None:
        self._expected[len(self._operations)] = znode.czxid
        self._operations.append(Set(self._absolute(path), value, znode.version))

    def _next_ledger(self) -> Ledger:
        return next_push(
            self._given.ledger,
            annotated_zxid=self._given.annotated_zxid,
            pushed={**self._new_empty_parents(), **{edit.key: self._base_of(edit) for edit in self._edits}},
            resource_version=self._given.resource_version,
            config_map=self._given.config_map,
            # A znode whose key was deleted while it has children is deleted with its last child.
            made=frozenset((self._made | self._emptied) - {""}),
            pruned=frozenset(self._pruned | self._writes.keys()),
        )

    def _base_of(self, edit: Edit) -> bytes | None:
        if edit.value is None:
            return None
        if edit.value != b"":
            return short(self._given.digest(edit.value))
        return EMPTY_PARENT if self._is_empty_parent_after(edit.path) else EMPTY_PUSHED

    def _new_empty_parents(self) -> dict[str, bytes]:
        """Return the bases of empty leaves that this push makes parents: their keys stay in the ConfigMap."""
        keys = {path: self._given.naming.key_of(path) for path in self._parents if self._is_empty_leaf(path)}
        digests, empty = self._given.digests, (EMPTY_DIGEST, EMPTY_PUSHED)
        return {key: EMPTY_PARENT for key in keys.values() if isinstance(key, str) and digests.get(key) in empty}

    def _is_empty_leaf(self, path: str) -> bool:
        znode = self._nodes.get(path)
        return znode is not None and znode.data_length == 0 and not holds_children(znode)

    def _is_empty_parent_after(self, path: str) -> bool:
        """Whether the znode will be an empty parent once its data is removed."""
        znode = self._nodes.get(path)
        return path == "" or path in self._parents or (znode is not None and holds_children(znode))

    def _absolute(self, path: str) -> str:
        return self._root if path == "" else join(self._root, path)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _ancestors(path: str) -> list[str]:
    """Return the paths above, the root first; nothing for the root."""
    if path == "":
        return []
    segments = path.split("/")
    return ["", *("/".join(segments[:depth]) for depth in range(1, len(segments)))]
