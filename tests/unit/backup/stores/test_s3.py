"""What a Job makes of a bucket that misbehaves; the answers are played on a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from testbed.processes import free_ports
from zkoperator.backup.failure import BackupError
from zkoperator.backup.order import S3, Reason
from zkoperator.backup.stores import s3
from zkoperator.backup.stores.port import ObjectStore
from zkoperator.backup.stores.s3 import S3Backups

KEY_ID = "AKIAEXAMPLE"


def answer(status: str, body: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "ETag: x", "Connection: close"]
    head += ["Last-Modified: Mon, 30 Nov 2026 12:00:00 GMT", "", body]
    return "\r\n".join(head).encode()


def refusal(status: str, code: str) -> bytes:
    """As S3 words it, with what must not be in a message."""
    secret = f"<AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256</StringToSign>"
    return answer(status, f"<Error><Code>{code}</Code><Message>no</Message>{secret}</Error>")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_SILENCE", timedelta(seconds=0.5))
    monkeypatch.setattr(s3, "_RETRIES", timedelta(seconds=1))


@pytest.fixture
def bucket(tmp_path: Path) -> S3:
    (tmp_path / "accessKeyId").write_text(KEY_ID)
    (tmp_path / "secretAccessKey").write_text("hidden")
    (port,) = free_ports("127.0.0.1", 1)
    return S3("backups", endpoint=f"http://127.0.0.1:{port}", region="us-east-1", credentials=str(tmp_path))


@asynccontextmanager
async def served(bucket: S3, reply: bytes | None) -> AsyncIterator[list[str]]:
    """A server that answers each request like this, or never."""
    heads: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if reply is None:
            await reader.read()
        else:
            writer.write(reply)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", int(bucket.endpoint.rpartition(":")[2]))
    try:
        yield heads
    finally:
        server.close()


async def read(store: ObjectStore) -> None:
    async for _ in store.read("a"):
        pass


CALLS: list[Callable[[ObjectStore], Awaitable[object]]] = [
    lambda store: store.put_new("a", b"x"),
    lambda store: store.write("a", iter([b"x"])),
    read,
    lambda store: store.list("a"),
]


async def failure(bucket: S3, call: Callable[[ObjectStore], Awaitable[object]]) -> BackupError:
    with pytest.raises(BackupError) as found:
        await asyncio.wait_for(call(S3Backups(bucket)), 60)
    assert KEY_ID not in str(found.value) and "AWS4" not in str(found.value) and "hidden" not in str(found.value)
    return found.value


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (refusal("403 Forbidden", "AccessDenied"), Reason.ACCESS_DENIED),
        (refusal("403 Forbidden", "SignatureDoesNotMatch"), Reason.ACCESS_DENIED),
        (refusal("404 Not Found", "NoSuchBucket"), Reason.STORAGE_REFUSED),
        (refusal("400 Bad Request", "InvalidRequest"), Reason.STORAGE_REFUSED),
        (refusal("507 Insufficient Storage", "XMinioStorageFull"), Reason.STORAGE_FULL),
        (None, Reason.UNREACHABLE),
    ],
    ids=["denied", "signature", "no-bucket", "bad", "full", "silent"],
)
@pytest.mark.parametrize("call", CALLS, ids=["put", "write", "read", "list"])
async def test_what_a_bucket_answers_has_its_reason_and_no_secret(
    bucket: S3, reply: bytes | None, expected: Reason, call: Callable[[ObjectStore], Awaitable[object]]
) -> None:
    async with served(bucket, reply):
        assert (await failure(bucket, call)).reason is expected


@pytest.mark.parametrize("call", CALLS, ids=["put", "write", "read", "list"])
async def test_a_bucket_that_is_not_there_cannot_be_reached(
    bucket: S3, call: Callable[[ObjectStore], Awaitable[object]]
) -> None:
    assert (await failure(bucket, call)).reason is Reason.UNREACHABLE


async def test_an_object_that_comes_in_part_is_a_failure(bucket: S3) -> None:
    async with served(bucket, answer("200 OK", "half", length=8)):
        assert (await failure(bucket, read)).reason in {Reason.STORAGE_REFUSED, Reason.UNREACHABLE}


async def test_encryption_by_the_server_is_asked_for(bucket: S3, tmp_path: Path) -> None:
    keyed = S3(
        bucket.bucket,
        endpoint=bucket.endpoint,
        region=bucket.region,
        credentials=str(tmp_path),
        server_side_encryption="aws:kms",
        kms_key_id="key-1",
    )
    async with served(bucket, answer("200 OK")) as heads:
        await S3Backups(keyed).put_new("a", b"x")
    (head,) = heads
    assert "x-amz-server-side-encryption: aws:kms\r\n" in head
    assert "x-amz-server-side-encryption-aws-kms-key-id: key-1\r\n" in head
    assert "if-none-match: *\r\n" in head


def test_credentials_that_are_not_there_are_named(bucket: S3, tmp_path: Path) -> None:
    (tmp_path / "secretAccessKey").unlink()
    with pytest.raises(BackupError, match="secretAccessKey") as found:
        S3Backups(bucket)
    assert found.value.reason is Reason.INVALID
