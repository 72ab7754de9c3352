"""Backups of real servers, by the Job that the operator starts: `python -m bench backup`.

Three members, the Job and the clients share this machine. The writers' latency is taken with the Job as any process,
and with the Job at the lowest priority, which is about what its small CPU request gives it beside members on one node.
`BENCH_ZNODES` and `BENCH_RUNS` make it smaller.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.backup_load import Usage, fill, measured, servers_cpu_s
from bench.backup_writers import TRACES, Probe, Traces, is_exact
from bench.figures import Figure, percentile
from testbed.processes import free_ports
from testbed.zookeepers import Ensemble
from tests.support.machines.backup_jobs import Jobs, waiting_server
from zkoperator.backup.archive import Archive
from zkoperator.backup.order import DrillOrder, Facts, Folder
from zkoperator.backup.snapshot_record import Record
from zkoperator.backup.stores.folder import FolderStore
from zkoperator.zk.port import Credential, Zk
from zkoperator.zk.session import SessionSettings, connect

SETTINGS = SessionSettings(session_timeout_s=60, request_timeout_s=120)
MEMORY_GOAL_MIB, P99_GOAL = 256.0, 1.1
LOWEST = 19
MEMBERS, PROBERS = 3, 4


@dataclass(frozen=True)
class Size:
    """How much is backed up and how often; `rate` is that of the multis beside the exact backups, in one second."""

    znodes: int
    value_bytes: int
    heap_mib: int
    rounds: int
    runs: int
    rate: int = 1500


SIZE = Size(int(os.environ.get("BENCH_ZNODES", "100000")), 900, 800, 5, int(os.environ.get("BENCH_RUNS", "50")))


async def run() -> Sequence[Figure]:
    """Measure 100,000 znodes with 900 bytes each."""
    return await figures(SIZE)


async def figures(size: Size) -> list[Figure]:
    """Measure everything for one size."""
    with Ensemble(MEMBERS, jvm=(f"-Xmx{size.heap_mib}m", "-XX:TieredStopAtLevel=4")) as ensemble:
        await asyncio.to_thread(ensemble.start)
        with tempfile.TemporaryDirectory(prefix="zkoperator-bench-") as directory:
            (Path(directory) / "store").mkdir()
            backups = Backups(ensemble, Path(directory))
            async with sessions(ensemble, 1) as (zk,):
                await fill(zk, size.znodes, size.value_bytes)
            return [
                *await _at_rest(backups, size),
                *await _beside_writers(backups, size),
                *await _beside_multis(backups, size),
                await _drill(backups, ensemble, size),
            ]


@asynccontextmanager
async def sessions(ensemble: Ensemble, number: int) -> AsyncIterator[tuple[Zk, ...]]:
    """Sessions of the superuser."""
    credential = Credential("super", ensemble.password)
    opened = [connect(ensemble.hosts.split(","), credential=credential, settings=SETTINGS) for _ in range(number)]
    try:
        yield tuple(opened)
    finally:
        for session in opened:
            await session.close()


class Backups:
    """Takes one backup after another into a folder, and keeps the data of the last one only."""

    def __init__(self, ensemble: Ensemble, folder: Path) -> None:
        self.jobs = Jobs(ensemble, Folder(str(folder / "store")), folder)
        self.store = folder / "store"
        self.last: Facts | None = None
        self._numbers = itertools.count()

    async def take(self, *, knows_acls: bool, priority: int = 0) -> tuple[Facts, Usage]:
        order = self.jobs.order(f"b-{next(self._numbers)}")
        if knows_acls and self.last is not None:
            order = replace(order, previous=self.last.location)
        facts, usage = await measured(self.jobs, order, priority)
        if self.last is not None:
            await asyncio.to_thread(shutil.rmtree, self.store / self.last.location)
        self.last = facts
        return facts, usage

    def traces(self, facts: Facts) -> list[Record]:
        """The znodes of a backup that multis have written."""
        return asyncio.run(self._traces(facts))

    async def _traces(self, facts: Facts) -> list[Record]:
        archive = Archive(FolderStore(self.store), None, lambda: datetime.now(UTC))
        manifest = await archive.manifest(facts.location)
        return [
            record
            async for records, _ in archive.records(manifest)
            for record in records
            if record.path.startswith(TRACES)
        ]


async def _at_rest(backups: Backups, size: Size) -> list[Figure]:
    kinds: dict[bool, list[tuple[Facts, Usage, float]]] = {False: [], True: []}
    for _ in range(size.rounds):
        for knows_acls, taken in kinds.items():
            before_s = servers_cpu_s(backups.jobs.ensemble)
            facts, usage = await backups.take(knows_acls=knows_acls)
            taken.append((facts, usage, servers_cpu_s(backups.jobs.ensemble) - before_s))
    (first, again), what = kinds.values(), f"{size.znodes:,} znodes"
    peak = max(usage.peak_mib for _, usage, _ in (*first, *again))
    everything = "reading all ACLs"
    read_s, read_cpu_s = _median(usage.wall_s for _, usage, _ in first), _median(cpu for *_, cpu in first)
    return [
        Figure(f"size of {what}", first[0][0].bytes / 1e6, "MB"),
        Figure(f"backup of {what}", read_s, "s"),
        Figure(f"servers' CPU of a backup of {what}", read_cpu_s, "s"),
        Figure(f"Job's CPU of a backup of {what}", _median(usage.cpu_s for _, usage, _ in first), "s"),
        Figure(f"Job's memory at most, {what}", peak, "MiB", goal=MEMORY_GOAL_MIB),
        Figure(
            f"backup of {what} with the ACLs of the last one",
            _median(u.wall_s for _, u, _ in again),
            "s",
            floor=read_s,
            floor_name=everything,
        ),
        Figure(
            f"servers' CPU of a backup of {what} with the ACLs of the last one",
            _median(cpu for *_, cpu in again),
            "s",
            floor=read_cpu_s,
            floor_name=everything,
        ),
    ]


async def _beside_writers(backups: Backups, size: Size) -> list[Figure]:
    """Writers alone and beside a backup, in turns of the same length."""
    samples: dict[str, list[float]] = {"alone": [], "beside": [], "beside the lowest": []}
    async with sessions(backups.jobs.ensemble, PROBERS) as probers:
        probe = Probe(probers)
        await probe.prepare()
        writing = asyncio.create_task(probe.run())
        for _ in range(size.rounds):
            for name, priority in (("beside", 0), ("beside the lowest", LOWEST)):
                with probe.sampling(samples[name]):
                    _, usage = await backups.take(knows_acls=True, priority=priority)
                with probe.sampling(samples["alone"]):
                    await asyncio.sleep(usage.wall_s)
        await _end(writing)
    alone, names = samples.pop("alone"), ("a backup", "a backup by a Job of the lowest priority")
    return [
        Figure(
            f"set, p99, beside {name} of {size.znodes:,} znodes",
            percentile(beside, 0.99),
            "ms",
            floor=percentile(alone, 0.99),
            floor_name="without",
            goal=P99_GOAL,
        )
        for name, beside in zip(names, samples.values(), strict=True)
    ]


async def _beside_multis(backups: Backups, size: Size) -> list[Figure]:
    """Backups beside one client's multis, each compared with what that client did."""
    rates, wrong = [], 0
    async with sessions(backups.jobs.ensemble, 1) as (zk,):
        traces = Traces(zk, size.rate)
        await traces.prepare()
        writing = asyncio.create_task(traces.run())
        for _ in range(size.runs):
            before = len(traces.commits)
            facts, usage = await backups.take(knows_acls=True)
            rates.append((len(traces.commits) - before) / usage.wall_s)
            found = await asyncio.to_thread(backups.traces, facts)
            wrong += not is_exact(found, int(facts.zxid, 16), traces.commits)
        await _end(writing)
    return [
        Figure(f"multis beside backups of {size.znodes:,} znodes", _median(rates), "1/s"),
        Figure(f"backups beside multis that are not exact, of {size.runs}", wrong, "", goal=0),
    ]


async def _drill(backups: Backups, ensemble: Ensemble, size: Size) -> Figure:
    """A server that starts from the last backup, alone as on a node of its own."""
    ensemble.close()
    assert backups.last is not None
    folder = backups.store.parent / "drill" / "shared"
    folder.mkdir(parents=True)
    ports = tuple(free_ports("127.0.0.1", 3))
    order = DrillOrder(backups.jobs.store, backups.last.location, str(folder), ports, deadline_s=900)
    with waiting_server(folder):
        _, usage = await measured(backups.jobs, order)
    return Figure(f"drill of {size.znodes:,} znodes", usage.wall_s, "s")


async def _end(writing: "asyncio.Task[None]") -> None:
    if writing.done():
        writing.result()  # it never ends but by an error
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


def _median(values: Iterable[float]) -> float:
    return median(list(values))
