"""Creates, grows, shrinks and rolls ensembles, with a client that writes all the while; prints figures as JSON."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.inside.spaces import space
from tests.e2e.conftest import Space, cluster, kubectl
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_story import Ensemble
from tests.support.worlds.ensemble_writer import Writer

BARE = Path(__file__).with_name("bare.yaml")
CREATE_GOAL_S, GROW_GOAL_S, SHRINK_GOAL_S, ROLL_GOAL_S, GAP_GOAL_S = 16.0, 12.0, 6.0, 15.0, 1.0


async def main() -> Sequence[Figure]:
    """Measure one after the other: two things at once would measure each other."""
    floor_s = await _bare()
    figures = []
    for size in (1, 3, 5):
        async with space() as place:
            figures += await _life(place, size, floor_s)
    return figures


async def _bare() -> float:
    """Seconds until three members of the bare StatefulSet are ready."""
    async with space() as place:
        began_s = time.monotonic()
        await asyncio.to_thread(kubectl, "-n", place.name, "apply", "-f", str(BARE))

        async def ready() -> bool:
            found = await place.get("statefulsets", "bare")
            return found is not None and found.get("status", {}).get("readyReplicas") == 3

        await eventually(ready, within_s=180, every_s=0.1)
        return time.monotonic() - began_s


async def _life(place: Space, size: int, floor_s: float) -> list[Figure]:
    main = Ensemble(place)
    began_s = time.monotonic()
    await place.apply(cluster(size, jvm={}))  # as users start them, not as tests do
    await main.ready(size)
    created_s = time.monotonic() - began_s
    is_floor = size == 3
    figures = [
        Figure(
            f"create to Ready, {size}",
            created_s,
            "s",
            floor=floor_s if is_floor else None,
            floor_name="bare StatefulSet of 3" if is_floor else "",
            goal=None if is_floor else CREATE_GOAL_S,
        )
    ]
    _tell(figures[-1])
    async with main.written() as writer:
        for what, goal_s, change, wanted in _changes(main, size):
            figures += await _timed(main, writer, what, goal_s, change, wanted)
    return figures


Change = Callable[[], Awaitable[Any]]


def _changes(main: Ensemble, size: int) -> list[tuple[str, float | None, Change, int]]:
    roll: Change = lambda: main.edit(config={"tickTime": "2500"})  # noqa: E731
    if size == 1:
        return [("1 -> 3", None, lambda: main.edit(replicas=3), 3), ("3 -> 1", None, lambda: main.edit(replicas=1), 1)]
    if size == 5:
        return [("full roll of 5", None, roll, 5)]
    return [
        ("full roll of 3", ROLL_GOAL_S, roll, 3),
        ("3 -> 5", GROW_GOAL_S, lambda: main.edit(replicas=5), 5),
        ("5 -> 3", SHRINK_GOAL_S, lambda: main.edit(replicas=3), 3),
    ]


async def _timed(
    main: Ensemble, writer: Writer, what: str, goal_s: float | None, change: Change, wanted: int
) -> list[Figure]:
    await asyncio.sleep(1)
    writer.reset_gap()
    began_s = time.monotonic()
    await change()
    await main.ready(wanted, within_s=240)
    took_s = time.monotonic() - began_s
    figures = [
        Figure(f"{what}, edit to Ready", took_s, "s", goal=goal_s),
        Figure(f"{what}, longest gap between acknowledged writes", writer.reset_gap(), "s", goal=GAP_GOAL_S),
        Figure(f"{what}, failed writes of a retrying client", float(writer.report.failed), "", goal=0),
    ]
    _tell(*figures)
    return figures


def _tell(*figures: Figure) -> None:
    for figure in figures:
        print(f"  {figure.name}: {figure.value:.2f} {figure.unit}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps([asdict(figure) for figure in asyncio.run(main())]))
