"""How a session goes about servers that take it and break off, against a wire that does just that."""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.support.waiting import eventually
from zkoperator.runtime.backoff import Backoff
from zkoperator.zk.port import Credential
from zkoperator.zk.session import SessionSettings, connect

AUTH_FAILED = struct.pack("!iiqi", 16, -4, 0, -115)


def established(number: int) -> bytes:
    body = struct.pack("!iiq", 0, 10_000, number) + struct.pack("!i", 16) + bytes(16) + b"\0"
    return struct.pack("!i", len(body)) + body


class Pauses:
    """A back-off that notes the longest pause that it would make, and makes none."""

    def __init__(self) -> None:
        self.longest_s: list[float] = []
        self.backoff = Backoff(first_s=1, limit_s=8, uniform=self._note)

    def _note(self, _: float, longest_s: float) -> float:
        self.longest_s.append(longest_s)
        return 0.001


@asynccontextmanager
async def server(behave: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Take every session, do as told and end the connection."""
    sessions = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sessions
        sessions += 1
        await reader.read(4096)
        writer.write(established(sessions))
        await behave(writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()


async def refuse(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.sleep(0.01)  # a segment of its own: the session is taken first
    writer.write(AUTH_FAILED)


async def test_a_session_whose_credential_is_refused_dials_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "zkoperator.zk")
    pauses = Pauses()
    async with server(refuse) as host:
        settings = SessionSettings(backoff=pauses.backoff)
        zk = connect([host], credential=Credential("alice", "wonder"), settings=settings)
        try:
            await eventually(lambda: len(pauses.longest_s) > 5)
        finally:
            await zk.close()
    assert pauses.longest_s[:5] == [1, 2, 4, 8, 8]
    assert [record.getMessage() for record in caplog.records] == [
        f"new session 0x1 on {host}",
        "lost the connection of session 0x1: the credential was refused",
    ]


async def test_a_session_whose_connection_has_lasted_is_dialled_again_at_once() -> None:
    pauses, lost = Pauses(), 0

    async def end(_: asyncio.StreamWriter) -> None:
        nonlocal lost
        await asyncio.sleep(0.01)
        lost += 1

    async with server(end) as host:
        zk = connect([host], settings=SessionSettings(backoff=pauses.backoff, settled_s=0))
        try:
            await eventually(lambda: lost > 3)
        finally:
            await zk.close()
    assert pauses.longest_s == []
