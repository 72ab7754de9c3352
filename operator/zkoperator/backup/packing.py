"""The way of a snapshot file into its stored form, and back: gzip, and encryption where it is wanted. Pure.

Both ways go piece by piece, and measure what passes.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from zkoperator.backup.encryption import Decryptor, Encryptor
from zkoperator.backup.failure import differs

_LEVEL: Final = 1
"""Of gzip: higher ones take three times as long for a tenth of the size."""
_GZIP: Final = 31
_PIECE_BYTES: Final = 256 * 1024


class Measure:
    """Size and SHA-256 of what passed."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._hash = hashlib.sha256()

    def add(self, piece: bytes) -> bytes:
        """Count a piece, and return it."""
        self.size_bytes += len(piece)
        self._hash.update(piece)
        return piece

    @property
    def sha256(self) -> str:
        """The hash in hexadecimal digits."""
        return self._hash.hexdigest()


class Packing:
    """Turns the pieces of a file into those of its stored form."""

    def __init__(self, encryptor: Encryptor | None) -> None:
        self.plain = Measure()
        self.stored = Measure()
        self._encryptor = encryptor

    def pieces(self, plain: Iterable[bytes]) -> Iterator[bytes]:
        """Return the stored form."""
        for piece in self._encrypted(_compressed(self.plain.add(piece) for piece in plain)):
            yield self.stored.add(piece)

    def _encrypted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        if self._encryptor is None:
            yield from pieces
            return
        for piece in pieces:
            yield self._encryptor.feed(piece)
        yield self._encryptor.end()


class Unpacking:
    """Turns the pieces of the stored form into those of the file.

    Raises:
        BackupError: they are none.
    """

    def __init__(self, decryptor: Decryptor | None) -> None:
        self.plain = Measure()
        self.stored = Measure()
        self._decryptor = decryptor
        self._expander = zlib.decompressobj(_GZIP)

    def decrypt(self, piece: bytes) -> bytes:
        """Return what the next piece of the stored form is before it was encrypted."""
        self.stored.add(piece)
        return self._decryptor.feed(piece) if self._decryptor is not None else piece

    def decrypt_rest(self) -> bytes:
        """Return what was still held back."""
        return self._decryptor.end() if self._decryptor is not None else b""

    def expand(self, piece: bytes) -> Iterator[bytes]:
        """Return what the next compressed piece holds, in parts: a few bytes may stand for very many."""
        try:
            while piece:
                part = self._expander.decompress(piece, _PIECE_BYTES)
                piece = self._expander.unconsumed_tail
                if part:
                    yield self.plain.add(part)
                if self._expander.unused_data:
                    raise differs("the compressed file has more after its end")
        except zlib.error as error:
            raise differs("the compressed file is damaged") from error

    def end(self) -> None:
        """Note that everything was expanded."""
        if not self._expander.eof:
            raise differs("the compressed file ends too early")


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if compressed := compressor.compress(piece):
            yield compressed
    yield compressor.flush()
