"""Our session against kazoo bridged to asyncio, on the same server in the same run: `python -m bench.zk_session`.

Both are used the way an operator has to use them: from coroutines, with a bounded window of requests. kazoo is bridged
without a thread for each call (`rawlink` and `call_soon_threadsafe`), and gets the recursive watch that it lacks from a
small subclass. Rounds alternate between the two; the median round counts. Events are measured as they are taken in: the
client does not read until the server has committed all changes, so that neither the writer nor the server is what is
measured. The delay from a set to its event is that of one client writing and another one of its kind watching.
"""

import asyncio
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from kazoo.client import KazooClient
from kazoo.protocol.connection import ConnectionHandler
from kazoo.protocol.serialization import Watch, int_struct, write_string

from bench.figures import Figure, percentile
from testbed.zookeepers import Ensemble
from zkoperator.zk.port import Create, Set, Zk, ZnodeEvent
from zkoperator.zk.session import ZkSession, connect

ROOT = "/bench"
NODES = 100
VALUE = b"x" * 200
WINDOW = 128
ROUNDS = 3
READS, WRITES, BURSTS, PROBES = 8_000, 3_000, 100, 400
THROUGHPUT_GOAL, LATENCY_GOAL = 4.0, 0.5


class Contender(Protocol):
    """What is measured of either client."""

    async def get(self, path: str) -> object: ...
    async def set(self, path: str, data: bytes) -> object: ...
    async def watch(self, path: str, listener: Callable[[str], None]) -> None: ...
    def hold(self) -> None: ...
    def release(self) -> None: ...


class Ours:
    """The session of this package."""

    def __init__(self, zk: ZkSession) -> None:
        self._zk = zk

    async def get(self, path: str) -> object:
        return await self._zk.get(path)

    async def set(self, path: str, data: bytes) -> object:
        return await self._zk.set(Set(path, data, -1))

    async def watch(self, path: str, listener: Callable[[str], None]) -> None:
        def heard(event: ZnodeEvent) -> None:
            listener(event.path)

        self._zk.on_event(heard, under=path)
        await self._zk.add_watch(path)

    def hold(self) -> None:
        self._transport().pause_reading()

    def release(self) -> None:
        self._transport().resume_reading()

    def _transport(self) -> asyncio.Transport:
        connection = self._zk._connection
        assert connection is not None
        assert connection._transport is not None
        return connection._transport


@dataclass(frozen=True)
class AddWatch:
    """addWatch for kazoo: opcode 106, recursive."""

    path: str
    type: ClassVar[int] = 106

    def serialize(self) -> bytes:
        return bytes(write_string(self.path) + int_struct.pack(1))

    @classmethod
    def deserialize(cls, data: bytes, offset: int) -> bool:
        return True


class _Handler(ConnectionHandler):
    """Hands every notification on; the stock handler drops those that it has no one-shot watcher for."""

    listener: Callable[[str], None] | None = None

    def _read_watch_event(self, buffer: bytes, offset: int) -> None:
        watch, _ = Watch.deserialize(buffer, offset)
        if self.listener is not None:
            self.listener(watch.path)


class Kazoo:
    """kazoo, bridged to the running loop."""

    def __init__(self, hosts: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._client: Any = KazooClient(hosts, timeout=30)
        self._client._connection.__class__ = _Handler
        self._open = threading.Event()
        self._open.set()

    async def start(self) -> None:
        await asyncio.to_thread(self._client.start, 30)

    async def stop(self) -> None:
        await asyncio.to_thread(self._client.stop)
        await asyncio.to_thread(self._client.close)

    async def get(self, path: str) -> object:
        return await self._bridged(self._client.get_async(path))

    async def set(self, path: str, data: bytes) -> object:
        return await self._bridged(self._client.set_async(path, data))

    async def watch(self, path: str, listener: Callable[[str], None]) -> None:
        def heard(changed: str) -> None:
            self._open.wait()
            self._loop.call_soon_threadsafe(listener, changed)

        self._client._connection.listener = heard
        result = self._client.handler.async_result()
        self._client._call(AddWatch(path), result)
        await self._bridged(result)

    def hold(self) -> None:
        """Block kazoo's connection thread at the next event."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def _bridged(self, result: Any) -> Awaitable[object]:
        future: asyncio.Future[object] = self._loop.create_future()

        def settle() -> None:
            if not future.done():
                if result.exception is None:
                    future.set_result(result.value)
                else:
                    future.set_exception(result.exception)

        result.rawlink(lambda _: self._loop.call_soon_threadsafe(settle))
        return future


class Pair(NamedTuple):
    """Two clients of a kind, on connections of their own."""

    reader: Contender
    writer: Contender


async def run() -> Sequence[Figure]:
    """Measure everything on one server."""
    with Ensemble(1, jvm=("-Xmx512m", "-XX:TieredStopAtLevel=4")) as ensemble:
        await asyncio.to_thread(ensemble.start)
        sessions = [connect([ensemble.hosts]) for _ in range(2)]
        clients = [Kazoo(ensemble.hosts) for _ in range(2)]
        for client in clients:
            await client.start()
        await _prepare(sessions[0])
        pairs = {
            "ours": Pair(Ours(sessions[0]), Ours(sessions[1])),
            "kazoo": Pair(clients[0], clients[1]),
        }
        try:
            return await _measure(pairs, sessions[1])
        finally:
            for client in clients:
                await client.stop()
            for session in sessions:
                await session.close()


async def _prepare(zk: Zk) -> None:
    await zk.create(Create(ROOT, b""))
    for top in ("reads", "ours", "kazoo"):
        await zk.create(Create(f"{ROOT}/{top}", b""))
        await asyncio.gather(*(zk.create(Create(f"{ROOT}/{top}/{n}", VALUE)) for n in range(NODES)))


async def _measure(pairs: dict[str, Pair], neutral: Zk) -> list[Figure]:
    reads = await _alternate(lambda name: _reads_per_s(pairs[name].reader))
    cpu = await _alternate(lambda name: _cpu_us_per_read(pairs[name].reader))
    writes = await _alternate(lambda name: _writes_per_s(pairs[name].reader))
    heard = {name: _Heard() for name in pairs}
    for name, pair in pairs.items():
        await pair.reader.watch(f"{ROOT}/{name}", heard[name])
    events = await _alternate(lambda name: _events_per_s(pairs[name].reader, neutral, name, heard[name]))
    delays = await _delays_ms(pairs, heard)
    return [
        _throughput("pipelined reads", reads),
        Figure(
            "session: client's processor time for a read",
            cpu["ours"],
            "us",
            floor=cpu["kazoo"],
            floor_name="kazoo through asyncio",
        ),
        _throughput("pipelined writes", writes),
        _throughput("events of a recursive watch, taken in", events),
        _latency("set to event, p50", delays, 0.5),
        _latency("set to event, p99", delays, 0.99),
    ]


async def _alternate(measure: Callable[[str], Awaitable[float]]) -> dict[str, float]:
    rounds: dict[str, list[float]] = {"ours": [], "kazoo": []}
    for number in range(ROUNDS + 1):
        for name, results in rounds.items():
            result = await measure(name)
            # The first round warms the server's compiler for whoever comes later.
            if number:
                results.append(result)
    return {name: statistics.median(results) for name, results in rounds.items()}


async def _reads_per_s(client: Contender) -> float:
    return await _pipelined(lambda number: client.get(f"{ROOT}/reads/{number % NODES}"), READS)


async def _cpu_us_per_read(client: Contender) -> float:
    """What a busy machine cannot distort: the time of all threads of this process, the server's not included."""
    start = time.process_time()
    await _reads_per_s(client)
    return (time.process_time() - start) * 1e6 / READS


async def _writes_per_s(client: Contender) -> float:
    return await _pipelined(lambda number: client.set(f"{ROOT}/reads/{number % NODES}", VALUE), WRITES)


async def _pipelined(request: Callable[[int], Awaitable[object]], count: int) -> float:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await request(number)

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(WINDOW)))
    return count / (time.perf_counter() - start)


class _Heard:
    """Counts events and wakes whoever waits for a number of them."""

    def __init__(self) -> None:
        self.count = 0
        self._goal = 0
        self._reached = asyncio.Event()

    def __call__(self, path: str) -> None:
        self.count += 1
        if self.count >= self._goal:
            self._reached.set()

    async def more(self, number: int) -> None:
        self._goal = self.count + number
        self._reached.clear()
        await self._reached.wait()


async def _events_per_s(reader: Contender, writer: Zk, name: str, heard: _Heard) -> float:
    sets = [Set(f"{ROOT}/{name}/{number}", VALUE, -1) for number in range(NODES)]
    waiting = asyncio.create_task(heard.more(BURSTS * NODES))
    await asyncio.sleep(0)
    reader.hold()
    await asyncio.gather(*(writer.multi(sets) for _ in range(BURSTS)))
    already = heard.count
    start = time.perf_counter()
    reader.release()
    await waiting
    return (heard.count - already) / (time.perf_counter() - start)


async def _delays_ms(pairs: dict[str, Pair], heard: dict[str, _Heard]) -> dict[str, list[float]]:
    delays: dict[str, list[float]] = {name: [] for name in pairs}
    for number in range(PROBES):
        for name, pair in pairs.items():
            waiting = asyncio.create_task(heard[name].more(1))
            await asyncio.sleep(0.001)
            start = time.perf_counter()
            writing = asyncio.ensure_future(pair.writer.set(f"{ROOT}/{name}/{number % NODES}", VALUE))
            await waiting
            delays[name].append((time.perf_counter() - start) * 1000)
            await writing
    return delays


def _throughput(name: str, measured: dict[str, float]) -> Figure:
    return Figure(
        f"session: {name}",
        measured["ours"],
        "1/s",
        floor=measured["kazoo"],
        floor_name="kazoo through asyncio",
        goal=THROUGHPUT_GOAL,
        more_is_better=True,
    )


def _latency(name: str, delays: dict[str, list[float]], share: float) -> Figure:
    ours, kazoo = percentile(delays["ours"], share), percentile(delays["kazoo"], share)
    return Figure(f"session: {name}", ours, "ms", floor=kazoo, floor_name="kazoo through asyncio", goal=LATENCY_GOAL)
