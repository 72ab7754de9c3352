"""Writes a tree as a snapshot file, from which a ZooKeeper server can start. Pure.

The format is that of `FileSnap` and `DataTree.serialize` of ZooKeeper 3.9: a header, sessions (none here), the table of
ACLs, the znodes with parents before their children, a seal, the digest of the tree, a seal, the zxid of the last
transaction, a seal. A seal is the Adler-32 checksum of everything before it. A server checks seals and digest when it
loads the file.

Ephemerals are left out: their sessions are gone, and a server would keep them until their timeout, as locks that nobody
holds.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from zkoperator.backup.snapshot_record import acl_bytes, digest_of, record_bytes, record_of, text_bytes
from zkoperator.backup.znode import Znode
from zkoperator.zk.port import Acl

MAGIC: Final = 0x5A4B534E
VERSION: Final = 2
DIGEST_VERSION: Final = 2
END: Final = "/"
"""Ends the znodes and each seal."""
HEADER: Final = struct.Struct(">iiqi")
DIGEST: Final = struct.Struct(">qiQ")
LONG: Final = struct.Struct(">q")
DIGEST_MASK: Final = (1 << 64) - 1

_DATABASE: Final = -1
_PIECE_BYTES: Final = 256 * 1024


class SnapshotWriter:
    """One file. `znodes`, `ephemerals` (left out) and `digest` are known when all pieces were taken."""

    def __init__(self, zxid: int) -> None:
        self.znodes = 0
        self.ephemerals = 0
        self.digest = 0
        self._zxid = zxid
        self._adler = 1

    def pieces(self, acls: Iterable[tuple[Acl, ...]], znodes: Iterable[Znode]) -> Iterator[bytes]:
        """Return the bytes of the file. `acls` are all that the znodes have, each once."""
        numbers = {entries: number for number, entries in enumerate(acls, 1)}
        head = HEADER.pack(MAGIC, VERSION, _DATABASE, 0) + struct.pack(">i", len(numbers))
        yield self._summed(head + b"".join(acl_bytes(number, entries) for entries, number in numbers.items()))
        for piece in _joined(self._records(numbers, znodes)):
            yield self._summed(piece)
        self.digest &= DIGEST_MASK
        yield self._summed(text_bytes(END))
        yield self._seal()
        yield self._summed(DIGEST.pack(self._zxid, DIGEST_VERSION, self.digest))
        yield self._seal()
        yield self._summed(LONG.pack(self._zxid))
        yield self._seal()

    def _records(self, numbers: dict[tuple[Acl, ...], int], znodes: Iterable[Znode]) -> Iterator[bytes]:
        for znode in znodes:
            if znode.stat.ephemeral_owner:
                self.ephemerals += 1
                continue
            record = record_of(znode, numbers[znode.acl])
            self.znodes += 1
            self.digest += digest_of(record)
            yield record_bytes(record)

    def _summed(self, piece: bytes) -> bytes:
        self._adler = zlib.adler32(piece, self._adler)
        return piece

    def _seal(self) -> bytes:
        return self._summed(LONG.pack(self._adler) + text_bytes(END))


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Return the same bytes in fewer pieces."""
    pending: list[bytes] = []
    size_bytes = 0
    for part in parts:
        pending.append(part)
        size_bytes += len(part)
        if size_bytes >= _PIECE_BYTES:
            yield b"".join(pending)
            pending.clear()
            size_bytes = 0
    if pending:
        yield b"".join(pending)
