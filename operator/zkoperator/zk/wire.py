"""The client protocol as bytes: requests to frames, replies to the port's values. Pure.

kazoo's serialization classes give the formats; what they lack (addWatch, removeWatches, create2 in a multi) is here.
All decoders are called as `decode(buffer, offset, zxid)` with the offset behind the reply header.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kazoo.protocol import serialization as kz
from kazoo.security import ACL, Id

from zkoperator.zk import port
from zkoperator.zk.codes import NO_NODE, OK, ROLLED_BACK, RUNTIME_INCONSISTENCY, Subject, error_of
from zkoperator.zk.config_version import config_version

EVENT_XID, PING_XID, AUTH_XID = -1, -2, -4
CLOSE_OPCODE: int = kz.Close.type
NEW_SESSION_PASSWORD = bytes(16)

request_head = struct.Struct("!iii")
length_prefix = struct.Struct("!i")
reply_head = kz.reply_header_struct
_stat = kz.stat_struct
_int = kz.int_struct

_EPHEMERAL = 1
_ADD_WATCH, _REMOVE_WATCHES = 106, 18
_MULTI_READ = 22
_PERSISTENT, _PERSISTENT_RECURSIVE = 0, 1
_ANY_WATCHER = 3
_ERROR_RESULT = -1
_END_OF_MULTI = bytes(kz.MultiHeader(-1, True, -1).serialize())
_READ_OF_MULTI = bytes(kz.MultiHeader(kz.GetData.type, False, -1).serialize())

Decoder = Callable[[bytes, int, int], Any]

_EVENT_TYPES = {
    1: port.EventType.CREATED,
    2: port.EventType.DELETED,
    3: port.EventType.DATA_CHANGED,
    4: port.EventType.CHILDREN_CHANGED,
}


class Request(NamedTuple):
    """One request without its xid. `subject` is what an error about it names."""

    opcode: int
    body: bytes | bytearray
    decode: Decoder
    subject: Subject

    def frame(self, xid: int) -> bytes:
        """Return the bytes to send."""
        return request_head.pack(len(self.body) + 8, xid, self.opcode) + self.body

    @property
    def frame_bytes(self) -> int:
        """The length that the server compares with its limit."""
        return len(self.body) + 8


def get(path: str) -> Request:
    """Encode a read of data and stat."""
    return Request(kz.GetData.type, _path_and_no_watch(path), _decode_node, Subject(path, False))


def exists(path: str) -> Request:
    """Encode a read of the stat."""
    return Request(kz.Exists.type, _path_and_no_watch(path), _decode_stat, Subject(path, False))


def get_acl(path: str) -> Request:
    """Encode a read of the ACL."""
    return Request(kz.GetACL.type, bytes(kz.GetACL(path).serialize()), _decode_acl, Subject(path, False))


def set_acl(path: str, acl: Sequence[port.Acl], version: int) -> Request:
    """Encode a conditional write of the ACL."""
    body = bytes(kz.SetACL(path, _acl(acl), version).serialize())
    return Request(kz.SetACL.type, body, _decode_stat, Subject(path, True))


def children(path: str) -> Request:
    """Encode a listing of the children."""
    return Request(kz.GetChildren2.type, _path_and_no_watch(path), _decode_children, Subject(path, False))


def multi_read(paths: Sequence[str]) -> Request:
    """Encode a multi-read (3.6 and newer) of data and stat."""
    body = b"".join(_READ_OF_MULTI + _path_and_no_watch(path) for path in paths) + _END_OF_MULTI
    subject = Subject(paths[0] if paths else "multi-read", False)

    def decode(buffer: bytes, offset: int, zxid: int) -> port.MultiRead:
        return _decode_multi_read(buffer, offset, zxid, paths)

    return Request(_MULTI_READ, body, decode, subject)


def create(op: port.Create) -> Request:
    """Encode a create that answers with the stat."""
    return Request(kz.Create2.type, _create(op).serialize(), _decode_created, Subject(op.path, True))


def set_data(op: port.Set) -> Request:
    """Encode a conditional write."""
    body = kz.SetData(op.path, op.data, op.version).serialize()
    return Request(kz.SetData.type, body, _decode_stat, Subject(op.path, True))


def delete(op: port.Delete) -> Request:
    """Encode a conditional delete."""
    body = kz.Delete(op.path, op.version).serialize()
    return Request(kz.Delete.type, body, _decode_nothing, Subject(op.path, True))


def multi(ops: Sequence[port.Operation]) -> Request:
    """Encode a transaction."""
    subjects = tuple(Subject(op.path, True) for op in ops)
    body = kz.Transaction([_operation(op) for op in ops]).serialize()

    def decode(buffer: bytes, offset: int, zxid: int) -> port.Committed:
        return _decode_multi(buffer, offset, zxid, subjects)

    return Request(kz.Transaction.type, body, decode, Subject("multi", True))


def sync(path: str) -> Request:
    """Encode a catch-up with the leader; it changes nothing, so a lost reply is a lost read."""
    return Request(kz.Sync.type, kz.Sync(path).serialize(), _decode_nothing, Subject(path, False))


def reconfig(joining: Sequence[str], leaving: Sequence[int], from_config: int) -> Request:
    """Encode an incremental reconfiguration."""
    body = kz.Reconfig(",".join(joining), ",".join(map(str, leaving)), "", from_config).serialize()
    return Request(kz.Reconfig.type, body, _decode_reconfigured, Subject("/zookeeper/config", True))


def add_watch(path: str, *, recursive: bool) -> Request:
    """Encode addWatch (3.6 and newer)."""
    mode = _PERSISTENT_RECURSIVE if recursive else _PERSISTENT
    return Request(_ADD_WATCH, kz.write_string(path) + _int.pack(mode), _decode_nothing, Subject(path, False))


def remove_watches(path: str) -> Request:
    """Encode the removal of every watch of this session on exactly this path."""
    body = kz.write_string(path) + _int.pack(_ANY_WATCHER)
    return Request(_REMOVE_WATCHES, body, _decode_nothing, Subject(path, False))


def close() -> Request:
    """Encode the end of the session."""
    return Request(CLOSE_OPCODE, b"", _decode_nothing, Subject("close", False))


def connect_frame(*, last_zxid: int, timeout_ms: int, session_id: int, password: bytes) -> bytes:
    """Return the first frame of a connection."""
    body = kz.Connect(0, last_zxid, timeout_ms, session_id, password, False).serialize()
    return length_prefix.pack(len(body)) + bytes(body)


def auth_frame(credential: port.Credential) -> bytes:
    """Return the frame that adds a digest identity to the connection."""
    body = kz.Auth(0, "digest", f"{credential.username}:{credential.password}").serialize()
    return request_head.pack(len(body) + 8, AUTH_XID, kz.Auth.type) + bytes(body)


def ping_frame() -> bytes:
    """Return the frame that keeps the session alive."""
    return request_head.pack(8, PING_XID, kz.Ping.type)


class Established(NamedTuple):
    """The server's answer to the first frame; a timeout of 0 says that the session has expired."""

    timeout_ms: int
    session_id: int
    password: bytes


def decode_established(buffer: bytes, offset: int) -> Established:
    """Decode the first frame from the server."""
    answer, _ = kz.Connect.deserialize(buffer, offset)
    return Established(answer.time_out, answer.session_id, answer.passwd or NEW_SESSION_PASSWORD)


def decode_event(buffer: bytes, offset: int, zxid: int) -> port.ZnodeEvent | None:
    """Decode a notification; None for kinds that say nothing about a znode."""
    watch, _ = kz.Watch.deserialize(buffer, offset)
    kind = _EVENT_TYPES.get(watch.type)
    return None if kind is None else port.ZnodeEvent(kind, watch.path, zxid)


def _path_and_no_watch(path: str) -> bytes:
    encoded = path.encode()
    return _int.pack(len(encoded)) + encoded + b"\0"


def _create(op: port.Create) -> Any:
    return kz.Create2(op.path, op.data, _acl(op.acl), _EPHEMERAL if op.ephemeral else 0)


def _acl(entries: Sequence[port.Acl]) -> list[ACL]:
    return [ACL(entry.perms, Id(entry.scheme, entry.id)) for entry in entries]


def _operation(op: port.Operation) -> Any:
    match op:
        case port.Create():
            return _create(op)
        case port.Set(path, data, version):
            return kz.SetData(path, data, version)
        case port.Delete(path, version):
            return kz.Delete(path, version)
        case port.Check(path, version):
            return kz.CheckVersion(path, version)


def _decode_node(buffer: bytes, offset: int, zxid: int) -> port.Node:
    data, offset = kz.read_buffer(buffer, offset)
    return port.Node(data or b"", port.Stat._make(_stat.unpack_from(buffer, offset)), zxid)


def _decode_multi_read(buffer: bytes, offset: int, zxid: int, paths: Sequence[str]) -> port.MultiRead:
    reads: list[port.Read | None] = []
    for path in paths:
        header, offset = kz.MultiHeader.deserialize(buffer, offset)
        if header.type == _ERROR_RESULT:
            (code,) = _int.unpack_from(buffer, offset)
            offset += _int.size
            if code != NO_NODE:
                raise error_of(code, Subject(path, False))
            reads.append(None)
            continue
        data, offset = kz.read_buffer(buffer, offset)
        reads.append(port.Read(data, port.Stat._make(_stat.unpack_from(buffer, offset))))
        offset += _stat.size
    return port.MultiRead(zxid, tuple(reads))


def _decode_acl(buffer: bytes, offset: int, zxid: int) -> port.AclRead:
    entries, stat = kz.GetACL.deserialize(buffer, offset)
    known = tuple(port.Acl(entry.perms, entry.id.scheme, entry.id.id) for entry in entries)
    return port.AclRead(known, port.Stat._make(stat))


def _decode_stat(buffer: bytes, offset: int, zxid: int) -> port.Stat:
    return port.Stat._make(_stat.unpack_from(buffer, offset))


def _decode_children(buffer: bytes, offset: int, zxid: int) -> port.Children:
    (count,) = _int.unpack_from(buffer, offset)
    offset += _int.size
    names = []
    for _ in range(count):
        name, offset = kz.read_string(buffer, offset)
        names.append(name)
    return port.Children(tuple(names), port.Stat._make(_stat.unpack_from(buffer, offset)), zxid)


def _decode_created(buffer: bytes, offset: int, zxid: int) -> port.Stat:
    _, offset = kz.read_string(buffer, offset)
    return port.Stat._make(_stat.unpack_from(buffer, offset))


def _decode_nothing(buffer: bytes, offset: int, zxid: int) -> None:
    return None


def _decode_reconfigured(buffer: bytes, offset: int, zxid: int) -> tuple[str, int]:
    data, _ = kz.read_buffer(buffer, offset)
    text = (data or b"").decode()
    version = config_version(text)
    if version is None:
        raise ValueError("a configuration without a version")
    return text, version


def _decode_multi(buffer: bytes, offset: int, zxid: int, subjects: tuple[Subject, ...]) -> port.Committed:
    stats: list[port.Stat | None] = []
    failures: list[int] = []
    header, offset = kz.MultiHeader.deserialize(buffer, offset)
    while not header.done:
        stat: port.Stat | None = None
        if header.type == kz.Create2.type:
            _, offset = kz.read_string(buffer, offset)
        if header.type in (kz.Create2.type, kz.SetData.type):
            stat = port.Stat._make(_stat.unpack_from(buffer, offset))
            offset += _stat.size
        elif header.type == _ERROR_RESULT:
            failures.append(_int.unpack_from(buffer, offset)[0])
            offset += _int.size
        stats.append(stat)
        header, offset = kz.MultiHeader.deserialize(buffer, offset)
    if failures:
        raise _multi_error(failures, subjects)
    return port.Committed(_zxid_of(stats, zxid), tuple(stats))


def _multi_error(failures: list[int], subjects: tuple[Subject, ...]) -> port.MultiError:
    innocent = (OK, ROLLED_BACK, RUNTIME_INCONSISTENCY)
    index = next((at for at, code in enumerate(failures) if code not in innocent), 0)
    return port.MultiError(index, error_of(failures[index], subjects[index]))


def _zxid_of(stats: list[port.Stat | None], header_zxid: int) -> int:
    return next((stat.mzxid for stat in stats if stat is not None), header_zxid)
