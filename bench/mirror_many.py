"""Many ConfigSyncs in one process: `python -m bench mirror_many`.

API server and ensemble are in memory and in this process, so that only the operator's own work is measured; what they
hold is there before the operator starts and is not counted. Every ConfigSync has a tree of ten znodes and is
in sync already, as after an upgrade of the operator.
"""

import asyncio
import ctypes
import gc
import json
import os
import statistics
import time
import tracemalloc
from pathlib import Path
from typing import Any

from bench.figures import Figure
from tests.support.fakes import kube, kube_store
from tests.support.waiting import eventually
from tests.support.worlds.mirror import NAMESPACE, World
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.mirror.observe.resource import ResourceState
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.status.reporter import Reporter, ReportState, StatusWrite
from zkoperator.zk.port import Create, Set

SYNCS = int(os.environ.get("BENCH_SYNCS", "10000"))
ZNODES = 10
CHANGES = 200
MEMORY_GOAL_MIB, START_GOAL_S, COST_GOAL = 256.0, 30.0, 1.2


def rss_mib() -> float:
    """Resident memory once everything that is free has been given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def fill(world: World, first: int, last: int) -> None:
    for number in range(first, last):
        root = f"/t{number}"
        world.write(Create(root, b""), *(Create(f"{root}/k{index}", b"v" * 20) for index in range(ZNODES - 1)))
        world.sync(f"t{number}", path=root, direction="ZooKeeperToConfigMap")
        if number % 200 == 0:
            await asyncio.sleep(0)


class Ready:
    """The ConfigSyncs that this process knows to be in sync: every status, written or not, passes here."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._write_status = Reporter.write_status

    def watch(self) -> None:
        ready, write_status = self.names, self._write_status

        async def noted(
            self: Reporter, resource: ResourceState, report: ReportState, status: dict[str, Any]
        ) -> StatusWrite:
            if status["conditions"][0]["status"] == "True":
                ready.add(resource.raw["metadata"]["name"])
            return await write_status(self, resource, report, status)

        Reporter.write_status = noted  # type: ignore[method-assign]


async def all_in_sync(ready: Ready, number: int) -> None:
    await eventually(lambda: len(ready.names) >= number, within_s=1800, every_s=0.1)


async def cost_ms(world: World, trees: int) -> float:
    """CPU milliseconds of one change, with so many trees in the process."""
    costs = []
    for number in range(CHANGES):
        tree = f"t{number * 7919 % trees}"
        value = f"{trees}.{number}"
        before = time.process_time()
        world.write(Set(f"/{tree}/k0", value.encode(), -1))
        while (world.data(tree) or {}).get("k0") != value.encode():
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        costs.append((time.process_time() - before) * 1e3)
        await asyncio.sleep(0.055)
    return statistics.median(costs)


async def _allocated_mib(world: World, ready: Ready) -> float:
    """What one more start allocates and keeps. It is not timed: the tracing takes as long as the start.

    Its answers share no text with the server that holds them, as no answer of a real one does.
    """
    for module in (kube, kube_store):
        module.copy = lambda value: json.loads(json.dumps(value))  # type: ignore[attr-defined]
    ready.names.clear()
    gc.collect()
    tracemalloc.start()
    await world.start()
    await all_in_sync(ready, SYNCS)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await world.stop()
    return kept / 2**20


async def run() -> list[Figure]:
    """Measure everything once."""
    ready = Ready()
    ready.watch()
    world = World(MirrorSettings())
    await world.start()
    costs, done = {}, 0
    for number in (1, 100, SYNCS):
        await fill(world, done, number)
        done = number
        await all_in_sync(ready, number)
        await asyncio.sleep(6)
        costs[number] = await cost_ms(world, number)
    await asyncio.sleep(6)
    await world.stop()
    world.kube.operations.clear()
    ready.names.clear()
    began = time.perf_counter()
    await world.start()
    await all_in_sync(ready, SYNCS)
    started_s = time.perf_counter() - began
    assert len(world.kube.every(CONFIG_SYNCS)) == SYNCS, NAMESPACE
    writes = sum(operation.is_write for operation in world.kube.operations)
    await world.stop()
    used = await _allocated_mib(world, ready)
    sizes = f"{SYNCS:,} ConfigSyncs, {SYNCS * ZNODES:,} znodes"
    return [
        *(
            Figure(
                f"CPU of one change with {number:,} trees",
                costs[number],
                "ms",
                floor=costs[1],
                floor_name="with 1 tree",
                goal=COST_GOAL,
                curve="CPU of one change by trees",
                size=number,
            )
            for number in (1, 100, SYNCS)
        ),
        Figure(f"start until all are known to be in sync, {sizes}", started_s, "s", goal=START_GOAL_S),
        Figure(f"memory that a start takes, {sizes}", used, "MiB", goal=MEMORY_GOAL_MIB),
        Figure("writes to the API server during that start", float(writes), "", goal=0),
    ]
