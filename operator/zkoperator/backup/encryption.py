"""Encrypts a stream before it leaves the Job, and decrypts it. Pure, but for the random salt that the caller gives.

The stream is cut into chunks, each sealed by AES-256-GCM under a key of this stream, which HKDF makes of the user's
key and a random salt. The nonce is the number of the chunk and whether it is the last, so that no chunk can be changed,
exchanged, left out or cut off unseen.

    "ZKOPENC1", 32 bytes of salt, then chunks: 65,536 bytes (the last one fewer, perhaps none) and 16 bytes of tag
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zkoperator.backup.failure import differs

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
NAME: Final = "AES-256-GCM"

_MAGIC: Final = b"ZKOPENC1"
_CHUNK_BYTES: Final = 65_536
_TAG_BYTES: Final = 16
_HEAD_BYTES: Final = len(_MAGIC) + SALT_BYTES


class Encryptor:
    """Encrypts one stream. No two streams may have the same salt."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._cipher = _cipher(key, salt)
        self._pending = bytearray()
        self._chunks = 0
        self._out = bytearray(_MAGIC + salt)

    def feed(self, data: bytes) -> bytes:
        """Return what is ready of the encrypted stream."""
        self._pending += data
        while len(self._pending) > _CHUNK_BYTES:
            self._seal(is_last=False)
        return self._take()

    def end(self) -> bytes:
        """Return the rest of the encrypted stream."""
        self._seal(is_last=True)
        return self._take()

    def _seal(self, *, is_last: bool) -> None:
        chunk = bytes(self._pending[:_CHUNK_BYTES])
        del self._pending[:_CHUNK_BYTES]
        self._out += self._cipher.encrypt(_nonce(self._chunks, is_last=is_last), chunk, None)
        self._chunks += 1

    def _take(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out


class Decryptor:
    """Decrypts one stream. Nothing is returned of a chunk that is not as it was sealed.

    Raises:
        BackupError: the key is another, or the stream was changed.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher: AESGCM | None = None
        self._pending = bytearray()
        self._chunks = 0

    def feed(self, data: bytes) -> bytes:
        """Return what is ready of the decrypted stream."""
        self._pending += data
        if self._cipher is None:
            if len(self._pending) < _HEAD_BYTES:
                return b""
            self._cipher = self._read_head()
        out = bytearray()
        while len(self._pending) > _CHUNK_BYTES + _TAG_BYTES:
            out += self._open(self._cipher, is_last=False)
        return bytes(out)

    def end(self) -> bytes:
        """Return the rest of the decrypted stream."""
        if self._cipher is None:
            raise differs("the encrypted file ends too early")
        return self._open(self._cipher, is_last=True)

    def _read_head(self) -> AESGCM:
        head = bytes(self._pending[:_HEAD_BYTES])
        if not head.startswith(_MAGIC):
            raise differs("the file is not encrypted as a backup is")
        del self._pending[:_HEAD_BYTES]
        return _cipher(self._key, head[len(_MAGIC) :])

    def _open(self, cipher: AESGCM, *, is_last: bool) -> bytes:
        sealed = bytes(self._pending[: _CHUNK_BYTES + _TAG_BYTES])
        del self._pending[: _CHUNK_BYTES + _TAG_BYTES]
        try:
            chunk = cipher.decrypt(_nonce(self._chunks, is_last=is_last), sealed, None)
        except (InvalidTag, ValueError) as error:
            raise differs("the file was encrypted with another key, or is damaged") from error
        self._chunks += 1
        return chunk


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"zkoperator backup 1").derive(key))


def _nonce(chunk: int, *, is_last: bool) -> bytes:
    return chunk.to_bytes(11, "big") + bytes([is_last])
