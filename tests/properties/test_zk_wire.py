"""The reader of a connection takes any bytes in any pieces."""

import asyncio
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkoperator.errors import TooLargeError, ZkOperatorError
from zkoperator.zk import wire
from zkoperator.zk.connection import REPLY_LIMIT_BYTES, SKIPPED_LIMIT_BYTES, Call, Connection
from zkoperator.zk.port import Create, EventType, Stat, ZnodeEvent

ESTABLISHED = struct.pack("!iiqi16sB", 0, 30_000, 7, 16, b"p" * 16, 0)
STAT = Stat(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)


class Line(asyncio.Transport):
    """A transport to nowhere."""

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        pass


def framed(body: bytes) -> bytes:
    return struct.pack("!i", len(body)) + body


def data_reply(xid: int, data: bytes) -> bytes:
    return framed(
        struct.pack("!iqi", xid, 100 + xid, 0)
        + struct.pack("!i", len(data))
        + data
        + struct.pack("!qqqqiiiqiiq", *STAT)
    )


def notification(path: str) -> bytes:
    encoded = path.encode()
    return framed(struct.pack("!iqi", -1, 5, 0) + struct.pack("!iii", 3, 3, len(encoded)) + encoded)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        if data[start:end]:
            yield data[start:end]


def opened(
    calls: int, limit: int = REPLY_LIMIT_BYTES
) -> tuple[Connection, list[ZnodeEvent], list["asyncio.Future[Any]"]]:
    heard: list[ZnodeEvent] = []
    connection = Connection(b"", heard.append, lambda zxid: None, limit)
    connection.connection_made(Line())
    futures: list[asyncio.Future[Any]] = []
    for number in range(calls):
        call = Call(wire.get(f"/{number}"), asyncio.get_running_loop().create_future(), 1e12)
        futures.append(call.future)
        connection.send(call)
    return connection, heard, futures


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.binary(max_size=300), max_size=6),
    paths=st.lists(st.sampled_from(("/a", "/ü/☃")), max_size=4),
    cuts=st.lists(st.integers(0, 5000), max_size=12),
)
async def test_replies_and_events_come_out_whole_however_the_stream_is_cut(
    values: list[bytes], paths: list[str], cuts: list[int]
) -> None:
    connection, heard, futures = opened(len(values))
    stream = framed(ESTABLISHED)
    stream += b"".join(data_reply(number + 1, value) for number, value in enumerate(values))
    stream += b"".join(map(notification, paths))
    for piece in pieces(stream, cuts):
        connection.data_received(piece)
    assert [(future.result().data, future.result().zxid) for future in futures] == [
        (value, 101 + number) for number, value in enumerate(values)
    ]
    assert heard == [ZnodeEvent(EventType.DATA_CHANGED, path, 5) for path in paths]
    assert not connection.ended.done()
    connection.drop("end")


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=5), established=st.booleans())
async def test_noise_ends_the_connection_or_waits_and_never_escapes(
    noise: bytes, cuts: list[int], established: bool
) -> None:
    connection, _, futures = opened(3)
    if established:
        connection.data_received(framed(ESTABLISHED))
    for piece in pieces(noise, cuts):
        connection.data_received(piece)
    connection.drop("end")
    assert connection.ended.done()
    assert all(future.done() for future in futures)
    assert all(isinstance(future.exception(), ZkOperatorError) for future in futures if future.exception())


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200), opcode=st.sampled_from(("get", "children", "multi", "create", "exists")))
async def test_a_reply_that_cannot_be_read_fails_its_call_and_the_connection(body: bytes, opcode: str) -> None:
    connection, _, _ = opened(0)
    connection.data_received(framed(ESTABLISHED))
    requests = {
        "get": wire.get("/a"),
        "children": wire.children("/a"),
        "multi": wire.multi([]),
        "create": wire.create(Create("/a", b"")),
        "exists": wire.exists("/a"),
    }
    call = Call(requests[opcode], asyncio.get_running_loop().create_future(), 1e12)
    connection.send(call)
    connection.data_received(framed(struct.pack("!iqi", 1, 5, 0) + body))
    assert call.future.done()
    error = call.future.exception()
    assert error is None or isinstance(error, ZkOperatorError)
    connection.drop("end")


@pytest.mark.parametrize("length", [-1, -(1 << 31), SKIPPED_LIMIT_BYTES + 1, (1 << 31) - 1])
async def test_a_frame_beyond_the_limit_ends_the_connection_before_its_body_comes(length: int) -> None:
    connection, _, (future,) = opened(1)
    connection.data_received(framed(ESTABLISHED) + struct.pack("!i", length))
    assert connection.ended.done()
    assert isinstance(future.exception(), ZkOperatorError)


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.lists(st.sampled_from((0, 5, 300, 5000)), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 20_000), max_size=12),
)
async def test_a_reply_that_is_too_long_fails_its_own_call_and_no_other(sizes: list[int], cuts: list[int]) -> None:
    connection, heard, futures = opened(len(sizes), limit=250)
    stream = framed(ESTABLISHED)
    stream += b"".join(data_reply(number + 1, b"x" * size) for number, size in enumerate(sizes))
    for piece in pieces(stream + notification("/a"), cuts):
        connection.data_received(piece)
    for size, future in zip(sizes, futures, strict=True):
        if size >= 300:
            assert isinstance(future.exception(), TooLargeError)
        else:
            assert future.result().data == b"x" * size
    assert len(heard) == 1
    assert not connection.ended.done()
    connection.drop("end")


async def test_a_reply_out_of_turn_ends_the_connection() -> None:
    connection, _, futures = opened(2)
    connection.data_received(framed(ESTABLISHED) + data_reply(2, b"other"))
    assert connection.ended.done()
    assert all(future.exception() for future in futures)
