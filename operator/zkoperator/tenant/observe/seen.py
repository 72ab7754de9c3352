"""One look at a ZNode. Pure."""

from dataclasses import dataclass

from zkoperator.tenant.model.access import Door, Identity
from zkoperator.tenant.model.quota import Usage
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.zk.port import Acl


@dataclass(frozen=True, slots=True)
class ZnodeView:
    """A znode as it was read."""

    data: bytes
    version: int
    acl: tuple[Acl, ...]
    aversion: int


@dataclass(frozen=True, slots=True)
class Rival:
    """Another path that a record is about, and the owner that the record names."""

    path: str
    owner: str


@dataclass(frozen=True, slots=True)
class QuotaView:
    """The quota znodes of a path.

    Args:
        missing: the parents that do not exist below `/zookeeper/quota`, and the znode of the path, the highest first.
        parent, limits, stats: the znode of the path and its two children, None where there is none.
        deeper: whether something below the path has a quota of its own, which ZooKeeper then enforces instead.
        above: a path above that has a quota, "" for none. ZooKeeper enforces the lowest one only.
    """

    missing: tuple[str, ...]
    parent: ZnodeView | None
    limits: ZnodeView | None
    stats: ZnodeView | None
    deeper: bool
    above: str


@dataclass(frozen=True, slots=True)
class Tree:
    """What the ensemble has of a ZNode.

    Args:
        has_own_root: whether the operator's own root exists.
        records: the parent of all records, None before the first ZNode.
        record: the one of the path, whose data names the owner.
        rivals: records of paths above and below.
        root: the znode.
        missing: its parents that do not exist, the highest first.
        quota: its quota.
    """

    has_own_root: bool
    records: ZnodeView | None
    record: ZnodeView | None
    rivals: tuple[Rival, ...]
    root: ZnodeView | None
    missing: tuple[str, ...]
    quota: QuotaView


def is_owned(tree: Tree, owner: str) -> bool:
    """Return whether the record says that the path belongs to this owner."""
    return tree.record is not None and tree.record.data.decode(errors="replace").strip() == owner


@dataclass(frozen=True, slots=True)
class Audit:
    """How many of the znodes below a path everybody may change, of so many that were looked at."""

    world_writable: int
    looked_at: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A znode that is to be deleted with this version."""

    path: str
    version: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What is below a path, children before their parents.

    Args:
        znodes: all of them, unless there are too many.
        ephemerals: some that belong to a session.
        too_many: whether there are more than are deleted.
    """

    znodes: tuple[Leaf, ...]
    ephemerals: tuple[str, ...]
    too_many: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """One look.

    Args:
        door: how the ensemble is reached.
        identity: the ACL that the znode is to have; None while the credential for it has to be made.
        tree: what the ensemble has.
        usage: how large the subtree is, as far as the ensemble counts it.
        audit: None before the first one.
        contents: of a ZNode that is being deleted.
    """

    door: Door
    identity: Identity | Waiting | None
    tree: Tree
    usage: Usage | None = None
    audit: Audit | None = None
    contents: Contents | None = None
