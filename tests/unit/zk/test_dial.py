"""How a dialer goes about what servers and name services do, on both event loops."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop

from zkoperator.zk.dial import Dialer, DialSettings
from zkoperator.zk.hosts import Address

Run = Callable[[Coroutine[Any, Any, None]], None]
EXPIRED = (0, 0)
RENEWED = (10_000, 7)
on_both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


def _established(timeout_ms: int, session_id: int) -> bytes:
    body = struct.pack("!iiq", 0, timeout_ms, session_id) + struct.pack("!i", 16) + bytes(16) + b"\0"
    return struct.pack("!i", len(body)) + body


@contextmanager
def hasty_server(*answers: tuple[int, int]) -> Iterator[tuple[Address, list[int]]]:
    """Give each connection the next answer and close at once; the session ids that were offered are noted."""
    listening, offered = socket.create_server(("127.0.0.1", 0)), list[int]()

    def serve() -> None:
        for answer in answers:
            peer, _ = listening.accept()
            with peer:
                offered.append(struct.unpack_from("!q", peer.recv(4096), 20)[0])
                peer.sendall(_established(*answer))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listening:
        yield Address(*listening.getsockname()), offered
    thread.join(10)


def _dialer(address: Address) -> Dialer:
    return Dialer((address,), None, None, DialSettings(10, 3, 1 << 20))


async def _busy() -> None:
    """Keep the loop so long that an answer and the end behind it arrive in one turn."""
    while True:
        time.sleep(0.02)
        await asyncio.sleep(0)


@on_both_loops
def test_an_expired_session_is_renewed_although_the_server_closes_right_behind_its_answer(run: Run) -> None:
    async def dial(address: Address) -> None:
        dialer, busy = _dialer(address), asyncio.create_task(_busy())
        dialer.identity.session_id, dialer.identity.password = 5, b"x" * 16
        await dialer.dial(lambda _: None)
        busy.cancel()
        assert dialer.identity.session_id == 7

    with hasty_server(EXPIRED, RENEWED) as (address, offered):
        run(dial(address))
        assert offered == [5, 0]


@on_both_loops
def test_a_session_that_was_given_is_kept_although_its_connection_ended_at_once(run: Run) -> None:
    async def dial(address: Address) -> None:
        dialer, busy = _dialer(address), asyncio.create_task(_busy())
        connection = await dialer.dial(lambda _: None)
        busy.cancel()
        assert connection is not None
        assert await connection.ended == "the server closed the connection"
        assert dialer.identity.session_id == 7

    with hasty_server(RENEWED) as (address, _):
        run(dial(address))
