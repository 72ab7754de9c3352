"""Reads the parts of a snapshot file from bytes that arrive piece by piece. Pure."""

import struct
import zlib
from typing import Final

from zkoperator.backup.snapshot_record import ACL_HEAD, INT, NUMBERS, Record
from zkoperator.zk.port import Acl

_LONGEST: Final = 256 * 1024 * 1024
"""No server sends a value as long as this. Because of the limit a wrong length does not make the reader keep the whole
file in memory."""


class MoreNeeded(Exception):  # noqa: N818 - a signal of the cursor to its caller
    """The bytes that have arrived end within the part that is read."""


class Cursor:
    """A position in the bytes of a file. Every read raises `ValueError` for what is no such part.

    After `MoreNeeded` the position is that of the last `keep`, so that the part is read again from its beginning.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._at = 0
        self._kept = 0
        self._summed = 0
        self._adler = 1

    def feed(self, data: bytes) -> None:
        """Add bytes that have arrived; forget those before the kept position."""
        self._sum(self._kept)
        del self._bytes[: self._kept]
        self._bytes += data
        self._at = self._kept = self._summed = 0

    def keep(self) -> None:
        """Have reads begin here after the next `MoreNeeded`."""
        self._kept = self._at

    def adler(self) -> int:
        """Return the checksum of everything before the position, which is kept."""
        self.keep()
        self._sum(self._at)
        return self._adler

    @property
    def rest(self) -> int:
        """Bytes that have arrived and were not read."""
        return len(self._bytes) - self._at

    def numbers(self, layout: struct.Struct) -> tuple[int, ...]:
        """Read numbers."""
        at = self._skip(layout.size)
        return layout.unpack_from(self._bytes, at)

    def count(self) -> int:
        """Read a number of four bytes."""
        return self.numbers(INT)[0]

    def buffer(self) -> bytes | None:
        """Read bytes that their length comes before; None for null."""
        length = self.count()
        if length == -1:
            return None
        if not 0 <= length <= _LONGEST:
            raise ValueError("a length that cannot be")
        at = self._skip(length)
        return bytes(memoryview(self._bytes)[at : at + length])

    def text(self) -> str:
        """Read a text."""
        return (self.buffer() or b"").decode()

    def acl(self) -> tuple[int, tuple[Acl, ...]]:
        """Read an entry of the table of ACLs."""
        number, count = self.numbers(ACL_HEAD)
        return number, tuple(Acl(self.count(), self.text(), self.text()) for _ in range(count))

    def record(self, path: str) -> Record:
        """Read the znode whose path was read."""
        return Record(path, self.buffer(), *self.numbers(NUMBERS))

    def _skip(self, count: int) -> int:
        at = self._at
        if at + count > len(self._bytes):
            self._at = self._kept
            raise MoreNeeded
        self._at = at + count
        return at

    def _sum(self, end: int) -> None:
        # A view of a bytearray must be gone before the array changes its length.
        with memoryview(self._bytes) as view:
            self._adler = zlib.adler32(view[self._summed : end], self._adler)
        self._summed = end
