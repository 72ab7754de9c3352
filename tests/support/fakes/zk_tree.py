"""The tree of an in-memory ZooKeeper: transactions, stats, ACLs. No I/O, no loop."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from zkoperator.errors import FieldError, ForbiddenError, InvalidError, ZkOperatorError
from zkoperator.zk.paths import join, parent_of
from zkoperator.zk.port import (
    OPEN_ACL,
    Acl,
    BadVersionError,
    Check,
    Children,
    Committed,
    Create,
    Credential,
    Delete,
    EventType,
    MultiError,
    Node,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    Operation,
    Set,
    Stat,
)

READ, WRITE, CREATE, DELETE, ADMIN = 1, 2, 4, 8, 16
SUPER_USER = "super"
FIRST_ZXID = 0x1_0000_0000
CONFIG_PATH = "/zookeeper/config"
_EPOCH_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the session for ephemerals, the digest identity for ACLs."""

    session_id: int = 0
    identity: str = ""
    is_super: bool = False

    @classmethod
    def of(cls, credential: Credential | None, session_id: int, super_password: str) -> "Principal":
        """Return the principal of a session with this credential."""
        if credential is None:
            return cls(session_id)
        is_super = credential == Credential(SUPER_USER, super_password)
        return cls(session_id, digest_identity(credential), is_super)


def digest_identity(credential: Credential) -> str:
    """Return the id of ACL scheme digest: user:BASE64(SHA1(user:password))."""
    secret = f"{credential.username}:{credential.password}".encode()
    return f"{credential.username}:{base64.b64encode(hashlib.sha1(secret).digest()).decode()}"


@dataclass(slots=True)
class _Znode:
    data: bytes
    acl: tuple[Acl, ...]
    owner: int
    czxid: int
    mzxid: int
    pzxid: int
    ctime: int
    mtime: int
    version: int = 0
    cversion: int = 0
    aversion: int = 0
    children: set[str] = field(default_factory=set)

    def stat(self) -> Stat:
        return Stat(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            self.cversion,
            self.aversion,
            self.owner,
            len(self.data),
            len(self.children),
            self.pzxid,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One effect of a transaction that a watch may tell; `acl` decides who may hear of it."""

    type: EventType
    path: str
    acl: tuple[Acl, ...]


class Tree:
    """All znodes at one zxid. Every write is a transaction: whole, or undone and raised."""

    def __init__(self) -> None:
        self.zxid = FIRST_ZXID
        self._undo: list[Callable[[], None]] = []
        self._changes: list[Change] = []
        self._nodes: dict[str, _Znode] = {"/": self._fresh(b"", OPEN_ACL, 0)}
        for path in ("/zookeeper", "/zookeeper/quota"):
            self._apply(Create(path, b""), Principal())
        self._apply(Create(CONFIG_PATH, b"", (Acl(READ, "world", "anyone"),)), Principal())
        self._changes.clear()
        self._undo.clear()

    def get(self, path: str, who: Principal) -> Node:
        """Read one znode."""
        node = self._readable(path, who)
        return Node(node.data, node.stat(), self.zxid)

    def exists(self, path: str, who: Principal) -> Stat | None:
        """Read one stat; like the server, it asks for READ on a znode that is there."""
        return self._readable(path, who).stat() if path in self._nodes else None

    def children(self, path: str, who: Principal) -> Children:
        """List the children."""
        node = self._readable(path, who)
        return Children(tuple(node.children), node.stat(), self.zxid)

    def get_acl(self, path: str, who: Principal) -> tuple[Acl, ...]:
        """Read the ACL; who may not change it does not see the hashes of digest identities."""
        node = self._existing(path)
        self._permit(node, READ | ADMIN, who, path)
        if self.allows(node.acl, ADMIN, who):
            return node.acl
        return tuple(
            Acl(entry.perms, entry.scheme, entry.id.partition(":")[0] + ":x") if entry.scheme == "digest" else entry
            for entry in node.acl
        )

    def commit(self, ops: Sequence[Operation], who: Principal) -> tuple[Committed, list[Change]]:
        """Apply all operations or none. A refused transaction uses up a zxid, as on the server."""
        self.zxid += 1
        stats: list[Stat | None] = []
        for index, op in enumerate(ops):
            try:
                stats.append(self._apply(op, who))
            except ZkOperatorError as error:
                self._roll_back()
                raise MultiError(index, error) from error
        return Committed(self.zxid, tuple(stats)), self._take_changes()

    def end_session(self, session_id: int) -> list[Change]:
        """Delete the session's ephemerals in one transaction."""
        self.zxid += 1
        for path in self.ephemerals(session_id):
            self._delete(path)
        return self._take_changes()

    def ephemerals(self, session_id: int) -> list[str]:
        """List the paths that vanish with the session."""
        return [path for path, node in self._nodes.items() if session_id and node.owner == session_id]

    def change_acl(self, path: str, acl: tuple[Acl, ...], version: int, who: Principal) -> Stat:
        """Change an ACL as a client does, over exactly this version of it."""
        node = self._existing(path)
        self._permit(node, ADMIN, who, path)
        if version not in (-1, node.aversion):
            raise BadVersionError(f"{path}: another version is there")
        self.set_acl(path, self._resolved(Create(path, b"", acl), who))
        return node.stat()

    def set_acl(self, path: str, acl: tuple[Acl, ...]) -> None:
        """Change an ACL: a transaction that no watch tells and that moves neither mzxid nor pzxid."""
        self.zxid += 1
        node = self._existing(path)
        node.acl = acl
        node.aversion += 1

    def set_config(self, text: str) -> None:
        """Replace the dynamic configuration in the present transaction."""
        node = self._existing(CONFIG_PATH)
        node.data, node.mzxid, node.version = text.encode(), self.zxid, node.version + 1

    def begin(self) -> int:
        """Use up one zxid for a transaction that changes no znode."""
        self.zxid += 1
        return self.zxid

    def walk(self, root: str = "/") -> Iterator[str]:
        """Yield every path at or below the root."""
        if root in self._nodes:
            yield root
            for name in sorted(self._nodes[root].children):
                yield from self.walk(join(root, name))

    def allows(self, acl: tuple[Acl, ...], permission: int, who: Principal) -> bool:
        """Whether the ACL grants the permission."""
        if who.is_super:
            return True
        grants = (("world", "anyone"), ("digest", who.identity))
        return any(entry.perms & permission and (entry.scheme, entry.id) in grants for entry in acl)

    def _apply(self, op: Operation, who: Principal) -> Stat | None:
        match op:
            case Create():
                return self._create(op, who)
            case Set(path, data, version):
                return self._set(self._versioned(path, version, WRITE, who), path, data)
            case Delete(path, version):
                self._may_delete(path, version, who)
                self._delete(path)
                return None
            case Check(path, version):
                self._versioned(path, version, READ, who)
                return None

    def _create(self, op: Create, who: Principal) -> Stat:
        parent = self._existing(parent_of(op.path), blame=op.path)
        self._permit(parent, CREATE, who, op.path)
        if op.path in self._nodes:
            raise NodeExistsError(f"{op.path}: the znode exists already")
        if parent.owner:
            raise InvalidError((FieldError(op.path, "an ephemeral znode cannot have children"),))
        node = self._fresh(op.data, self._resolved(op, who), who.session_id if op.ephemeral else 0)
        self._nodes[op.path] = node
        self._adopt(op.path, parent)
        self._undo.append(lambda: self._nodes.__delitem__(op.path))
        self._changes.append(Change(EventType.CREATED, op.path, node.acl))
        return node.stat()

    def _set(self, node: _Znode, path: str, data: bytes) -> Stat:
        before = (node.data, node.version, node.mzxid, node.mtime)

        def undo() -> None:
            node.data, node.version, node.mzxid, node.mtime = before

        self._undo.append(undo)
        node.data, node.version, node.mzxid, node.mtime = data, node.version + 1, self.zxid, self._now_ms()
        self._changes.append(Change(EventType.DATA_CHANGED, path, node.acl))
        return node.stat()

    def _may_delete(self, path: str, version: int, who: Principal) -> None:
        if path in ("/", "/zookeeper"):
            raise InvalidError((FieldError(path, "the server refused the arguments"),))
        node = self._existing(path)
        self._permit(self._existing(parent_of(path)), DELETE, who, path)
        self._check_version(node, path, version)
        if node.children:
            raise NotEmptyError(f"{path}: the znode has children")

    def _delete(self, path: str) -> None:
        node = self._nodes.pop(path)
        self._undo.append(lambda: self._nodes.update({path: node}))
        self._adopt(path, self._existing(parent_of(path)), leaves=True)
        self._changes.append(Change(EventType.DELETED, path, node.acl))

    def _adopt(self, path: str, parent: _Znode, *, leaves: bool = False) -> None:
        """Note in the parent that a child came or went."""
        name = path.rpartition("/")[2]
        cversion, pzxid = parent.cversion, parent.pzxid
        arrive, leave = parent.children.add, parent.children.discard

        def undo() -> None:
            parent.cversion, parent.pzxid = cversion, pzxid
            (arrive if leaves else leave)(name)

        self._undo.append(undo)
        parent.cversion, parent.pzxid = parent.cversion + 1, self.zxid
        (leave if leaves else arrive)(name)

    def _versioned(self, path: str, version: int, permission: int, who: Principal) -> _Znode:
        node = self._existing(path)
        self._permit(node, permission, who, path)
        self._check_version(node, path, version)
        return node

    def _check_version(self, node: _Znode, path: str, version: int) -> None:
        if version not in (-1, node.version):
            raise BadVersionError(f"{path}: another version is there")

    def _readable(self, path: str, who: Principal) -> _Znode:
        node = self._existing(path)
        self._permit(node, READ, who, path)
        return node

    def _existing(self, path: str, blame: str = "") -> _Znode:
        node = self._nodes.get(path)
        if node is None:
            raise NoNodeError(f"{blame or path}: no such znode")
        return node

    def _permit(self, node: _Znode, permission: int, who: Principal, path: str) -> None:
        if not self.allows(node.acl, permission, who):
            raise ForbiddenError(f"{path}: no permission")

    def _resolved(self, op: Create, who: Principal) -> tuple[Acl, ...]:
        """Put the creator in place of scheme auth, as the server does."""
        if not op.acl:
            raise InvalidError((FieldError(op.path, "the ACL is not valid for this credential"),))
        if any(entry.scheme == "auth" for entry in op.acl) and not who.identity:
            raise InvalidError((FieldError(op.path, "the ACL is not valid for this credential"),))
        return tuple(Acl(entry.perms, "digest", who.identity) if entry.scheme == "auth" else entry for entry in op.acl)

    def _fresh(self, data: bytes, acl: tuple[Acl, ...], owner: int) -> _Znode:
        now = self._now_ms()
        return _Znode(data, acl, owner, self.zxid, self.zxid, self.zxid, now, now)

    def _now_ms(self) -> int:
        return _EPOCH_MS + self.zxid - FIRST_ZXID

    def _roll_back(self) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        self._changes.clear()

    def _take_changes(self) -> list[Change]:
        changes, self._changes = self._changes, []
        self._undo.clear()
        return changes
