"""What the operator needs of ZooKeeper, as Protocols. Pure.

Callers depend on this alone; `session.py` implements it on the wire and `tests/support/fakes/zk.py` in memory,
and one contract suite runs against both.
"""

from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from zkoperator.errors import ConflictError, TransientError, ZkOperatorError


class NoNodeError(ZkOperatorError):
    """There is no znode at the path."""


class NodeExistsError(ConflictError):
    """There is a znode at the path already."""


class BadVersionError(ConflictError):
    """The znode (or the configuration) has another version than the one asked for."""


class NotEmptyError(ConflictError):
    """The znode has children."""


class SessionLostError(TransientError):
    """The session expired or was closed: its ephemerals and watches are gone."""


class NewConfigNoQuorumError(TransientError):
    """No quorum of the new configuration is connected and in sync, so the reconfiguration was refused."""


class ReconfigInProgressError(TransientError):
    """Another reconfiguration is not committed yet."""


class MultiError(ZkOperatorError):
    """A multi was rolled back whole. `index` is the operation that failed, `cause` its error."""

    def __init__(self, index: int, cause: ZkOperatorError) -> None:
        super().__init__(f"operation {index}: {cause}")
        self.index = index
        self.cause = cause
        self.brief = cause.brief


class Stat(NamedTuple):
    """A znode's stat, in the order of the wire. Times are milliseconds since the epoch."""

    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int
    data_length: int
    num_children: int
    pzxid: int


@dataclass(frozen=True, slots=True)
class Node:
    """One read of a znode. `zxid` is the server's last processed zxid at that moment (the reply header)."""

    data: bytes
    stat: Stat
    zxid: int


@dataclass(frozen=True, slots=True)
class Children:
    """One read of a znode's children, names without the path."""

    names: tuple[str, ...]
    stat: Stat
    zxid: int


class Read(NamedTuple):
    """What one part of a multi-read found. `data` is None for null, which is not the same as empty."""

    data: bytes | None
    stat: Stat


@dataclass(frozen=True, slots=True)
class MultiRead:
    """Reads of several znodes at one moment, in the order of the paths; None where there is no znode."""

    zxid: int
    reads: tuple[Read | None, ...]


@dataclass(frozen=True, slots=True)
class Acl:
    """One ACL entry; `perms` is the bit mask of the wire (READ 1, WRITE 2, CREATE 4, DELETE 8, ADMIN 16)."""

    perms: int
    scheme: str
    id: str


@dataclass(frozen=True, slots=True)
class AclRead:
    """One read of a znode's ACL, with the stat that it had then."""

    entries: tuple[Acl, ...]
    stat: Stat


OPEN_ACL = (Acl(31, "world", "anyone"),)
CREATOR_ACL = (Acl(31, "auth", ""),)


@dataclass(frozen=True, slots=True)
class Create:
    """Create a persistent znode, or an ephemeral one."""

    path: str
    data: bytes
    acl: tuple[Acl, ...] = OPEN_ACL
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class Set:
    """Write data over exactly this version (-1: any)."""

    path: str
    data: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete exactly this version (-1: any)."""

    path: str
    version: int


@dataclass(frozen=True, slots=True)
class Check:
    """Fail the whole multi unless the znode has exactly this version."""

    path: str
    version: int


Operation = Create | Set | Delete | Check


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed multi: its zxid and, for each operation, the new stat where the server gives one."""

    zxid: int
    stats: tuple[Stat | None, ...]


class EventType(StrEnum):
    """What a watch of a subtree can say of a znode."""

    CREATED = "created"
    DELETED = "deleted"
    DATA_CHANGED = "data_changed"
    CHILDREN_CHANGED = "children_changed"


@dataclass(frozen=True, slots=True)
class ZnodeEvent:
    """One notification. `zxid` is that of the change, or -1 from servers older than 3.9."""

    type: EventType
    path: str
    zxid: int


class ConnectionState(StrEnum):
    """CONNECTED again means: watches are gone and every snapshot is stale until it is read again."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Credential:
    """A digest identity. The password never appears in its repr, so it may stand in keys and messages."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """The authorities that the operator trusts at an ensemble, and its own certificate there.

    Equal values share sessions.

    `authorities` are certificates in PEM. `identity` is a key with its certificates in PEM, empty without one. `names`
    are addresses that are dialled, each with the name that the certificate of the server there must have.
    """

    authorities: str = field(repr=False)
    identity: str = field(default="", repr=False)
    names: tuple[tuple[str, str], ...] = ()


class Zk(Protocol):
    """One session. Every call has one deadline, within which it also waits for a connection; never longer.

    Errors, for every method: `TransientError` (no connection or no reply within the deadline, a read whose
    connection was lost), `UnknownOutcomeError` (a write that was sent and whose reply was lost or late),
    `SessionLostError` (the session was closed), `ForbiddenError` (NoAuth, names the path), `InvalidError`
    (malformed or larger than the request limit; refused before it is sent), and those named in each method.
    After an expiry a new session is opened by itself: `session_id` differs at the next CONNECTED.
    """

    @property
    def state(self) -> ConnectionState:
        """The present state of the connection."""

    @property
    def problem(self) -> str:
        """Why there is no connection, member by member, without any secret; meaningless while there is one."""

    @property
    def session_id(self) -> int:
        """0 while there is no session."""

    @property
    def last_zxid(self) -> int:
        """The highest zxid seen in any reply of this session."""

    async def get(self, path: str) -> Node:
        """Read data and stat (null data reads as empty). `NoNodeError`."""

    def start_get(self, path: str) -> Future[Node]:
        """Send the read of `get` now, from a callback and without a task; errors arrive in the future."""

    async def exists(self, path: str) -> Stat | None:
        """Read the stat, None when there is no such znode."""

    async def children(self, path: str) -> Children:
        """List the children. `NoNodeError`."""

    async def multi_read(self, paths: Sequence[str]) -> MultiRead:
        """Read data and stat of all paths between two transactions, so that they share one zxid.

        `TooLargeError` when the answer is larger than a session reads: ask for fewer.
        """

    async def get_acl(self, path: str) -> AclRead:
        """Read the ACL. `NoNodeError`, `ForbiddenError`.

        To whoever has no ADMIN permission there, the hash in a digest identity reads as `x`.
        """

    async def set_acl(self, path: str, acl: Sequence[Acl], version: int) -> Stat:
        """Replace the ACL of exactly this `aversion` (-1: any). `NoNodeError`, `BadVersionError`."""

    async def create(self, op: Create) -> Stat:
        """Create one znode. `NodeExistsError`, `NoNodeError` (no parent)."""

    async def set(self, op: Set) -> Stat:
        """Write one znode. `NoNodeError`, `BadVersionError`."""

    async def delete(self, op: Delete) -> None:
        """Delete one znode. `NoNodeError`, `BadVersionError`, `NotEmptyError`."""

    async def multi(self, ops: Sequence[Operation]) -> Committed:
        """Commit all operations or none. `MultiError` names the one that failed."""

    async def sync(self, path: str) -> None:
        """Let the connected server catch up with the leader."""

    async def reconfig(
        self, *, joining: Sequence[str] = (), leaving: Sequence[int] = (), from_config: int
    ) -> tuple[str, int]:
        """Change the membership from exactly the version `from_config`.

        Returns the text of the new configuration and its version.

        `BadVersionError`, `NewConfigNoQuorumError`, `ReconfigInProgressError`; needs the superuser.
        """

    async def add_watch(self, path: str, *, recursive: bool = True) -> None:
        """Watch a subtree (3.6 and newer) until the connection ends. It gives no catch-up: read after it."""

    def on_event(self, listener: Callable[[ZnodeEvent], None], *, under: str = "/") -> Callable[[], None]:
        """Call the listener for each notification at or below `under`; returns its removal.

        Listeners run in the order of arrival: an event is delivered before any reply that reflects its change
        settles. Removing the last listener of a path also removes the watch on exactly that path from the server.
        """

    def on_state(self, listener: Callable[[ConnectionState], None]) -> Callable[[], None]:
        """Call the listener at each change of state; returns its removal."""

    async def close(self) -> None:
        """End the session; its ephemerals vanish at once."""


class ZkConnector(Protocol):
    """Opens sessions."""

    async def open(self, hosts: Sequence[str], credential: Credential | None, tls: ClientTls | None = None) -> Zk:
        """Return a session to `host:port` members at once, in state CONNECTING. The caller closes it."""


class MemberProbe(Protocol):
    """Asks one member about itself by a four-letter word."""

    async def ask(self, host: str, port: int, word: str, tls: ClientTls | None = None) -> str:
        """Return the whole answer. `TransientError` on any failure, the deadline included."""
