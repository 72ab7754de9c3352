"""Carries out the order of a backup Job. I/O."""

import asyncio
import errno
import logging
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, assert_never

from zkoperator.backup.archive import Archive
from zkoperator.backup.drill import DATA, prepare, rehearse
from zkoperator.backup.encryption import KEY_BYTES
from zkoperator.backup.exact_export import DidNotComeToRestError
from zkoperator.backup.failure import BackupError
from zkoperator.backup.manifest import Manifest
from zkoperator.backup.order import (
    BackupOrder,
    Complete,
    DeleteOrder,
    DrillOrder,
    Failed,
    Folder,
    Order,
    Reason,
    Result,
    Store,
    VerifyOrder,
)
from zkoperator.backup.source import read_tree
from zkoperator.backup.stores.folder import FolderStore, sync_directory
from zkoperator.backup.stores.port import ObjectStore
from zkoperator.backup.tree_store import TreeStore
from zkoperator.errors import ForbiddenError, TransientError, ZkOperatorError

logger = logging.getLogger(__name__)

_ABANDONED: Final = timedelta(days=1)
"""No Job runs as long as this. What has no manifest after it is not going to have one."""
_ROOT_PATH: Final = "/"


@dataclass(slots=True)
class _Work:
    """What is being done, for the message of a deadline."""

    doing: str = "asking the store"
    reason: Reason = Reason.STORAGE_REFUSED


async def carry_out(order: Order) -> Result:
    """Do what is ordered; whatever hinders it is the result."""
    work = _Work()
    try:
        async with asyncio.timeout(order.deadline_s):
            return await _carry_out(order, work)
    except TimeoutError:
        return Failed(work.reason, f"not done within {order.deadline_s} s; the last it did: {work.doing}")
    except BackupError as error:
        return Failed(error.reason, str(error))
    except ZkOperatorError as error:
        return Failed(_reason_of(error), f"{work.doing}: {error}")
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", type(error).__name__)
        return Failed(Reason.STORAGE_FULL, f"the Job's volume for temporary files: {code}")


async def _carry_out(order: Order, work: _Work) -> Result:
    match order:
        case BackupOrder():
            return Complete((await _back_up(order, _archive(order.store, order.key_file), work)).backup)
        case VerifyOrder():
            return Complete((await _verify(order, _archive(order.store, order.key_file))).backup)
        case DrillOrder():
            return Complete((await _drill(order, _archive(order.store, order.key_file), work)).backup)
        case DeleteOrder():
            await _archive(order.store, None).delete(order.directory, order.uid)
            return Complete()
    assert_never(order)


async def _back_up(order: BackupOrder, archive: Archive, work: _Work) -> Manifest:
    done = await archive.find(order.directory, order.uid)
    if done is not None:
        return done
    started = _now()
    with closing(TreeStore()) as tree:
        former = await _remember(order.previous, archive, tree) if order.previous is not None else None
        work.doing, work.reason = "reading the ensemble", Reason.UNREACHABLE
        taken = await read_tree(order.source, tree, former_zxid=former)
        work.doing, work.reason = "storing the backup", Reason.STORAGE_REFUSED
        manifest = await archive.save(order, taken, tree, started)
    await _sweep(order.directory, archive)
    return manifest


async def _remember(location: str, archive: Archive, tree: TreeStore) -> int | None:
    """Keep the ACLs of an earlier backup; return its zxid, None when it cannot be read."""
    try:
        manifest = await archive.manifest(location)
        async for records, acls in archive.records(manifest):
            tree.remember_acls(
                (record.path or _ROOT_PATH, record.czxid, record.aversion, acls[record.acl]) for record in records
            )
    except BackupError as error:
        logger.warning("all ACLs are read, as the previous backup cannot be: %s", error)
        tree.forget_acls()
        return None
    return int(manifest.backup.zxid, 16)


async def _sweep(directory: str, archive: Archive) -> None:
    """Delete what unfinished Jobs have left. The backup is complete, so it does not fail with this."""
    try:
        await archive.sweep(directory, _now() - _ABANDONED)
    except BackupError as error:
        logger.warning("what unfinished Jobs have left stays: %s", error)


async def _verify(order: VerifyOrder, archive: Archive) -> Manifest:
    manifest = await archive.manifest(order.location)
    if manifest.root != order.root:
        message = f"it is a backup of {manifest.root}, and one of {order.root} is needed"
        raise BackupError(Reason.INVALID, message)
    if order.target is None:
        return await archive.verified(manifest)
    return await _fetch(manifest, Path(order.target), archive)


async def _fetch(manifest: Manifest, target: Path, archive: Archive) -> Manifest:
    # The name from which a server takes zxid and compression when it starts.
    name = f"snapshot.{int(manifest.backup.zxid, 16):x}.gz"
    async with _only_file(target / name) as write:
        return await archive.verified(manifest, write.append)


async def _drill(order: DrillOrder, archive: Archive, work: _Work) -> Manifest:
    folder = Path(order.folder)
    prepare(folder, order.ports)
    work.doing = "reading the backup"
    manifest = await _fetch(await archive.manifest(order.location), folder / DATA, archive)
    work.doing, work.reason = "waiting until a server leads that starts from the copy", Reason.INVALID
    await rehearse(folder, manifest.backup.znodes, order.ports[0])
    return manifest


class _Writing:
    """A file that is being written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, data: bytes) -> None:
        """Write at the end."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


@asynccontextmanager
async def _only_file(path: Path) -> AsyncIterator[_Writing]:
    """Have a file appear under its name once it is whole and on the disk, and nothing else be in its directory.

    The group may read and write it: the member that starts with it is another user of the same group.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _make_directories(path.parent)
        for former in path.parent.iterdir():
            former.unlink()
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            yield _Writing(descriptor)
            os.fchmod(descriptor, 0o660)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        unfinished.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        reason = Reason.ACCESS_DENIED if denied else Reason.STORAGE_FULL
        raise BackupError(reason, f"{path.parent}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _make_directories(directory: Path) -> None:
    for missing in [path for path in (directory, *directory.parents) if not path.exists()][::-1]:
        missing.mkdir(exist_ok=True)
        missing.chmod(0o2770)
        sync_directory(missing.parent)


def _archive(store: Store, key_file: str | None) -> Archive:
    return Archive(_open(store), _key(key_file) if key_file is not None else None, _now)


def _open(store: Store) -> ObjectStore:
    if isinstance(store, Folder):
        return FolderStore(Path(store.path))
    # Imported here, as its library is loaded by nothing else.
    from zkoperator.backup.stores.s3 import S3Backups

    return S3Backups(store)


def _key(path: str) -> bytes:
    try:
        key = Path(path).read_bytes()
    except OSError as error:
        raise BackupError(Reason.INVALID, f"the key for encryption cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        message = f"the key for encryption has {len(key)} bytes; give {KEY_BYTES} random ones"
        raise BackupError(Reason.INVALID, message)
    return key


def _reason_of(error: ZkOperatorError) -> Reason:
    match error:
        case DidNotComeToRestError():
            return Reason.DID_NOT_COME_TO_REST
        case ForbiddenError():
            return Reason.ACCESS_DENIED
        case TransientError():
            return Reason.UNREACHABLE
        case _:
            return Reason.INVALID


def _now() -> datetime:
    return datetime.now(UTC)
