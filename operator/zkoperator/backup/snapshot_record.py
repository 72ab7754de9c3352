"""One znode as a snapshot file has it, and its part of the digest of a tree. Pure."""

import struct
import zlib
from typing import Final, NamedTuple

from zkoperator.backup.znode import Znode
from zkoperator.zk.port import Acl

INT: Final = struct.Struct(">i")
NUMBERS: Final = struct.Struct(">qqqqqiiiqq")
ACL_HEAD: Final = struct.Struct(">qi")
_DIGESTED: Final = struct.Struct(">qqqqqiiiq")
_NULL: Final = INT.pack(-1)
_OF_THE_SERVER: Final = "/zookeeper/"


class Record(NamedTuple):
    """A znode of a snapshot file: `DataNode` and `StatPersisted` of ZooKeeper, whose root has an empty path.

    `acl` is a number of the file's table. `cversion` counts the creations and deletions of children; the one that
    clients see is twice this less the number of children (`DataNode.copyStat`).
    """

    path: str
    data: bytes | None
    acl: int
    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int
    pzxid: int


def record_of(znode: Znode, acl: int) -> Record:
    """Return the record of a znode as it was read by a client."""
    stat = znode.stat
    return Record(
        path="" if znode.path == "/" else znode.path,
        data=znode.data,
        acl=acl,
        czxid=stat.czxid,
        mzxid=stat.mzxid,
        ctime=stat.ctime,
        mtime=stat.mtime,
        version=stat.version,
        cversion=(stat.cversion + stat.num_children) // 2,
        aversion=stat.aversion,
        ephemeral_owner=stat.ephemeral_owner,
        pzxid=stat.pzxid,
    )


def digest_of(record: Record) -> int:
    """Return what the znode adds to the digest of its tree, as `DigestCalculator` of ZooKeeper does (version 2).

    Servers write what is below `/zookeeper/` each for itself, so it counts for nothing.
    """
    if record.path.startswith(_OF_THE_SERVER):
        return 0
    path, data, _, czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, pzxid = record
    numbers = _DIGESTED.pack(czxid, mzxid, pzxid, ctime, mtime, version, cversion, aversion, owner)
    return zlib.crc32(numbers, zlib.crc32(data or b"", zlib.crc32(path.encode())))


def record_bytes(record: Record) -> bytes:
    """Return the record as the file has it."""
    return text_bytes(record.path) + _buffer_bytes(record.data) + NUMBERS.pack(*record[2:])


def acl_bytes(number: int, entries: tuple[Acl, ...]) -> bytes:
    """Return an entry of the file's table of ACLs."""
    parts = (INT.pack(entry.perms) + text_bytes(entry.scheme) + text_bytes(entry.id) for entry in entries)
    return ACL_HEAD.pack(number, len(entries)) + b"".join(parts)


def text_bytes(text: str) -> bytes:
    """Return a text as ZooKeeper writes it."""
    encoded = text.encode()
    return INT.pack(len(encoded)) + encoded


def _buffer_bytes(data: bytes | None) -> bytes:
    return _NULL if data is None else INT.pack(len(data)) + data
