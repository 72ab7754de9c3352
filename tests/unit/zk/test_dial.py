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

from zkoperator.zk import resolver
from zkoperator.zk.dial import Dialer, DialSettings
from zkoperator.zk.hosts import Address
from zkoperator.zk.resolver import resolve

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


class HungNames:
    """A name service that answers for `localhost` alone; the others' lookups hang until the end of the test."""

    def __init__(self) -> None:
        self.lookups: list[str] = []
        self.released = threading.Event()
        self._ask = socket.getaddrinfo

    def getaddrinfo(self, host: str, port: int, *rest: Any, **options: Any) -> list[Any]:
        self.lookups.append(host)
        if host != "localhost":
            self.released.wait(15)
            raise socket.gaierror("no such name")
        return list(self._ask("127.0.0.1", port, *rest, **options))


@pytest.fixture
def hung_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[HungNames]:
    names = HungNames()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    yield names
    names.released.set()
    while resolver._running:
        time.sleep(0.001)


async def _resolves(host: str, patience_s: float) -> bool:
    dialer = Dialer((Address(host, 1),), None, None, DialSettings(10, patience_s, 1 << 20))
    await dialer.dial(lambda _: None)
    return "does not resolve" not in dialer.problem


@on_both_loops
def test_names_whose_lookups_hang_keep_nobody_from_resolving_another(run: Run, hung_names: HungNames) -> None:
    async def dial() -> None:
        hung = [f"zk{number}.dead.example" for number in range(40)]
        assert not any(await asyncio.gather(*(_resolves(host, 0.1) for host in hung)))
        assert await _resolves("localhost", 5)
        assert sorted(hung_names.lookups) == sorted([*hung, "localhost"])
        hung_names.released.set()

    run(dial())


@on_both_loops
def test_a_lookup_that_hangs_is_awaited_again_and_no_other_one_begun(run: Run, hung_names: HungNames) -> None:
    async def dial() -> None:
        for _ in range(5):
            assert not await _resolves("zk.dead.example", 0.02)
        assert hung_names.lookups == ["zk.dead.example"]
        hung_names.released.set()

    run(dial())


async def test_whoever_stops_waiting_for_a_lookup_leaves_it_to_the_others(hung_names: HungNames) -> None:
    address = Address("zk.left.example", 1)
    first, second = (asyncio.create_task(resolve(address, 30)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait((first,))
    hung_names.released.set()
    with pytest.raises(socket.gaierror):
        await second
    assert hung_names.lookups == ["zk.left.example"]


async def test_an_ip_address_is_not_looked_up(hung_names: HungNames) -> None:
    assert [await resolve(Address(ip, 1), 0.02) for ip in ("10.1.2.3", "fd00::1")] == [("10.1.2.3",), ("fd00::1",)]
    assert hung_names.lookups == []


async def test_the_problem_names_each_member_in_an_order_that_does_not_change() -> None:
    problems = set()
    for _ in range(5):
        dialer = Dialer(
            tuple(Address(f"zk-{number}.invalid.", 2181) for number in (2, 1, 4, 3)),
            None,
            None,
            DialSettings(10, 3, 1 << 20),
        )
        await dialer.dial(lambda _: None)
        problems.add(dialer.problem)
    (problem,) = problems
    assert problem.startswith("zk-1.invalid.:2181: the name does not resolve; zk-2.invalid.:2181: ")
    assert problem.endswith("; 1 more do not answer")


async def test_a_member_that_refuses_the_connection_is_named_with_that_reason() -> None:
    dialer = _dialer(Address("127.0.0.1", 1))
    assert await dialer.dial(lambda _: None) is None
    assert dialer.problem.startswith("127.0.0.1:1: ")
