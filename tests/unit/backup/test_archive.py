"""A backup is in its store whole or not at all, whatever ends the Job that writes it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.busy_tree import ensemble, superuser, whole
from zkoperator.backup import archive as archive_module
from zkoperator.backup.archive import Archive
from zkoperator.backup.exact_export import ExactExport
from zkoperator.backup.failure import BackupError
from zkoperator.backup.manifest import MANIFEST, Manifest
from zkoperator.backup.order import BackupOrder, Folder, Reason, Source, Verification
from zkoperator.backup.source import Taken
from zkoperator.backup.stores.folder import FolderStore
from zkoperator.backup.stores.port import ObjectStore, Stored
from zkoperator.backup.tree_store import TreeStore
from zkoperator.zk.hosts import Address

KEY = bytes(range(32))
DIRECTORY = "demo/main/c-1"
ORDER = BackupOrder("b-1", Source(("zk-0:2181",)), Folder("/unused"), DIRECTORY)
STARTED = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LATER = timedelta(days=2)


class Killed(BaseException):
    """The process is gone: nothing runs after it."""


class Mortal:
    """A store in whose calls the process is killed: before, in the middle of, or after the one with this number."""

    def __init__(self, store: ObjectStore, at: float) -> None:
        self._store = store
        self._at = at
        self.calls = 0

    async def write(self, name: str, pieces: Iterable[bytes]) -> None:
        known = list(pieces)

        async def half() -> None:
            await self._store.write(name, [known[0][: len(known[0]) // 2]])

        await self._call(lambda: self._store.write(name, known), half)

    async def put_new(self, name: str, data: bytes) -> None:
        async def half() -> None:
            return

        await self._call(lambda: self._store.put_new(name, data), half)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        self._die_at(self.calls)
        async for piece in self._store.read(name):
            yield piece

    async def list(self, directory: str) -> list[Stored]:
        self._die_at(self.calls)
        return await self._store.list(directory)

    async def delete(self, name: str) -> None:
        async def half() -> None:
            return

        await self._call(lambda: self._store.delete(name), half)

    async def _call(self, whole: Callable[[], Awaitable[None]], half: Callable[[], Awaitable[None]]) -> None:
        self._die_at(self.calls)
        if self.calls + 0.5 == self._at:
            await half()
            self._at = self.calls
            raise Killed
        await whole()
        self.calls += 1
        self._die_at(self.calls)

    def _die_at(self, call: int) -> None:
        """Die, and stay dead: what an `except` does then never happens."""
        if call >= self._at:
            raise Killed


def archive(store: ObjectStore, key: bytes | None = None) -> Archive:
    return Archive(store, key, lambda: STARTED)


async def tree_and_zxid(seed: int = 1) -> tuple[TreeStore, int]:
    server, _ = ensemble(seed)
    tree = TreeStore()
    return tree, await ExactExport(superuser(server), tree).run()


async def save(store: ObjectStore, order: BackupOrder = ORDER, key: bytes | None = None, seed: int = 1) -> Manifest:
    tree, zxid = await tree_and_zxid(seed)
    with closing(tree):
        return await archive(store, key).save(order, Taken(zxid, Address("zk-0", 2181), "3.9.4"), tree, STARTED)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
async def test_a_backup_holds_what_was_read(tmp_path: Path, key: bytes | None) -> None:
    server, _ = ensemble(1)
    store = FolderStore(tmp_path)
    manifest = await save(store, key=key)
    read: dict[str, object] = {}
    async for records, acls in archive(store, key).records(manifest):
        read |= {record.path or "/": (record.data, acls[record.acl]) for record in records}
    assert read == {znode.path: (znode.data, znode.acl) for znode in whole(server)}
    facts = manifest.backup
    _, zxid = await tree_and_zxid()
    assert (facts.znodes, int(facts.zxid, 16), facts.verified_at) == (len(read), zxid, "2026-11-30T12:00:00Z")
    assert facts.location == f"{DIRECTORY}/20261130T120000Z-{zxid:x}"
    assert facts.stored_bytes == (tmp_path / facts.location / manifest.data).stat().st_size
    assert await archive(store, key).find(DIRECTORY, "b-1") == manifest


async def test_what_is_encrypted_shows_no_value_and_opens_with_its_key_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    manifest = await save(store, key=KEY)
    data = (tmp_path / manifest.backup.location / manifest.data).read_bytes()
    assert b"/app" not in data and not data.startswith(b"\x1f\x8b")
    for key, reason in ((None, Reason.INVALID), (bytes(32), Reason.DIGEST_DIFFERS)):
        with pytest.raises(BackupError) as found:
            await archive(store, key).verified(manifest)
        assert found.value.reason is reason


async def every_kill(folder: Path) -> None:
    """Killed before, in, and after each call that changes the store, a Job leaves no backup or a whole one."""
    for half in range(100):
        place = folder / str(half)
        place.mkdir()
        store = FolderStore(place)
        mortal = Mortal(store, half / 2)
        done = False
        try:
            await save(mortal)
            done = True
        except Killed:
            pass
        found = await archive(store).find(DIRECTORY, "b-1")
        if found is not None:
            await archive(store).verified(found)
        assert (found is not None) or not done
        again = found or await save(store)
        await archive(store).verified(again)
        await archive(store).sweep(DIRECTORY, datetime.now(UTC) + LATER)
        assert files(place) == sorted(f"{again.backup.location}/{name}" for name in (MANIFEST, again.data)), half
        if done:
            assert half > 3
            return
    raise AssertionError("it never came to its end")


async def test_a_job_that_is_killed_at_any_write_leaves_no_backup_or_a_whole_one(tmp_path: Path) -> None:
    await every_kill(tmp_path)


async def every_kill_of_a_deletion(folder: Path) -> None:
    for half in range(100):
        place = folder / str(half)
        place.mkdir()
        store = FolderStore(place)
        other = await save(store, replace(ORDER, uid="b-2"))
        (place / other.backup.location).rename(place / DIRECTORY / "20261129T120000Z-1")
        await save(store)
        mortal = Mortal(store, half / 2)
        try:
            await archive(mortal).delete(DIRECTORY, "b-1")
            done = True
        except Killed:
            done = False
        left = files(place)
        assert all(
            len([name for name in left if name.startswith(str(Path(path).parent))]) == 2
            for path in left
            if path.endswith(MANIFEST)
        ), half
        await archive(store).delete(DIRECTORY, "b-1")
        assert files(place) == sorted(f"{DIRECTORY}/20261129T120000Z-1/{name}" for name in (MANIFEST, other.data))
        if done:
            assert half > 1
            return
    raise AssertionError("it never came to its end")


async def test_a_deletion_that_is_killed_anywhere_leaves_no_manifest_without_its_data(tmp_path: Path) -> None:
    await every_kill_of_a_deletion(tmp_path)


async def test_what_was_stored_and_is_not_what_was_written_is_no_backup(tmp_path: Path) -> None:
    class Truncating(FolderStore):
        async def write(self, name: str, pieces: Iterable[bytes]) -> None:
            await super().write(name, [b"".join(pieces)[:-10]])

    with pytest.raises(BackupError) as found:
        await save(Truncating(tmp_path))
    assert found.value.reason is Reason.DIGEST_DIFFERS
    assert files(tmp_path) == []


async def flaws_of_stored_data(folder: Path) -> None:
    async def flaw(change: Callable[[Path], object]) -> Reason | None:
        place = folder / str(len(list(folder.iterdir())))
        place.mkdir()
        store = FolderStore(place)
        manifest = await save(store)
        change(place / manifest.backup.location / manifest.data)
        try:
            await archive(store).verified(manifest)
        except BackupError as error:
            return error.reason
        return None

    other = folder / "other"
    other.mkdir()
    stranger = await save(FolderStore(other), seed=2)
    exchanged = (other / stranger.backup.location / stranger.data).read_bytes()

    def flip(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)

    assert await flaw(lambda _: None) is None
    assert await flaw(flip) is Reason.DIGEST_DIFFERS
    assert await flaw(lambda file: file.write_bytes(exchanged)) is Reason.DIGEST_DIFFERS
    assert await flaw(lambda file: file.write_bytes(file.read_bytes()[:-1])) is Reason.DIGEST_DIFFERS
    assert await flaw(lambda file: file.write_bytes(file.read_bytes() + b"x")) is Reason.DIGEST_DIFFERS
    assert await flaw(lambda file: file.unlink()) is Reason.DIGEST_DIFFERS


async def test_data_that_was_changed_exchanged_cut_or_deleted_is_noticed(tmp_path: Path) -> None:
    await flaws_of_stored_data(tmp_path)


async def test_a_manifest_whose_answer_was_lost_counts(tmp_path: Path) -> None:
    class Forgetful(FolderStore):
        async def put_new(self, name: str, data: bytes) -> None:
            await super().put_new(name, data)
            await super().put_new(name, data)

    manifest = await save(Forgetful(tmp_path))
    assert await archive(FolderStore(tmp_path)).find(DIRECTORY, "b-1") == manifest


async def test_of_two_backups_under_one_name_the_first_stays_and_the_second_leaves_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    first = await save(store)
    with pytest.raises(BackupError) as found:
        await save(store, replace(ORDER, uid="b-2"))
    assert found.value.reason is Reason.STORAGE_REFUSED
    assert files(tmp_path) == sorted(f"{first.backup.location}/{name}" for name in (MANIFEST, first.data))


async def hold_young_data(folder: Path) -> None:
    """A Job that still runs has data without a manifest."""
    store = FolderStore(folder)
    await store.write(f"{DIRECTORY}/20261130T110000Z-1/b-3.aa.snapshot.gz", [b"part"])
    await save(store)
    assert await archive(store).sweep(DIRECTORY, datetime.now(UTC) - LATER) == 0
    old = folder / DIRECTORY / "20261130T110000Z-1/b-3.aa.snapshot.gz"
    os.utime(old, (0, 0))
    assert await archive(store).sweep(DIRECTORY, datetime.now(UTC) - LATER) == 1
    assert len(files(folder)) == 2


async def test_only_what_an_unfinished_job_left_long_ago_is_swept(tmp_path: Path) -> None:
    await hold_young_data(tmp_path)


async def test_an_unverified_backup_says_so(tmp_path: Path) -> None:
    manifest = await save(FolderStore(tmp_path), replace(ORDER, verification=Verification.NONE))
    assert manifest.backup.verified_at is None


def data_first(patch: pytest.MonkeyPatch) -> None:
    insert = "names.insert(0, "
    rewritten(archive_module, "Archive.delete", insert, "names.append(")(patch)


SEEDS = [
    (
        "the manifest goes before the data",
        data_first,
        every_kill_of_a_deletion,
    ),
    (
        "the hash of the stored object",
        lambda patch: (
            rewritten(archive_module, "Archive._packed", "unpacking.stored.sha256 != manifest.stored_sha256", "False")(
                patch
            ),
            replaced(archive_module, "_compare", lambda *_: None)(patch),
        ),
        flaws_of_stored_data,
    ),
    (
        "only old data is swept",
        rewritten(archive_module, "Archive.sweep", "if data.modified < before", "if True"),
        hold_young_data,
    ),
]


@pytest.mark.parametrize(("guard", "bug", "claim"), SEEDS, ids=[guard for guard, _, _ in SEEDS])
async def test_the_seeded_bug_is_noticed(
    guard: str,
    bug: Callable[[pytest.MonkeyPatch], object],
    claim: Callable[[Path], Awaitable[None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def apply(patch: pytest.MonkeyPatch) -> None:
        bug(patch)

    noticed = Seed(guard, apply, (lambda: asserted(claim, tmp_path),))
    await noticed.is_noticed(monkeypatch)


async def asserted(claim: Callable[[Path], Awaitable[None]], folder: Path) -> None:
    try:
        await asyncio.wait_for(claim(folder), 120)
    except BackupError as error:
        raise AssertionError(str(error)) from error
