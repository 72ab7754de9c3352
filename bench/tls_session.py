"""CPU of a session through TLS against plaintext, of the server and of the operator: `python -m bench tls_session`.

Both ports are those of one server (by Netty, as everywhere with TLS), the client is the operator's own session, and
batches of both alternate: processor time, which other load on the machine hardly distorts. The median batch counts.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.mirror_tls import HOST, secured
from testbed.processes import free_ports
from testbed.zookeepers import Ensemble
from tests.support.models.foreign_pki import authority, pem
from zkoperator.zk.port import ClientTls, Create
from zkoperator.zk.session import ZkSession, connect

ROUNDS, WARM = 7, 5
"""Batches that count, and those before them in which the server's compiler gets warm."""
SESSIONS, READS, WINDOW = 200, 4_000, 32
NODE, VALUE = "/bench", b"x" * 200
_JVM = ("-Xmx512m", "-XX:TieredStopAtLevel=4")


@dataclass(frozen=True)
class Cpu:
    """Processor time of one session or read, in microseconds."""

    server: float
    client: float


@dataclass(frozen=True)
class Door:
    """One port of the server whose process this is."""

    pid: int
    hosts: str
    tls: ClientTls | None

    def connect(self) -> ZkSession:
        return connect([self.hosts], tls=self.tls)

    async def measure(self, count: int, act: Callable[[], Awaitable[object]]) -> Cpu:
        server_s, client_s = _cpu_s(self.pid), time.process_time()
        await act()
        return Cpu((_cpu_s(self.pid) - server_s) * 1e6 / count, (time.process_time() - client_s) * 1e6 / count)


async def run() -> Sequence[Figure]:
    """Open and close sessions; then read in one."""
    with tempfile.TemporaryDirectory() as directory:
        ca, port = authority("bench"), free_ports("127.0.0.1", 1)[0]
        with Ensemble(1, properties=secured(Path(directory), ca, port), jvm=_JVM) as ensemble:
            await asyncio.to_thread(ensemble.start)
            pid, address = ensemble.servers[0].pid, ensemble.servers[0].member.address
            trusted = ClientTls(pem(ca.certificate).decode(), names=((address, HOST),))
            secure, plain = Door(pid, f"{address}:{port}", trusted), Door(pid, ensemble.hosts, None)
            sessions = await _alternate(secure, plain, lambda door: door.measure(SESSIONS, lambda: _sessions(door)))
            reads = await _reads(secure, plain)
    return [*figures("a session opened, used once and closed", *sessions), *figures("a read", *reads)]


async def _sessions(door: Door) -> None:
    for _ in range(SESSIONS):
        session = door.connect()
        await session.exists("/")
        await session.close()


async def _reads(secure: Door, plain: Door) -> tuple[list[Cpu], list[Cpu]]:
    open_sessions = {door: door.connect() for door in (secure, plain)}
    try:
        await open_sessions[plain].create(Create(NODE, VALUE))
        await open_sessions[secure].sync(NODE)
        return await _alternate(secure, plain, lambda door: door.measure(READS, lambda: _read(open_sessions[door])))
    finally:
        for session in open_sessions.values():
            await session.close()


async def _read(session: ZkSession) -> None:
    numbers = iter(range(READS))

    async def work() -> None:
        for _ in numbers:
            await session.get(NODE)

    await asyncio.gather(*(work() for _ in range(WINDOW)))


async def _alternate(
    secure: Door, plain: Door, measure: Callable[[Door], Awaitable[Cpu]]
) -> tuple[list[Cpu], list[Cpu]]:
    rounds = [(await measure(secure), await measure(plain)) for _ in range(WARM + ROUNDS)][WARM:]
    return [each for each, _ in rounds], [each for _, each in rounds]


def figures(what: str, secure: Sequence[Cpu], plain: Sequence[Cpu]) -> list[Figure]:
    """The medians of both ends, each beside that of the plain port."""
    pairs = {
        "member": ([each.server for each in secure], [each.server for each in plain]),
        "operator": ([each.client for each in secure], [each.client for each in plain]),
    }
    return [
        Figure(
            f"CPU of the {who} for {what}, through TLS",
            statistics.median(ours),
            "us",
            floor=statistics.median(floor),
            floor_name="in plaintext",
        )
        for who, (ours, floor) in pairs.items()
    ]


def _cpu_s(pid: int) -> float:
    """Processor seconds of all threads of a process: the clock that clock_getcpuclockid(3) names."""
    return time.clock_gettime(~pid << 3 | 2)
