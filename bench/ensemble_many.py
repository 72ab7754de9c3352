"""Many ZooKeeperClusters in one process: `python -m bench ensemble_many`.

API server, nodes and members are in memory and in this process, so that only the operator's own work is measured. One
cluster is brought to rest by the model of the tests and then copied, so that the operator finds clusters of three
members that need nothing, as after its own restart.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from bench.figures import Figure
from bench.mirror_many import rss_mib
from tests.support.fakes.kube import FakeKube
from tests.support.waiting import eventually
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble.build.children import FOLLOWED, SELECTOR, cluster_of
from zkoperator.ensemble.model.names import CLIENT_PORT
from zkoperator.ensemble.observe.store import InformedStore
from zkoperator.ensemble.plan.plan import IDLE_S
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.validate import Defaults
from zkoperator.kube.informer import Informer
from zkoperator.kube.port import (
    SECRETS,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
    Resource,
)
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain, Pass
from zkoperator.zk.port import ClientTls

CLUSTERS = int(os.environ.get("BENCH_CLUSTERS", "500"))
MEMBERS, WINDOW_S = 3, 20.0
START_GOAL_S, MEMORY_GOAL_MIB = 30.0, 256.0
_OWNERS = (ZOOKEEPER_CLUSTERS, STATEFUL_SETS)


class Members:
    """Answers for every member of every cluster what the one that was copied answers."""

    def __init__(self, original: dict[tuple[int, str], str]) -> None:
        self._original = original

    async def ask(self, host: str, port: int, word: str, tls: ClientTls | None = None) -> str:
        assert port == CLIENT_PORT
        _, high, low, member = host.split(".")
        await asyncio.sleep(0)
        return _moved(self._original[int(member), word], int(high) * 256 + int(low))


async def run() -> list[Figure]:
    """Measure a process with 1, some and all clusters."""
    original = ensemble_world(MEMBERS)
    await original.rest()
    sizes = sorted({1, max(CLUSTERS // 10, 1), CLUSTERS})
    measured = {size: await _measure(original, size) for size in sizes}
    floor = measured[1]["pass"]
    figures = []
    for size in sizes:
        found, named = measured[size], f"{size:,} clusters"
        figures += [
            Figure(
                f"CPU of an idle pass with {named}",
                found["pass"],
                "ms",
                floor=floor,
                floor_name="with 1 cluster",
                goal=1.2,
                curve="CPU of an idle pass by clusters",
                size=size,
            ),
            Figure(
                f"share of one core, idle, {named}",
                found["share"],
                "%",
                curve="share of a core by clusters",
                size=size,
            ),
            Figure(f"passes of a cluster a minute, idle, {named}", found["passes"], "1/min"),
            Figure(f"API requests of a cluster a minute, idle, {named}", found["requests"], "1/min"),
        ]
    last = measured[CLUSTERS]
    return [
        *figures,
        Figure(f"start until {CLUSTERS:,} clusters are known to be at rest", last["start"], "s", goal=START_GOAL_S),
        Figure(f"memory with {CLUSTERS:,} clusters of {MEMBERS} members", last["memory"], "MiB", goal=MEMORY_GOAL_MIB),
        Figure("writes to the API server during start and rest", last["writes"], "", goal=0),
    ]


async def _measure(original: EnsembleWorld, size: int) -> dict[str, float]:
    api, members = _copies(original, size), Members(await _answers(original))
    async with _operator(api, members) as (_, settled):
        # What bears a digest of its namespace is applied once.
        await eventually(lambda: len(settled) >= size, within_s=600, every_s=0.05)
    api.operations.clear()
    before_mib, began_s = rss_mib(), time.perf_counter()
    async with _operator(api, members) as (passes, settled):
        await eventually(lambda: len(settled) >= size, within_s=600, every_s=0.05)
        started_s = time.perf_counter() - began_s
        await asyncio.sleep(2)
        passes.clear()
        requests, cpu_s, wall_s = len(api.operations), time.process_time(), time.perf_counter()
        await asyncio.sleep(WINDOW_S)
        spent_s, window_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        asked = len(api.operations) - requests
        return {
            "pass": spent_s * 1e3 / max(len(passes), 1),
            "share": 100 * spent_s / window_s,
            "passes": len(passes) / size * 60 / window_s,
            "requests": asked / size * 60 / window_s,
            "start": started_s,
            "memory": rss_mib() - before_mib,
            "writes": float(sum(operation.is_write for operation in api.operations)),
        }


@asynccontextmanager
async def _operator(api: FakeKube, members: Members) -> AsyncIterator[tuple[list[Pass], set[Key]]]:
    """Informers, store, reconciler and loop, wired as the acting replica wires them; passes, and clusters at rest."""
    passes: list[Pass] = []
    settled: set[Key] = set()
    loop: KeyedLoop
    informers: dict[Resource, Informer] = {}

    def child_changed(kind: Resource, key: Key) -> None:
        if (cluster := cluster_of(kind, key.name)) is not None:
            loop.wake(Key(key.namespace, cluster))

    for kind in FOLLOWED:
        informers[kind] = Informer(api, kind, labels=SELECTOR, on_change=partial(child_changed, kind))
    informers[ZOOKEEPER_CLUSTERS] = Informer(api, ZOOKEEPER_CLUSTERS, on_change=lambda key: loop.wake(key))
    reconciler = EnsembleReconciler(api, InformedStore(informers), members, _NoSessions(), Defaults("zookeeper:3.9.5"))

    async def reconcile(key: Key) -> LookAgain:
        again = await reconciler.reconcile(key)
        if again != WHEN_WOKEN and again.after_s >= IDLE_S:
            settled.add(key)
        return again

    loop = KeyedLoop("ZooKeeperCluster", reconcile, report=passes.append)

    async def act() -> None:
        await asyncio.gather(*(informer.wait_synced() for informer in informers.values()))
        await loop.run()

    tasks = [*(asyncio.create_task(informer.run()) for informer in informers.values()), asyncio.create_task(act())]
    try:
        yield passes, settled
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _NoSessions:
    """Clusters at rest need no session."""

    async def open(self, hosts: Sequence[str], credential: object, tls: ClientTls | None = None) -> Any:
        raise AssertionError(f"a session with {hosts} for {credential}")


async def _answers(original: EnsembleWorld) -> dict[tuple[int, str], str]:
    members = range(1, MEMBERS + 1)
    words = ("srvr", "mntr", "conf")
    return {(m, word): await original.ask(f"10.0.0.{m}", CLIENT_PORT, word) for m in members for word in words}


def _copies(original: EnsembleWorld, size: int) -> FakeKube:
    """As many copies of everything that makes one cluster, each in a namespace of its own."""
    api = FakeKube()
    # Owners come first, as what they own names them by the uid that they get here.
    kinds = (ZOOKEEPER_CLUSTERS, STATEFUL_SETS, *(k for k in (*FOLLOWED, SECRETS) if k not in _OWNERS))
    texts = [(kind, json.dumps(manifest)) for kind in kinds for manifest in original.api.every(kind)]
    for number in range(size):
        uids: dict[str, str] = {}
        for kind, text in texts:
            manifest: Manifest = json.loads(_moved(text, number))
            before = manifest["metadata"].pop("uid")
            for reference in manifest["metadata"].get("ownerReferences", ()):
                reference["uid"] = uids[reference["uid"]]
            for field in ("resourceVersion", "managedFields", "creationTimestamp"):
                manifest["metadata"].pop(field, None)
            uids[before] = api.put(kind, manifest, manager="zkoperator")["metadata"]["uid"]
    return api


def _moved(text: str, number: int) -> str:
    """Put a text about the original into the namespace, and its pods at the addresses, of a copy."""
    text = text.replace(f'"{KEY.namespace}"', f'"n{number}"').replace(f".{KEY.namespace}.", f".n{number}.")
    return text.replace('"10.0.0.', f'"10.{number // 256}.{number % 256}.')
