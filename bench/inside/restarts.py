"""Rolls an ensemble of three and tells from watches and logs where the time of each restart goes; prints JSON.

A stage ends with the mark of its name. Marks are moments of one clock, that of this process, except those from the logs
of members, which are written on the same machine where the cluster is the local one.
"""

import asyncio
import datetime
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.figures import Figure
from bench.inside.spaces import space
from tests.e2e.conftest import Space, cluster, kubectl
from tests.support.worlds.ensemble_story import Ensemble

STAGES = (
    ("asked", "the last member is ready until this one is evicted"),
    ("stopped", "eviction until its container has ended"),
    ("removed", "until its pod is removed"),
    ("made", "until the next pod is made"),
    ("scheduled", "until it has a node"),
    ("running", "until its container runs"),
    ("java", "until the JVM logs"),
    ("open", "until its port is open"),
    ("joined", "until it follows the leader or leads"),
    ("started", "until the startup probe knows"),
    ("ready", "until the pod is ready"),
)
_LOG_MARKS = (
    ("java", re.compile("QuorumPeerConfig|QuorumPeerMain")),
    ("open", re.compile("binding to port|bound to port")),
    ("joined", re.compile("Learner received UPTODATE|LEADING - LEADER ELECTION TOOK|Have quorum of supporters")),
)


@dataclass
class Watched:
    """Every event of some collections with the moment at which it was seen."""

    space: Space
    seen: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    async def follow(self, plural: str) -> None:
        path = self.space.path(plural)
        version = (await self.space.api.get(path))["metadata"]["resourceVersion"]
        while True:
            async for event in self.space.api.watch(path, version):
                version = event["object"]["metadata"]["resourceVersion"]
                self.seen.append((time.time(), event["type"], event["object"]))


async def main() -> Sequence[Figure]:
    """Roll once; the marks of every member on standard error, medians of the stages as figures."""
    async with space() as place:
        ensemble, watched = Ensemble(place), Watched(place)
        await place.apply(cluster(3, jvm={}))
        await ensemble.ready(3)
        await asyncio.sleep(5)
        watcher = asyncio.gather(*(watched.follow(kind) for kind in ("pods", "poddisruptionbudgets", "events")))
        await asyncio.sleep(1)
        began_s = time.time()
        await ensemble.edit(config={"tickTime": "2500"})
        await ensemble.ready(3, within_s=240)
        took_s = time.time() - began_s
        watcher.cancel()
        ways = [way for name in await ensemble.pods() for way in [_marks(watched, name) | _log_marks(place, name)]]
        _tell(watched, began_s)
    ways.sort(key=lambda way: way["asked"])
    stages = list(_stages(ways, began_s))
    return [
        Figure("full roll of 3, edit to Ready", took_s, "s"),
        *(Figure(f"{name}: {what}", statistics.median(found), "s") for name, what, found in stages if found),
    ]


def _marks(watched: Watched, pod: str) -> dict[str, float]:
    marks: dict[str, float] = {}
    new = ""
    for at, kind, found in watched.seen:
        if found["kind"] != "Pod" or found["metadata"]["name"] != pod:
            continue
        container = _container(found)
        if kind == "ADDED":
            new = found["metadata"]["uid"]
            marks["made"] = at
        elif found["metadata"]["uid"] != new:
            _note(marks, "asked", at, "deletionTimestamp" in found["metadata"])
            _note(marks, "stopped", at, "terminated" in (container.get("state") or {}))
            _note(marks, "removed", at, kind == "DELETED")
        else:
            conditions = {each["type"]: each["status"] for each in found["status"].get("conditions") or ()}
            _note(marks, "scheduled", at, bool(found["spec"].get("nodeName")))
            _note(marks, "running", at, "running" in (container.get("state") or {}))
            _note(marks, "started", at, bool(container.get("started")))
            _note(marks, "ready", at, conditions.get("Ready") == "True")
    return marks


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    statuses: list[dict[str, Any]] = pod.get("status", {}).get("containerStatuses") or [{}]
    return statuses[0]


def _note(marks: dict[str, float], name: str, at: float, holds: bool) -> None:
    if holds:
        marks.setdefault(name, at)


def _log_marks(place: Space, pod: str) -> dict[str, float]:
    marks: dict[str, float] = {}
    for line in kubectl("-n", place.name, "logs", pod, "--timestamps").splitlines():
        stamp, _, text = line.partition(" ")
        at = datetime.datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00").timestamp()
        for name, pattern in _LOG_MARKS:
            _note(marks, name, at, pattern.search(text) is not None)
    return marks


def _stages(ways: list[dict[str, float]], began_s: float) -> Iterator[tuple[str, str, list[float]]]:
    """The stages with their lengths; the length of one that ended before the last is below zero."""
    for name, what in STAGES:
        found = []
        for number, way in enumerate(ways):
            before = began_s if number == 0 else ways[number - 1]["ready"]
            order = [mark for mark, _ in STAGES]
            earlier = [way[mark] for mark in order[: order.index(name)] if mark in way] or [before]
            if name in way:
                found.append(way[name] - earlier[-1])
        print(f"  {name:10} {' '.join(f'{each:6.2f}' for each in found)}  {what}", file=sys.stderr)
        yield name, what, found


def _tell(watched: Watched, began_s: float) -> None:
    """Tell what else was seen, in its order."""
    for at, kind, found in watched.seen:
        status = found.get("status") or {}
        match found["kind"]:
            case "PodDisruptionBudget":
                text = f"budget allows {status.get('disruptionsAllowed')}, healthy {status.get('currentHealthy')}"
            case "Event":
                text = f"{found.get('regarding', {}).get('name')} {found['reason']}: {found.get('note', '')[:90]}"
            case _:
                container = _container(found)
                ready = {each["type"]: each["status"] for each in status.get("conditions") or ()}.get("Ready")
                state = ",".join(container.get("state") or ())
                going = " going" if "deletionTimestamp" in found["metadata"] else ""
                name, started = found["metadata"]["name"], container.get("started")
                text = f"{kind} {name}{going} {state} started={started} ready={ready}"
        print(f"  {at - began_s:7.2f} {text}", file=sys.stderr)


if __name__ == "__main__":
    print(json.dumps([asdict(figure) for figure in asyncio.run(main())]))
