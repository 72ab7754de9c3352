"""ZooKeeper's framed protocol, read only as far as faults need it: opcode, paths, xid, error, session.

Layouts as in `zookeeper.jute`: every frame is a 4-byte length and its payload; integers are big-endian; a string or
buffer is a 4-byte length and its bytes.
"""

import asyncio
import struct
from dataclasses import dataclass

OPS = {
    1: "create",
    2: "delete",
    3: "exists",
    4: "get",
    5: "set",
    6: "get_acl",
    7: "set_acl",
    8: "children",
    9: "sync",
    11: "ping",
    12: "children",
    13: "check",
    14: "multi",
    15: "create",
    16: "reconfig",
    18: "remove_watches",
    19: "create",
    21: "create",
    22: "multi_read",
    100: "auth",
    101: "set_watches",
    102: "sasl",
    105: "set_watches",
    106: "add_watch",
    -11: "close",
}
MUTATING = frozenset({"create", "delete", "set", "set_acl", "multi", "reconfig"})
_PATHLESS = frozenset({"ping", "auth", "sasl", "set_watches", "close", "multi", "multi_read", "reconfig", "unknown"})
EVENT_TYPES = {1: "created", 2: "deleted", 3: "data_changed", 4: "children_changed"}
NOTIFICATION_XID, PING_XID, AUTH_XID, SET_WATCHES_XID = -1, -2, -4, -8

_INT = struct.Struct("!i")
_HEADER = struct.Struct("!ii")
_REPLY = struct.Struct("!iqi")
_CONNECT = struct.Struct("!iqiq")
_CONNECTED = struct.Struct("!iiq")
_MULTI = struct.Struct("!i?i")
PING = struct.pack("!iii", 8, PING_XID, 11)


@dataclass(frozen=True, slots=True)
class ZkRequest:
    """One request. `paths` has one entry, or one for each operation of a multi, or none."""

    op: str
    paths: tuple[str, ...]
    xid: int
    operations: tuple[str, ...] = ()

    @property
    def mutates(self) -> bool:
        return self.op in MUTATING

    @property
    def target(self) -> str:
        named = zip(self.operations, self.paths, strict=True) if self.operations else ()
        return " ".join(f"{op}:{path}" for op, path in named) or ",".join(self.paths)


@dataclass(frozen=True, slots=True)
class ZkNotification:
    """A watch event; `zxid` is -1 from servers before 3.9."""

    type: str
    path: str
    zxid: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The header of a reply."""

    xid: int
    zxid: int
    error: int


@dataclass(frozen=True, slots=True)
class Session:
    """The answer to a connect request; the id is 0 when the server refused the session as expired."""

    id: int
    password: bytes
    timeout_ms: int


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame with its length prefix, or None at the end of the stream (also in the middle of a frame)."""
    try:
        prefix = await reader.readexactly(4)
        return prefix + await reader.readexactly(_INT.unpack(prefix)[0])
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def parse_request(frame: bytes) -> ZkRequest:
    """Read a request frame (with its length prefix)."""
    xid, code = _HEADER.unpack_from(frame, 4)
    op = OPS.get(code, "unknown")
    if op in ("multi", "multi_read"):
        operations = _multi_operations(frame)
        return ZkRequest(op, tuple(path for _, path in operations), xid, tuple(name for name, _ in operations))
    if op in _PATHLESS:
        return ZkRequest(op, ("/zookeeper/config",) if op == "reconfig" else (), xid)
    return ZkRequest(op, (_string(frame, 12)[0],), xid)


def parse_reply(frame: bytes) -> Reply:
    """Read the header of a reply frame."""
    return Reply(*_REPLY.unpack_from(frame, 4))


def parse_notification(frame: bytes) -> ZkNotification:
    """Read a notification frame (xid -1)."""
    zxid = _REPLY.unpack_from(frame, 4)[1]
    kind = _INT.unpack_from(frame, 20)[0]
    return ZkNotification(EVENT_TYPES.get(kind, str(kind)), _string(frame, 28)[0], zxid)


def parse_connected(frame: bytes) -> Session:
    """Read the server's answer to a connect request."""
    _, timeout_ms, session_id = _CONNECTED.unpack_from(frame, 4)
    size = _INT.unpack_from(frame, 20)[0]
    return Session(session_id, frame[24 : 24 + max(size, 0)], timeout_ms)


def multi_error(frame: bytes, request: ZkRequest) -> int:
    """The error that rolled a multi back, 0 for a committed one (whose header says 0 as well) and other requests."""
    if request.op != "multi" or len(frame) < 33:
        return 0
    offset = 20
    for _ in request.operations:
        code, done, _ = _MULTI.unpack_from(frame, offset)
        if code != -1 or done:
            return 0
        error = int(_INT.unpack_from(frame, offset + _MULTI.size)[0])
        if error:
            return error
        offset += _MULTI.size + 4
    return 0


def connect_frame(session: Session) -> bytes:
    """A request to take over an existing session."""
    body = _CONNECT.pack(0, 0, session.timeout_ms, session.id)
    return _framed(body + _INT.pack(len(session.password)) + session.password + b"\0")


def close_frame() -> bytes:
    """A request that ends the session for everybody."""
    return _framed(_HEADER.pack(1, -11))


def watch_frame(xid: int, path: str) -> bytes:
    """A request for a persistent watch of one znode."""
    return _framed(_HEADER.pack(xid, 106) + _text(path) + _INT.pack(0))


def sync_frame(xid: int, path: str) -> bytes:
    """A request whose answer comes after every earlier commit."""
    return _framed(_HEADER.pack(xid, 9) + _text(path))


def error_reply(xid: int, error: int, zxid: int) -> bytes:
    """A reply that refuses a request."""
    return _framed(_REPLY.pack(xid, zxid, error))


def _multi_operations(frame: bytes) -> list[tuple[str, str]]:
    operations: list[tuple[str, str]] = []
    offset = 12
    while True:
        code, done, _ = _MULTI.unpack_from(frame, offset)
        offset += _MULTI.size
        if done:
            return operations
        path, offset = _string(frame, offset)
        op = OPS.get(code, "unknown")
        operations.append((op, path))
        offset = _skip(frame, offset, code)


def _skip(frame: bytes, offset: int, code: int) -> int:
    """The end of a multi's operation whose path ends at `offset`."""
    if code in (1, 15, 19, 21):
        offset = _after_acl(frame, _after_buffer(frame, offset)) + 4
        return offset + 8 if code == 21 else offset
    if code == 5:
        return _after_buffer(frame, offset) + 4
    if code in (2, 13):
        return offset + 4
    return offset + 1  # multi_read's reads carry a watch flag


def _after_buffer(frame: bytes, offset: int) -> int:
    return offset + 4 + max(int(_INT.unpack_from(frame, offset)[0]), 0)


def _after_acl(frame: bytes, offset: int) -> int:
    entries = _INT.unpack_from(frame, offset)[0]
    offset += 4
    for _ in range(max(entries, 0)):
        offset = _after_buffer(frame, _after_buffer(frame, offset + 4))
    return offset


def _string(frame: bytes, offset: int) -> tuple[str, int]:
    end = _after_buffer(frame, offset)
    return frame[offset + 4 : end].decode(), end


def _text(value: str) -> bytes:
    data = value.encode()
    return _INT.pack(len(data)) + data


def _framed(body: bytes) -> bytes:
    return _INT.pack(len(body)) + body
