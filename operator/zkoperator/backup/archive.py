"""Backups in a store: written so that one is there whole or not at all, read, verified, found and deleted. I/O.

The data comes first, under a name of its own. Its manifest comes last, under the condition that there is none. What has
no manifest is no backup, whatever ended the Job that wrote it.
"""

import logging
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime

from zkoperator.backup.encryption import NAME, SALT_BYTES, Decryptor, Encryptor
from zkoperator.backup.failure import BackupError, differs
from zkoperator.backup.manifest import (
    FORMAT,
    MANIFEST,
    Manifest,
    data_name,
    manifest_from_json,
    manifest_to_json,
    uid_in,
)
from zkoperator.backup.order import BackupOrder, Facts, Reason, Verification
from zkoperator.backup.packing import Packing, Unpacking
from zkoperator.backup.snapshot_reader import SnapshotReader
from zkoperator.backup.snapshot_record import Record
from zkoperator.backup.snapshot_writer import SnapshotWriter
from zkoperator.backup.source import Taken
from zkoperator.backup.stores.port import NameTakenError, NoObjectError, ObjectStore, Stored
from zkoperator.backup.tree_store import TreeStore
from zkoperator.runtime.wall_clock import time_text
from zkoperator.zk.port import Acl
from zkoperator.zk.zxid import epoch_of

logger = logging.getLogger(__name__)

Acls = dict[int, tuple[Acl, ...]]
_LONGEST_MANIFEST = 65_536


def _nothing(_: bytes) -> None:
    return


@dataclass(frozen=True, slots=True)
class _Place:
    """What a location holds."""

    location: str
    data: tuple[Stored, ...]
    has_manifest: bool


class Archive:
    """The backups of one store. `key` encrypts new ones and decrypts those that are encrypted."""

    def __init__(self, store: ObjectStore, key: bytes | None, now: Callable[[], datetime]) -> None:
        self._store = store
        self._key = key
        self._now = now

    async def find(self, directory: str, uid: str) -> Manifest | None:
        """Return the backup of a ZooKeeperBackup, None when it has none."""
        for place in await self._places(directory):
            if place.has_manifest and any(uid_in(data.name) == uid for data in place.data):
                manifest = await self.manifest(place.location)
                if manifest.uid == uid:
                    return manifest
        return None

    async def manifest(self, location: str) -> Manifest:
        """Return the manifest of a backup.

        Raises:
            BackupError: there is no backup, or its manifest cannot be read.
        """
        text = b""
        try:
            async for piece in self._store.read(f"{location}/{MANIFEST}"):
                text += piece
                if len(text) > _LONGEST_MANIFEST:
                    break
        except NoObjectError as error:
            raise BackupError(Reason.INVALID, f"there is no backup at {location}") from error
        return manifest_from_json(text)

    async def save(self, order: BackupOrder, taken: Taken, tree: TreeStore, started: datetime) -> Manifest:
        """Store the tree as a backup.

        Raises:
            BackupError: the store refused it, or what it stored is not what was written.
        """
        location = f"{order.directory}/{started:%Y%m%dT%H%M%SZ}-{taken.zxid:x}"
        name = data_name(order.uid, secrets.token_hex(8), is_encrypted=self._key is not None)
        async with AsyncExitStack() as unfinished:
            unfinished.push_async_callback(self._give_up, f"{location}/{name}")
            manifest = await self._write(order, taken, tree, f"{location}/{name}")
            facts = replace(manifest.backup, started_at=time_text(started), completed_at=time_text(self._now()))
            manifest = replace(manifest, backup=facts)
            if order.verification is Verification.STRUCTURE:
                manifest = await self.verified(manifest)
            unfinished.pop_all()
        return await self._publish(manifest)

    async def verified(self, manifest: Manifest, keep: Callable[[bytes], object] = _nothing) -> Manifest:
        """Return the manifest of a backup that was read to the end, and found to be what the manifest says.

        `keep` is given the compressed file, piece by piece.

        Raises:
            BackupError: it is not.
        """
        async for _ in self.records(manifest, keep):
            pass
        return replace(manifest, backup=replace(manifest.backup, verified_at=time_text(self._now())))

    async def records(
        self, manifest: Manifest, keep: Callable[[bytes], object] = _nothing
    ) -> AsyncIterator[tuple[list[Record], Acls]]:
        """Return the znodes of a backup, some at a time, with the table of their ACLs; check it at the end."""
        unpacking, reader = Unpacking(self._decryptor(manifest)), SnapshotReader()
        async for packed in self._packed(manifest, unpacking):
            keep(packed)
            for part in unpacking.expand(packed):
                yield reader.feed(part), reader.acls
        unpacking.end()
        reader.end()
        _compare(manifest, unpacking, reader)

    async def delete(self, directory: str, uid: str) -> int:
        """Delete all data of a ZooKeeperBackup, the manifest first; return the number of objects."""
        deleted = 0
        for place in await self._places(directory):
            names = [data.name for data in place.data if uid_in(data.name) == uid]
            if names and place.has_manifest and await self._uid_at(place.location) in {uid, None}:
                names.insert(0, f"{place.location}/{MANIFEST}")
            for name in names:
                await self._store.delete(name)
            deleted += len(names)
        return deleted

    async def sweep(self, directory: str, before: datetime) -> int:
        """Delete what unfinished Jobs have left before a time; return the number of objects."""
        swept = 0
        for place in await self._places(directory):
            old = [data for data in place.data if data.modified < before]
            if old and place.has_manifest:
                kept = (await self.manifest(place.location)).data
                old = [data for data in old if data.name != f"{place.location}/{kept}"]
            for data in old:
                logger.warning("deleting %s, which an unfinished Job has left", data.name)
                await self._store.delete(data.name)
            swept += len(old)
        return swept

    async def _write(self, order: BackupOrder, taken: Taken, tree: TreeStore, name: str) -> Manifest:
        writer = SnapshotWriter(taken.zxid)
        packing = Packing(Encryptor(self._key, secrets.token_bytes(SALT_BYTES)) if self._key is not None else None)
        await self._store.write(name, packing.pieces(writer.pieces(tree.acls(), tree.znodes())))
        location, _, data = name.rpartition("/")
        facts = Facts(
            zxid=f"{taken.zxid:#x}",
            epoch=epoch_of(taken.zxid),
            znodes=writer.znodes,
            bytes=packing.plain.size_bytes,
            stored_bytes=packing.stored.size_bytes,
            digest=f"{writer.digest:#x}",
            sha256=packing.plain.sha256,
            location=location,
            member=str(taken.member),
            version=taken.version,
            types_kept=False,
            ephemerals_left_out=writer.ephemerals,
            started_at="",
            completed_at="",
            verified_at=None,
        )
        return Manifest(
            format=FORMAT,
            uid=order.uid,
            cluster=order.source.cluster,
            root=order.source.root,
            data=data,
            stored_sha256=packing.stored.sha256,
            encryption=NAME if self._key is not None else None,
            backup=facts,
        )

    async def _publish(self, manifest: Manifest) -> Manifest:
        """Store the manifest. After an error nobody knows whether it is there, or will be, so the data stays."""
        location = manifest.backup.location
        try:
            await self._store.put_new(f"{location}/{MANIFEST}", manifest_to_json(manifest))
        except NameTakenError as error:
            # Ours, when the answer to an earlier try was lost.
            known = await self.manifest(location)
            if known.data == manifest.data:
                return known
            await self._give_up(f"{location}/{manifest.data}")
            raise BackupError(Reason.STORAGE_REFUSED, f"another backup was put at {location} just now") from error
        return manifest

    async def _give_up(self, name: str) -> None:
        """Delete data that will get no manifest. If that fails, a later Job deletes it."""
        try:
            await self._store.delete(name)
        except BackupError as error:
            logger.warning("%s stays for a later Job to delete: %s", name, error)

    async def _uid_at(self, location: str) -> str | None:
        """Return the uid of the ZooKeeperBackup at a location, None when there is none or it is unreadable."""
        try:
            return (await self.manifest(location)).uid
        except BackupError as error:
            if error.reason in {Reason.INVALID, Reason.DIGEST_DIFFERS}:
                return None
            raise

    async def _places(self, directory: str) -> list[_Place]:
        found: dict[str, list[Stored]] = defaultdict(list)
        for stored in await self._store.list(directory):
            found[stored.name.rpartition("/")[0]].append(stored)
        return [
            _Place(
                location,
                tuple(stored for stored in objects if uid_in(stored.name) is not None),
                any(stored.name == f"{location}/{MANIFEST}" for stored in objects),
            )
            for location, objects in found.items()
        ]

    async def _packed(self, manifest: Manifest, unpacking: Unpacking) -> AsyncIterator[bytes]:
        """Return the compressed file piece by piece."""
        name = f"{manifest.backup.location}/{manifest.data}"
        try:
            async for piece in self._store.read(name):
                if packed := unpacking.decrypt(piece):
                    yield packed
        except NoObjectError as error:
            raise differs(f"{name} is gone, its manifest is there") from error
        if unpacking.stored.sha256 != manifest.stored_sha256:
            raise differs(f"{name} is not what was stored: its SHA-256 is another")
        yield unpacking.decrypt_rest()

    def _decryptor(self, manifest: Manifest) -> Decryptor | None:
        if manifest.encryption is None:
            return None
        if self._key is None:
            raise BackupError(Reason.INVALID, "the backup is encrypted, and no key was given")
        return Decryptor(self._key)


def _compare(manifest: Manifest, unpacking: Unpacking, reader: SnapshotReader) -> None:
    facts = manifest.backup
    found = (
        unpacking.plain.sha256,
        unpacking.plain.size_bytes,
        reader.znodes,
        f"{reader.digest:#x}",
        f"{reader.zxid:#x}",
    )
    if found != (facts.sha256, facts.bytes, facts.znodes, facts.digest, facts.zxid):
        raise differs("the snapshot file is whole, but not the one that its manifest describes")
