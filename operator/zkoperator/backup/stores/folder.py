"""The store in a folder, such as a mounted volume claim. I/O.

What `put_new` and `write` have stored is on the disk when they return.
"""

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from zkoperator.backup.failure import BackupError
from zkoperator.backup.order import Reason
from zkoperator.backup.stores.port import NameTakenError, NoObjectError, Stored

_PIECE_BYTES: Final = 256 * 1024
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED: Final = {errno.EACCES, errno.EPERM}
_UNFINISHED: Final = "."
"""Begins the name of a file that `put_new` did not finish. Such files are no objects."""


class FolderStore:
    """The `ObjectStore` port on files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write the file, and see that it is on the disk."""
        path = self._root / name
        with _translated():
            self._check_root()
            _make_directory(path.parent)
            with path.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
                    await asyncio.sleep(0)
                file.flush()
                os.fsync(file.fileno())
            sync_directory(path.parent)

    async def put_new(self, name: str, data: bytes) -> None:
        """Write a file beside it, and give it the name by a link, which fails where the name is taken."""
        path = self._root / name
        unfinished = path.with_name(f"{_UNFINISHED}{path.name}.{secrets.token_hex(8)}")
        with _translated():
            self._check_root()
            _make_directory(path.parent)
            try:
                with unfinished.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(unfinished, path)
            except FileExistsError as error:
                raise NameTakenError(name) from error
            finally:
                unfinished.unlink(missing_ok=True)
            sync_directory(path.parent)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """Read the file."""
        with _translated():
            try:
                file = (self._root / name).open("rb")
            except FileNotFoundError as error:
                raise NoObjectError(name) from error
            with file:
                while piece := file.read(_PIECE_BYTES):
                    yield piece
                    await asyncio.sleep(0)

    async def list(self, directory: str) -> list[Stored]:
        """List the files below a directory; there are none when it is not there."""
        with _translated():
            self._check_root()
            found = [self._stored(path) for path in (self._root / directory).rglob("*")]
        return sorted((stored for stored in found if stored is not None), key=lambda stored: stored.name)

    async def delete(self, name: str) -> None:
        """Delete the file, and the directories in which no object is left."""
        path = self._root / name
        with _translated():
            path.unlink(missing_ok=True)
            for directory in path.parents[: len(Path(name).parts) - 1]:
                if not _remove_empty(directory):
                    break

    def _stored(self, path: Path) -> Stored | None:
        """Return what is there, None for what is no object or was deleted meanwhile."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        if path.name.startswith(_UNFINISHED) or path.is_dir():
            return None
        name = path.relative_to(self._root).as_posix()
        return Stored(name, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))

    def _check_root(self) -> None:
        """Check that there is a folder: one that is not mounted must not look like an empty one."""
        if not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _make_directory(directory: Path) -> None:
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """See that the names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Some network file systems cannot sync a directory, and have stored it when the call returns.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_empty(directory: Path) -> bool:
    """Remove a directory without objects; return whether it is gone."""
    try:
        left = list(directory.iterdir())
        if all(path.name.startswith(_UNFINISHED) for path in left):
            for path in left:
                path.unlink(missing_ok=True)
            directory.rmdir()
            return True
    except FileNotFoundError:
        return True
    except OSError:
        # Somebody has put something there meanwhile.
        return False
    return False


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise BackupError(Reason.STORAGE_FULL, "the folder of the store is full") from error
        reason = Reason.ACCESS_DENIED if error.errno in _DENIED else Reason.STORAGE_REFUSED
        raise BackupError(reason, f"the folder of the store: {error.strerror or type(error).__name__}") from error
