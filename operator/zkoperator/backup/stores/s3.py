"""The store in a bucket of S3, or of what speaks as S3 does. I/O.

The library is imported with this module, which only a Job does that uses a bucket.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import obstore
from obstore import exceptions
from obstore.store import S3Store

from zkoperator.backup.failure import BackupError
from zkoperator.backup.order import S3, Reason
from zkoperator.backup.stores.port import NameTakenError, NoObjectError, Stored

_PART_BYTES: Final = 8 * 1024 * 1024
"""A store takes at most 10,000 parts, so the largest object has 80 GB."""
_PARTS_AT_ONCE: Final = 2
_PIECE_BYTES: Final = 256 * 1024
_SILENCE: Final = timedelta(seconds=30)
_REQUEST: Final = timedelta(minutes=10)
_RETRIES: Final = timedelta(minutes=2)
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_STATUS: Final = re.compile(r"\b(?:status|HTTP status)\D{0,40}?(\d{3})\b", re.IGNORECASE)
_FULL: Final = {"EntityTooLarge", "InsufficientStorage", "QuotaExceeded", "StorageFull", "XMinioStorageFull"}
_DENIED: Final = {"AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId"}
_DENIED_BY: Final = _DENIED | {"InvalidToken", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
_NOT_REACHED: Final = re.compile(r"error sending request|connect|timed out|timeout|dns", re.IGNORECASE)


class S3Backups:
    """The `ObjectStore` port on a bucket."""

    def __init__(self, store: S3) -> None:
        with _translated():
            self._store = S3Store(store.bucket, **_options(store))

    async def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Upload the object in parts. It is there when the last part is; parts of a failed upload stay invisible."""
        with _translated():
            writer = obstore.open_writer_async(
                self._store, name, buffer_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
            )
            for piece in pieces:
                await writer.write(piece)
            await writer.close()

    async def put_new(self, name: str, data: bytes) -> None:
        """Upload the object under the condition that there is none (`If-None-Match`)."""
        with _translated():
            try:
                await obstore.put_async(self._store, name, data, mode="create", use_multipart=False)
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
                raise NameTakenError(name) from error

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """Download the object."""
        with _translated():
            try:
                found = await obstore.get_async(self._store, name)
            except FileNotFoundError as error:
                if _code_of(error) == "NoSuchBucket":
                    raise
                raise NoObjectError(name) from error
            async for piece in found.stream(min_chunk_size=_PIECE_BYTES):
                yield bytes(piece)

    async def list(self, directory: str) -> list[Stored]:
        """List the objects below a directory."""
        found: list[Stored] = []
        with _translated():
            async for part in obstore.list(self._store, prefix=directory or None):
                found += [Stored(item["path"], item["size"], item["last_modified"]) for item in part]
        return sorted(found, key=lambda stored: stored.name)

    async def delete(self, name: str) -> None:
        """Delete the object; S3 does not say whether there was one."""
        with _translated():
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError as error:
                if _code_of(error) == "NoSuchBucket":
                    raise


def _options(store: S3) -> dict[str, Any]:
    client: dict[str, Any] = {"connect_timeout": _SILENCE, "read_timeout": _SILENCE, "timeout": _REQUEST}
    client["allow_http"] = store.endpoint.startswith("http://")
    if store.authority is not None:
        client["root_certificate"] = _file(Path(store.authority))
    texts = {
        "prefix": store.prefix,
        "endpoint": store.endpoint,
        "region": store.region,
        "server_side_encryption": store.server_side_encryption,
        "sse_kms_key_id": store.kms_key_id,
        **_credentials(store.credentials),
    }
    options: dict[str, Any] = {name: text for name, text in texts.items() if text}
    # Not every store that speaks as S3 does knows the deletion of several objects at once, or tags.
    options |= {"disable_bulk_delete": True, "disable_tagging": True}
    return options | {"client_options": client, "retry_config": {"max_retries": 5, "retry_timeout": _RETRIES}}


def _credentials(directory: str | None) -> dict[str, str]:
    if directory is None:
        return {}
    place = Path(directory)
    found = {
        "access_key_id": _file(place / "accessKeyId"),
        "secret_access_key": _file(place / "secretAccessKey"),
    }
    token = place / "sessionToken"
    return found | ({"session_token": _file(token)} if token.exists() else {})


def _file(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise BackupError(Reason.INVALID, f"{path.name} of the store cannot be read") from error


@contextmanager
def _translated() -> Iterator[None]:
    """Turn errors of the library into ours.

    Their texts are dropped: an answer of S3 may repeat the key id and what was signed.
    """
    try:
        yield
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        code = _code_of(error)
        raise BackupError(Reason.ACCESS_DENIED, _message("the store refused the credentials", code)) from error
    except FileNotFoundError as error:
        raise BackupError(Reason.STORAGE_REFUSED, _message("the bucket is not there", _code_of(error))) from error
    except (exceptions.BaseError, ValueError, OSError) as error:
        raise _generic(error) from error


def _generic(error: Exception) -> BackupError:
    code = _code_of(error)
    if code in _FULL:
        return BackupError(Reason.STORAGE_FULL, _message("the store is full", code))
    if code in _DENIED_BY:
        return BackupError(Reason.ACCESS_DENIED, _message("the store refused the credentials", code))
    if not code and _NOT_REACHED.search(str(error)):
        return BackupError(Reason.UNREACHABLE, "the store did not answer in time, or could not be reached")
    return BackupError(Reason.STORAGE_REFUSED, _message("the store refused a request", code))


def _code_of(error: BaseException) -> str:
    """Return the code that S3 gave, or the status of HTTP, or nothing."""
    text = str(error)
    found = _CODE.search(text) or _STATUS.search(text)
    return found[1] if found is not None else ""


def _message(text: str, code: str) -> str:
    return f"{text}: {code}" if code else text
