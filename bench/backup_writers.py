"""Who writes while a backup is taken: a few clients at a low rate, and one whose transactions leave traces."""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from zkoperator.backup.snapshot_record import Record
from zkoperator.zk.port import Create, Delete, Operation, Set, Zk

PROBES, PROBES_S = "/probes", 100
TRACES = "/traces"
TOGETHER, COMES_EVERY, LIVES = 10, 5, 100
_IN_FLIGHT = 128


class Probe:
    """Sets at a steady rate, however long the answers take."""

    def __init__(self, sessions: Sequence[Zk]) -> None:
        self._sessions = sessions
        self._samples: list[float] | None = None

    async def prepare(self) -> None:
        await self._sessions[0].create(Create(PROBES, b""))
        for number in range(len(self._sessions)):
            await self._sessions[0].create(Create(f"{PROBES}/{number}", b""))

    @contextmanager
    def sampling(self, samples: list[float]) -> Iterator[None]:
        """Add the milliseconds of every set that begins in the block."""
        self._samples = samples
        try:
            yield
        finally:
            self._samples = None

    async def run(self) -> None:
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(1, 1_000_000):
                await asyncio.sleep(began_s + number / PROBES_S - time.perf_counter())
                group.create_task(self._set(number % len(self._sessions)))

    async def _set(self, number: int) -> None:
        samples, began_s = self._samples, time.perf_counter()
        await self._sessions[number].set(Set(f"{PROBES}/{number}", b"x" * 100, -1))
        if samples is not None:
            samples.append((time.perf_counter() - began_s) * 1e3)


@dataclass
class Traces:
    """One client's multis at a steady rate. Each leaves its number in ten znodes, and others come and go.

    `commits` has the zxid of each number.
    """

    zk: Zk
    rate: int
    commits: dict[int, int] = field(default_factory=dict)

    async def prepare(self) -> None:
        await self.zk.multi([Create(TRACES, b""), *(Create(path, b"0") for path in _together())])

    async def run(self) -> None:
        began_s, free = time.perf_counter(), asyncio.Semaphore(_IN_FLIGHT)
        async with asyncio.TaskGroup() as group:
            for number in range(1, 10_000_000):
                if (early_s := began_s + number / self.rate - time.perf_counter()) > 0:
                    await asyncio.sleep(early_s)
                await free.acquire()
                group.create_task(self._write(number, free))

    async def _write(self, number: int, free: asyncio.Semaphore) -> None:
        self.commits[number] = (await self.zk.multi(transaction(number))).zxid
        free.release()


def transaction(number: int) -> list[Operation]:
    """What the multi with this number does."""
    operations: list[Operation] = [Set(path, b"%d" % number, -1) for path in _together()]
    if number % COMES_EVERY == 0:
        operations.append(Create(f"{TRACES}/new-{number}", b""))
        if number > LIVES:
            operations.append(Delete(f"{TRACES}/new-{number - LIVES}", -1))
    return operations


def is_exact(found: Collection[Record], zxid: int, commits: Mapping[int, int]) -> bool:
    """Whether the traces in a backup are those of all multis up to its zxid, and of none after it."""
    together = [record for record in found if record.path in _together()]
    numbers = {int(record.data or b"0") for record in together}
    if len(together) != TOGETHER or len(numbers) != 1:
        return False
    (number,) = numbers
    last = max((each for each, committed in commits.items() if committed <= zxid), default=0)
    is_last = number == last and {record.mzxid for record in together} == {commits.get(number)}
    return is_last and {record.path for record in found if "/new-" in record.path} == _alive(number)


def _alive(number: int) -> set[str]:
    newest = number - number % COMES_EVERY
    first = max(newest - LIVES + COMES_EVERY, COMES_EVERY)
    return {f"{TRACES}/new-{each}" for each in range(first, newest + 1, COMES_EVERY)}


def _together() -> list[str]:
    return [f"{TRACES}/t{number}" for number in range(TOGETHER)]
