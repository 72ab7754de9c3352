"""The installed operator at rest and in a take-over; prints figures as JSON."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from bench.figures import Figure
from bench.inside.spaces import HOME, holder, metrics, space, total, usage
from tests.e2e.conftest import Space, cluster, kubectl, sync
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_story import Ensemble

CLUSTERS, SYNCS, WINDOW_S = 10, 100, 60.0
KUBE, ZOOKEEPER, PASSES = (
    "zkoperator_kube_request_seconds_count",
    "zkoperator_zookeeper_request_seconds_count",
    "zkoperator_reconcile_total",
)


async def main() -> Sequence[Figure]:
    """Nothing, one cluster, ten with a hundred ConfigSyncs; then the take-overs."""
    figures = [*await _rest("nothing to do", 0)]
    async with space() as place:
        await place.apply(cluster(3))
        await Ensemble(place).ready(3)
        figures += await _rest("1 cluster of 3", 1)
        await place.apply(*(cluster(1, name=f"one-{number}") for number in range(CLUSTERS - 1)))
        for number in range(CLUSTERS - 1):
            await Ensemble(place, f"one-{number}").ready(1, within_s=240)
        await _follow(place)
        figures += await _rest(f"{CLUSTERS} clusters, {SYNCS} ConfigSyncs", CLUSTERS)
        figures += [
            await _take_over(
                "a clean stop", 3.0, lambda pod: kubectl("-n", HOME, "delete", "pod", pod, "--wait=false")
            ),
        ]
    return figures


async def _follow(place: Space) -> None:
    """A hundred ConfigSyncs, each with a ConfigMap of its own that it pushes to the first ensemble."""
    objects = []
    for number in range(SYNCS):
        name = f"sync-{number}"
        meta = {"name": name, "labels": {"zkoperator.dev/sync": name}}
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "1", "b": "2"}})
        objects.append(sync(f"/apps/{name}", name=name))
    await place.apply(*objects)

    async def equal() -> bool:
        items = await place.items("configsyncs")
        ready = [c["status"] for i in items for c in i.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
        return ready.count("True") == SYNCS

    await eventually(equal, within_s=180, every_s=0.5)


async def _rest(what: str, clusters: int) -> list[Figure]:
    await asyncio.sleep(10)
    pod = holder()
    before, (cpu_s, _), began_s = metrics(pod), usage(pod), time.monotonic()
    await asyncio.sleep(WINDOW_S)
    after, (later_s, rss_mib), window_s = metrics(pod), usage(pod), time.monotonic() - began_s

    def grown(name: str) -> float:
        return (total(after, name) - total(before, name)) * 60 / window_s

    figures = [
        Figure(f"memory, {what}", rss_mib, "MiB"),
        Figure(f"CPU, {what}", 100 * (later_s - cpu_s) / window_s, "% of a core"),
        Figure(f"requests to the Kubernetes API, {what}", grown(KUBE), "1/min"),
    ]
    if clusters:
        figures += [
            Figure(f"requests to ZooKeeper, {what}", grown(ZOOKEEPER), "1/min"),
            Figure(f"passes, {what}", grown(PASSES), "1/min"),
        ]
    for figure in figures:
        print(f"  {figure.name}: {figure.value:.2f} {figure.unit}", file=sys.stderr, flush=True)
    return figures


async def _take_over(what: str, goal_s: float, end: Callable[[str], object]) -> Figure:
    """Seconds until another replica says that it leads."""
    before = holder()
    began_s = time.monotonic()
    await asyncio.to_thread(end, before)

    def taken() -> str:
        now = holder()
        return now if now not in ("", before) else ""

    await eventually(lambda: asyncio.to_thread(taken), within_s=60, every_s=0.1)
    return Figure(f"take-over after {what}", time.monotonic() - began_s, "s", goal=goal_s)


if __name__ == "__main__":
    print(json.dumps([asdict(figure) for figure in asyncio.run(main())]))
