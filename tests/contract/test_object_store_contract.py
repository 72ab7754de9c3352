"""What every store of backups does: the folder and the bucket of a real server alike."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testbed.buckets import ACCESS_KEY, REGION, SECRET_KEY, BucketServer
from zkoperator.backup.failure import BackupError
from zkoperator.backup.order import S3, Reason
from zkoperator.backup.stores.folder import FolderStore
from zkoperator.backup.stores.port import NameTakenError, NoObjectError, ObjectStore
from zkoperator.backup.stores.s3 import S3Backups

MB = 1024 * 1024
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="the server of buckets is a Go module")


@pytest.fixture(scope="module")
def buckets() -> Iterator[BucketServer]:
    with BucketServer() as server:
        yield server.start()


def credentials(directory: Path, access: str = ACCESS_KEY, secret: str = SECRET_KEY) -> str:
    directory.mkdir(exist_ok=True)
    (directory / "accessKeyId").write_text(f"{access}\n")
    (directory / "secretAccessKey").write_text(secret)
    return str(directory)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=needs_go)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return FolderStore(tmp_path)
    server: BucketServer = request.getfixturevalue("buckets")
    order = bucket_of(server, tmp_path)
    server.bucket(order.bucket)
    return S3Backups(order)


def bucket_of(server: BucketServer, tmp_path: Path, *, secret: str = SECRET_KEY) -> S3:
    return S3(
        f"b-{secrets.token_hex(8)}",
        prefix="team/zookeeper",
        endpoint=server.endpoint,
        region=REGION,
        credentials=credentials(tmp_path / "secret", secret=secret),
    )


async def read(store: ObjectStore, name: str) -> bytes:
    return b"".join([piece async for piece in store.read(name)])


@pytest.mark.parametrize("sizes", [[], [0], [1], [MB] * 20, [8 * MB], [3 * MB, 0, 8 * MB + 1]])
async def test_what_was_written_in_pieces_reads_back(store: ObjectStore, sizes: list[int]) -> None:
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    await store.write("a/b/data", iter(pieces))
    assert await read(store, "a/b/data") == b"".join(pieces)


async def test_a_name_is_given_once(store: ObjectStore) -> None:
    await store.put_new("a/manifest.json", b"first")
    with pytest.raises(NameTakenError):
        await store.put_new("a/manifest.json", b"second")
    assert await read(store, "a/manifest.json") == b"first"


async def test_everything_below_a_directory_is_listed_and_nothing_beside_it(store: ObjectStore) -> None:
    before = datetime.now(UTC)
    for name in ("a/b/2", "a/b/1", "a/c/d/3", "a.b/4", "ab/5"):
        await store.put_new(name, b"x" * 10)
    found = await store.list("a")
    assert [(stored.name, stored.size_bytes) for stored in found] == [("a/b/1", 10), ("a/b/2", 10), ("a/c/d/3", 10)]
    assert all(abs(stored.modified - before) < timedelta(minutes=10) for stored in found)
    assert await store.list("nothing") == []


async def test_what_was_deleted_is_gone_and_may_be_deleted_again(store: ObjectStore) -> None:
    await store.put_new("a/1", b"")
    await store.put_new("a/2", b"")
    await store.delete("a/1")
    await store.delete("a/1")
    assert [stored.name for stored in await store.list("a")] == ["a/2"]
    with pytest.raises(NoObjectError):
        await read(store, "a/1")


@needs_go
async def test_what_a_bucket_refuses_has_its_reason_and_names_no_secret(buckets: BucketServer, tmp_path: Path) -> None:
    async def refused(order: S3, call: Callable[[ObjectStore], object]) -> BackupError:
        with pytest.raises(BackupError) as error:
            await call(S3Backups(order))  # type: ignore[misc]
        assert ACCESS_KEY not in str(error.value) and "wrong" not in str(error.value)
        return error.value

    there = bucket_of(buckets, tmp_path)
    writes = [
        lambda store: store.put_new("a", b""),
        lambda store: store.write("b", iter([b"x"])),
        lambda store: store.list("a"),
        lambda store: store.delete("a"),
        lambda store: read(store, "a"),
    ]
    for call in writes:
        assert (await refused(there, call)).reason is Reason.STORAGE_REFUSED  # there is no such bucket
    wrong = bucket_of(buckets, tmp_path, secret="wrong")
    buckets.bucket(wrong.bucket)
    for call in writes:
        assert (await refused(wrong, call)).reason is Reason.ACCESS_DENIED


async def test_a_folder_that_is_not_mounted_is_no_empty_store(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "gone")
    with pytest.raises(BackupError) as listed:
        await store.list("")
    with pytest.raises(BackupError) as written:
        await store.write("a/b", iter([b""]))
    assert {listed.value.reason, written.value.reason} == {Reason.STORAGE_REFUSED}
    assert not (tmp_path / "gone").exists()


async def test_no_directory_is_left_of_what_was_deleted(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    await store.put_new("a/b/1", b"")
    (tmp_path / "a/b/.1.unfinished").write_bytes(b"part")
    assert [stored.name for stored in await store.list("")] == ["a/b/1"]
    await store.delete("a/b/1")
    assert list(tmp_path.iterdir()) == []
