"""What a backup needs of the place where it is kept, as a Protocol. Pure.

One contract suite runs against the folder and the bucket.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from zkoperator.errors import ZkOperatorError


class NameTakenError(ZkOperatorError):
    """There is an object of this name already."""


class NoObjectError(ZkOperatorError):
    """There is no object of this name."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object. `modified` has a time zone."""

    name: str
    size_bytes: int
    modified: datetime


class ObjectStore(Protocol):
    """Objects by names such as `a/b/c`. Every method raises `BackupError` for what the store refuses."""

    async def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Store an object piece by piece. After a failure there may be a part of it."""

    async def put_new(self, name: str, data: bytes) -> None:
        """Store an object whole or not at all. `NameTakenError` when there is one."""

    def read(self, name: str) -> AsyncIterator[bytes]:
        """Return the object piece by piece. `NoObjectError`."""

    async def list(self, directory: str) -> list[Stored]:
        """Return everything below a directory, in the order of the names."""

    async def delete(self, name: str) -> None:
        """Delete an object that may be gone already."""
