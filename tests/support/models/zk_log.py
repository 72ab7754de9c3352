"""ZooKeeper's transaction log, read from the files of a server: every committed write, with the session that made it.

Layout (`FileTxnLog`): a header (magic `ZKLG`, version, database id), then for each transaction its Adler-32 checksum,
its length, a header (session, cxid, zxid, time, type), the record and a closing byte `B`. Zeroes follow the last one.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FILE = struct.Struct("!iiq")
_MAGIC = 0x5A4B4C47
_TRANSACTION = struct.Struct("!qiqqi")
_FRAME = struct.Struct("!qi")
_INT = struct.Struct("!i")

_CREATES = frozenset({1, 15, 19, 21})
_DELETES = frozenset({2, 20})
_SETS = frozenset({5, 16})
CLOSE_SESSION = -11
"""The type of a transaction that ends a session, whether its client closed it or the server expired it."""
_ERROR, _MULTI = -1, 14


class CorruptLogError(Exception):
    """A transaction whose checksum does not fit."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One committed transaction; `changes` are its znodes with their new data, None for a deleted one."""

    zxid: int
    session: int
    time_ms: int
    type: int
    changes: tuple[tuple[str, bytes | None], ...]


def read_log(data_directory: Path) -> tuple[Transaction, ...]:
    """Read every transaction in `data_directory/version-2/log.*`, in the order of zxids."""
    files = sorted((data_directory / "version-2").glob("log.*"), key=lambda file: int(file.suffix[1:], 16))
    found = {transaction.zxid: transaction for file in files for transaction in _read_file(file.read_bytes())}
    return tuple(found[zxid] for zxid in sorted(found))


def _read_file(content: bytes) -> Iterator[Transaction]:
    if len(content) < _FILE.size or _FILE.unpack_from(content)[0] != _MAGIC:
        return  # made and not written yet
    offset = _FILE.size
    while offset + _FRAME.size <= len(content):
        checksum, length = _FRAME.unpack_from(content, offset)
        offset += _FRAME.size
        if length <= 0 or offset + length >= len(content):
            return
        entry = content[offset : offset + length]
        if zlib.adler32(entry) != checksum:
            raise CorruptLogError(f"at byte {offset}")
        yield _parse(entry)
        offset += length + 1


def _parse(entry: bytes) -> Transaction:
    session, _, zxid, time_ms, code = _TRANSACTION.unpack_from(entry)
    return Transaction(zxid, session, time_ms, code, tuple(_changes(code, entry[_TRANSACTION.size :])))


def _changes(code: int, record: bytes) -> Iterator[tuple[str, bytes | None]]:
    if code == _MULTI:
        yield from _multi(record)
    elif code == CLOSE_SESSION:
        yield from ((path, None) for path in _paths(record))
    elif code in _DELETES:
        yield _string(record, 0)[0], None
    elif code in _CREATES or code in _SETS:
        path, offset = _string(record, 0)
        yield path, _buffer(record, offset)[0]


def _multi(record: bytes) -> Iterator[tuple[str, bytes | None]]:
    """A multi that was rolled back is logged too, the operations before the failed one as if they had happened."""
    count, offset = _INT.unpack_from(record)[0], 4
    parts = []
    for _ in range(count):
        code = _INT.unpack_from(record, offset)[0]
        part, offset = _buffer(record, offset + 4)
        parts.append((code, part))
    if all(code != _ERROR for code, _ in parts):
        for code, part in parts:
            yield from _changes(code, part)


def _paths(record: bytes) -> Iterator[str]:
    count, offset = (_INT.unpack_from(record)[0], 4) if len(record) >= 4 else (0, 0)
    for _ in range(count):
        path, offset = _string(record, offset)
        yield path


def _string(record: bytes, offset: int) -> tuple[str, int]:
    data, end = _buffer(record, offset)
    return data.decode(), end


def _buffer(record: bytes, offset: int) -> tuple[bytes, int]:
    length = _INT.unpack_from(record, offset)[0]
    end = offset + 4 + max(length, 0)
    return record[offset + 4 : end], end
