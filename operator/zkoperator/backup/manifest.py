"""What is known of a stored backup. A backup exists when its manifest does. Pure."""

from dataclasses import dataclass
from typing import Final

from zkoperator.backup.failure import BackupError
from zkoperator.backup.order import Cluster, Facts, Reason
from zkoperator.backup.records import from_json, to_json
from zkoperator.errors import InvalidError

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_SUFFIXES: Final = {True: ".snapshot.gz.enc", False: ".snapshot.gz"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The file `manifest.json` beside the data.

    Attributes:
        uid: of the ZooKeeperBackup.
        data: name of the object with the data, in the same location.
        stored_sha256: its hash, as it is stored.
        encryption: how it was encrypted before it was stored, None for not at all.
    """

    format: int
    uid: str
    cluster: Cluster | None
    root: str
    data: str
    stored_sha256: str
    encryption: str | None
    backup: Facts


def data_name(uid: str, token: str, *, is_encrypted: bool) -> str:
    """Return the name for the data of a backup; the token is random, so that no two attempts write one object."""
    return f"{uid}.{token}{_SUFFIXES[is_encrypted]}"


def uid_in(name: str) -> str | None:
    """Return of which ZooKeeperBackup an object has the data, None for another kind of object."""
    uid, dot, rest = name.rpartition("/")[2].partition(".")
    return uid if dot and any(rest.endswith(suffix) for suffix in _SUFFIXES.values()) else None


def manifest_to_json(manifest: Manifest) -> bytes:
    """Return the content of the file."""
    return to_json(manifest).encode()


def manifest_from_json(text: bytes) -> Manifest:
    """Return the manifest.

    Raises: BackupError: this version cannot read it.
    """
    try:
        manifest = from_json(Manifest, text)
    except InvalidError as error:
        raise BackupError(Reason.DIGEST_DIFFERS, f"the manifest cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(Reason.INVALID, f"the manifest has format {manifest.format}, this version reads {FORMAT}")
    return manifest
