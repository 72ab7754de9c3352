"""The operator is killed at every write it makes, before and after it took effect, in every part of a cluster's life.

The end must be that of an undisturbed run, with no object created or deleted more often.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.ensemble_stage import KEY, Lagging, Stage, stage
from tests.support.ensemble_world import BETTER
from zkoperator.errors import ConflictError, TransientError
from zkoperator.kube.port import (
    CONFIG_MAPS,
    EVENTS,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)

Change = Callable[[Stage], None]
_OURS = (
    CONFIG_MAPS,
    SERVICES,
    STATEFUL_SETS,
    POD_DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    ZOOKEEPER_CLUSTERS,
)
_VARYING = ("uid", "resourceVersion", "managedFields", "generation", "creationTimestamp")


@dataclass(frozen=True)
class Chapter:
    """One part of a life: what there is before, and what is asked for."""

    replicas: int
    change: Change | None
    spec: dict[str, Any]


def _policy(when: str, **more: Any) -> dict[str, Any]:
    return {"storage": {"retention": {when: "Delete"}}, **more}


CHAPTERS: dict[str, Chapter] = {
    "create": Chapter(3, None, {}),
    "grow": Chapter(3, lambda play: play.ask_for(replicas=5), {}),
    "grow from one": Chapter(1, lambda play: play.ask_for(replicas=3), {}),
    "shrink": Chapter(5, lambda play: play.ask_for(replicas=3), _policy("whenScaled")),
    "shrink to one": Chapter(3, lambda play: play.ask_for(replicas=1), {}),
    "roll": Chapter(3, lambda play: play.ask_for(config={"tickTime": "3000"}), {}),
    "upgrade": Chapter(3, lambda play: play.ask_for(image=BETTER), {}),
    "delete": Chapter(3, lambda play: play.api.remove(ZOOKEEPER_CLUSTERS, *KEY), _policy("whenDeleted")),
}


async def _begin(chapter: Chapter) -> Stage:
    play = stage(chapter.replicas, **chapter.spec)
    if chapter.change is not None:
        await play.rest()
        play.made.clear()
        play.restarts.clear()
        chapter.change(play)
    play.writes = 0
    return play


async def _end(play: Stage) -> None:
    if play.cluster() is not None:
        await play.rest()
        return
    for _ in range(5):
        await play.turn()


def _state(play: Stage) -> str:
    found = {f"{r.plural}/{m['metadata']['name']}": _plain(m) for r in _OURS for m in play.api.every(r)}
    return json.dumps(found, sort_keys=True, indent=1)


def _plain(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _VARYING}
    metadata["ownerReferences"] = [{**ref, "uid": ""} for ref in metadata.get("ownerReferences", ())]
    plain = {**manifest, "metadata": metadata}
    if manifest.get("kind") == "Secret":
        plain["data"] = sorted(manifest["data"])
    if "status" in plain:
        # Which member leads, when a condition changed and how many writes there were is not the operator's doing.
        kept = ("replicas", "readyReplicas", "bootstrap", "observedGeneration", "hosts", "endpoint")
        status = plain["status"]
        plain["status"] = {key: status[key] for key in kept if key in status}
        plain["status"]["conditions"] = sorted((c["type"], c["status"]) for c in status.get("conditions", ()))
    return _without_digests(plain)


def _without_digests(manifest: Manifest) -> Manifest:
    """The password is random, and pods bear a digest of it."""
    text = json.dumps(manifest)
    for part in (manifest, manifest.get("spec", {}).get("template", {})):
        revision = part.get("metadata", {}).get("annotations", {}).get("zkoperator.dev/revision")
        text = text.replace(revision, "-") if revision else text
    plain: Manifest = json.loads(text)
    return plain


async def _killed_at(name: str, chosen: Callable[[int, bool], bool]) -> int:
    """Kill at the chosen writes, each in a run of its own; returns the number of runs."""
    chapter, runs = CHAPTERS[name], 0
    calm = await _begin(chapter)
    await _end(calm)
    expected, made, writes = _state(calm), Counter(calm.made), calm.writes
    assert writes >= 5 or name == "delete"
    for number in range(writes):
        for after in filter(lambda after: chosen(number, after), (False, True)):
            play, runs = await _begin(chapter), runs + 1
            play.kill_at = (number, after)
            await _end(play)
            assert _state(play) == expected, f"killed {'after' if after else 'before'} write {number}"
            # A creation that took effect just before the end of its author is not in the author's book.
            assert not Counter(play.made) - made, f"made more often when killed at write {number}"
            assert play.reconfigurations == calm.reconfigurations
            assert play.founded == 1
    return runs


@pytest.mark.parametrize("name", CHAPTERS)
async def test_killed_at_a_write_the_end_is_the_same(name: str) -> None:
    offset = sum(map(ord, name))
    await _killed_at(name, lambda number, after: (2 * number + after + offset) % 5 == 0)


@pytest.mark.exhaustive
async def test_killed_at_any_write_the_end_is_the_same() -> None:
    runs = {name: await _killed_at(name, lambda *_: True) for name in CHAPTERS}
    assert sum(runs.values()) > 200, runs


@pytest.mark.parametrize("name", [name for name in CHAPTERS if name != "delete"])
async def test_a_store_that_lags_behind_changes_only_how_long_it_takes(name: str) -> None:
    chapter = CHAPTERS[name]
    calm = await _begin(chapter)
    await _end(calm)
    play = await _begin(chapter)
    play.store = Lagging(play.api, behind=3)
    play.start_operator()
    await _end(play)
    assert _state(play) == _state(calm)
    assert Counter(play.made) == Counter(calm.made)


@pytest.mark.parametrize("name", [name for name in CHAPTERS if name != "delete"])
@pytest.mark.parametrize("every", [2, 3, 5])
async def test_conflicts_and_lost_requests_change_only_how_long_it_takes(name: str, every: int) -> None:
    chapter = CHAPTERS[name]
    calm = await _begin(chapter)
    await _end(calm)
    play = await _begin(chapter)
    hook, asked = play.api.before, [0]

    def storm(operation: Any) -> None:
        asked[0] += 1
        if asked[0] % every == 0 and asked[0] < 60:
            raise ConflictError("somebody was faster") if operation.is_write else TransientError("away")
        hook(operation)

    play.api.before = storm
    await _end(play)
    assert _state(play) == _state(calm)
    assert Counter(play.made) == Counter(calm.made)


async def _both(play: Stage, turns: int) -> None:
    """Two operators without a lease, turn and turn about."""
    first = play.operator
    play.start_operator()
    second = play.operator
    for number in range(turns):
        play.operator = (first, second)[number % 2]
        await play.turn()


@pytest.mark.parametrize("name", [name for name in CHAPTERS if name != "delete"])
async def test_two_operators_at_once_do_no_harm(name: str) -> None:
    chapter = CHAPTERS[name]
    calm = await _begin(chapter)
    await _end(calm)
    play = await _begin(chapter)
    await _both(play, 80)
    await _end(play)
    assert _state(play) == _state(calm)
    assert Counter(play.made) == Counter(calm.made)
    assert play.reconfigurations == calm.reconfigurations


async def test_events_are_few() -> None:
    play = await _begin(CHAPTERS["roll"])
    before = len(play.api.every(EVENTS))
    await _end(play)
    assert len(play.api.every(EVENTS)) - before <= 15
