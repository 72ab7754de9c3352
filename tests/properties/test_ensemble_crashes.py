"""The operator is killed at every write it makes, before and after it took effect, in every part of a cluster's life.

The end must be that of an undisturbed run, with no object created or deleted more often.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import BETTER
from tests.support.worlds.certified import BOTH
from tests.support.worlds.ensemble import KEY, EnsembleWorld, Lagging, ensemble_world
from tests.support.worlds.ensemble_rivals import Rivals
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.ensemble.build.certificates import BUNDLE_KEY
from zkoperator.ensemble.model.names import CERTIFICATES, MADE_WITH, REPLACE_VOLUME, REVISION, WRITTEN
from zkoperator.ensemble.model.tls import NO_TLS
from zkoperator.ensemble.observe.certificates import MAX_AGE_S
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.steps import RestartPod
from zkoperator.ensemble.validate import ValidatedCluster
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

Change = Callable[[EnsembleWorld], None]
Meanwhile = Callable[[EnsembleWorld], Awaitable[None]]
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


async def _nothing(_: EnsembleWorld) -> None:
    return


_VARYING = ("uid", "resourceVersion", "managedFields", "generation", "creationTimestamp")


@dataclass(frozen=True)
class Chapter:
    """One part of a life: what there is before, and what is asked for, one thing after another.

    `half` says when a change is not waited for any longer, and the next one is asked for; None: when it is done.
    """

    replicas: int
    changes: tuple[Change, ...] = ()
    spec: dict[str, Any] = field(default_factory=dict)
    half: Callable[[EnsembleWorld], bool] | None = None


OUTSIDE: dict[str, Any] = {
    "type": "LoadBalancer",
    "perMember": False,
    "plaintext": "Allowed",
    "hostnames": "zk-{ordinal}.example.com",
}


def _policy(when: str) -> dict[str, Any]:
    return {"storage": {"retention": {when: "Delete"}}}


def _asking(**spec: Any) -> Change:
    return lambda world: world.ask_for(**spec)


def _later(**duration: float) -> Change:
    """Let so much time pass, and so much that Secrets are read again."""

    def change(world: EnsembleWorld) -> None:
        world.today += timedelta(**duration)
        world.clock.seconds += MAX_AGE_S

    return change


def _without_ca(world: EnsembleWorld) -> None:
    """Delete the CA, as a person does whose key may have been read."""
    world.api.remove(SECRETS, "demo", "main-zk-ca")
    world.clock.seconds += MAX_AGE_S


def _replace_volume(world: EnsembleWorld) -> None:
    found = world.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", "data-main-zk-1")
    assert found is not None
    text = f"main-zk-1={found['metadata']['uid']}"
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {REPLACE_VOLUME: text}}})


def _one_has_tls(world: EnsembleWorld) -> bool:
    return any(pod.tls != NO_TLS for pod in world.pods.values())


PLAIN: dict[str, Chapter] = {
    "create": Chapter(3),
    "grow": Chapter(3, (_asking(replicas=5),)),
    "grow from one": Chapter(1, (_asking(replicas=3),)),
    "shrink": Chapter(5, (_asking(replicas=3),), _policy("whenScaled")),
    "shrink to one": Chapter(3, (_asking(replicas=1),)),
    "shrink and grow again": Chapter(3, (_asking(replicas=1), _asking(replicas=3)), _policy("whenScaled")),
    "shrink to one of two and grow again": Chapter(
        2, (_asking(replicas=1), _asking(replicas=2)), _policy("whenScaled")
    ),
    "roll": Chapter(3, (_asking(config={"tickTime": "3000"}),)),
    "upgrade": Chapter(3, (_asking(image=BETTER),)),
    "expand volumes": Chapter(3, (_asking(storage={"size": "20Gi"}),)),
    "replace a volume": Chapter(3, (_replace_volume,)),
    "another class": Chapter(
        3, (_asking(storage={"storageClassName": "fast"}),), {"storage": {"storageClassName": "a"}}
    ),
    "other attributes": Chapter(3, (_asking(storage={"volumeAttributesClassName": "gold"}),)),
    "observers come": Chapter(3, (_asking(observers={"replicas": 2}),)),
    "observers go": Chapter(3, (_asking(observers={"replicas": 0}),), {"observers": {"replicas": 2}}),
    "roll with observers": Chapter(3, (_asking(config={"tickTime": "3000"}),), {"observers": {"replicas": 2}}),
    "external access comes": Chapter(3, (_asking(externalAccess=OUTSIDE),)),
    "external access goes": Chapter(3, (_asking(externalAccess=None),), {"externalAccess": OUTSIDE}),
    "external access for each": Chapter(
        3, (_asking(externalAccess={**OUTSIDE, "perMember": True}),), {"externalAccess": OUTSIDE}
    ),
    "shrink with external access": Chapter(
        3, (_asking(replicas=1),), {"externalAccess": {**OUTSIDE, "perMember": True}}
    ),
    "delete": Chapter(3, (lambda world: world.api.remove(ZOOKEEPER_CLUSTERS, *KEY),), _policy("whenDeleted")),
}
CHANGE_OF_MIND = "TLS on and a change of mind"
WITH_TLS: dict[str, Chapter] = {
    "TLS on": Chapter(3, (_asking(tls=BOTH),)),
    "TLS off": Chapter(3, (_asking(tls=None),), {"tls": BOTH}),
    CHANGE_OF_MIND: Chapter(3, (_asking(tls=BOTH), _asking(tls=None)), half=_one_has_tls),
    "renewal": Chapter(1, (_later(days=61),), {"tls": BOTH}),
    "another CA": Chapter(1, (_without_ca, _later(minutes=4), _later(minutes=65)), {"tls": BOTH}),
    "grow with TLS": Chapter(1, (_asking(replicas=3),), {"tls": BOTH}),
    "shrink with TLS": Chapter(3, (_asking(replicas=1),), {"tls": BOTH}),
    "upgrade with TLS": Chapter(3, (_asking(image=BETTER),), {"tls": BOTH}),
}
CHAPTERS = PLAIN | WITH_TLS
LASTING = [name for name in CHAPTERS if name not in ("delete", CHANGE_OF_MIND)]
"""How far members have come when somebody changes his mind depends on who has been slow, so it is not compared."""
SEEDS_OF_RIVALS = 15
"""Ways of taking turns that are tried in each chapter: each costs some 4 s, and there are over twenty chapters."""


async def _begin(chapter: Chapter) -> EnsembleWorld:
    world = ensemble_world(chapter.replicas, **chapter.spec)
    world.protects_claims = True
    if chapter.changes:
        await world.rest()
        world.made.clear()
        world.restarts.clear()
    world.writes = 0
    return world


async def _play(world: EnsembleWorld, chapter: Chapter, meanwhile: Meanwhile = _nothing) -> None:
    """Ask for each change of the chapter, and go on when it is done."""
    changes = chapter.changes or (lambda _: None,)
    for change in changes:
        change(world)
        await meanwhile(world)
        if chapter.half is not None and change is not changes[-1]:
            await _turn_until(chapter.half, world)
        else:
            await _end(world)


async def _turn_until(moment: Callable[[EnsembleWorld], bool], world: EnsembleWorld) -> None:
    for _ in range(100):
        await world.turn()
        if moment(world):
            return
    raise AssertionError("the moment never came")


async def _end(world: EnsembleWorld) -> None:
    if world.cluster() is not None:
        await world.rest()
        return
    for _ in range(5):
        await world.turn()


def _state(world: EnsembleWorld) -> str:
    found = {f"{r.plural}/{m['metadata']['name']}": _plain(m) for r in _OURS for m in world.api.every(r)}
    return json.dumps(found, sort_keys=True, indent=1)


def _plain(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _VARYING}
    metadata["ownerReferences"] = [{**ref, "uid": ""} for ref in metadata.get("ownerReferences", ())]
    plain = {**manifest, "metadata": metadata}
    if manifest.get("kind") == "Secret":
        plain["data"] = sorted(manifest.get("data") or ())
    if BUNDLE_KEY in (manifest.get("data") or ()):
        plain["data"] = manifest["data"][BUNDLE_KEY].count("BEGIN CERTIFICATE")
    if "status" in plain:
        # Which member leads, when a condition changed and how many writes there were is not the operator's doing.
        kept = ("replicas", "readyReplicas", "bootstrap", "observedGeneration", "hosts", "endpoint", "externalHosts")
        status = plain["status"]
        plain["status"] = {key: status[key] for key in kept if key in status}
        plain["status"]["conditions"] = sorted((c["type"], c["status"]) for c in status.get("conditions", ()))
    return _without_digests(plain)


def _without_digests(manifest: Manifest) -> Manifest:
    """The password is random, and pods bear a digest of it; certificates begin when they are made."""
    text = json.dumps(manifest)
    for part in (manifest, manifest.get("spec", {}).get("template", {})):
        annotations = part.get("metadata", {}).get("annotations", {})
        found = [annotations.get(key) for key in (REVISION, MADE_WITH, CERTIFICATES)]
        found += [moment for key, moment in annotations.items() if key.startswith(WRITTEN)]
        for varying in filter(None, found):
            text = text.replace(varying, "-")
    plain: Manifest = json.loads(text)
    return plain


async def _killed_at(name: str, chosen: Callable[[int, bool], bool]) -> int:
    """Kill at the chosen writes, each in a run of its own; returns the number of runs."""
    chapter, runs = CHAPTERS[name], 0
    calm = await _begin(chapter)
    await _play(calm, chapter)
    expected, made, writes = _state(calm), Counter(calm.made), calm.writes
    assert writes >= 5 or name == "delete"
    for number in range(writes):
        for after in filter(lambda after: chosen(number, after), (False, True)):
            world, runs = await _begin(chapter), runs + 1
            world.kill_at = (number, after)
            await _play(world, chapter)
            assert _state(world) == expected, f"killed {'after' if after else 'before'} write {number}"
            # A creation that took effect just before the end of its author is not in the author's book.
            assert not Counter(world.made) - made, f"made more often when killed at write {number}"
            assert world.reconfigurations == calm.reconfigurations
            assert world.founded == 1
    return runs


@pytest.mark.parametrize("name", CHAPTERS)
async def test_killed_at_a_write_the_end_is_the_same(name: str) -> None:
    # With TLS a run takes three times as long, and there are more writes.
    every, offset = 23 if name in WITH_TLS else 5, sum(map(ord, name))
    await _killed_at(name, lambda number, after: (2 * number + after + offset) % every == 0)


@pytest.mark.exhaustive
async def test_killed_at_any_write_the_end_is_the_same(record_property: Callable[[str, object], None]) -> None:
    runs = {name: await _killed_at(name, lambda *_: True) for name in CHAPTERS}
    record_property("kills", runs)
    print("killed", ", ".join(f"{number} times in {name!r}" for name, number in runs.items()))
    assert sum(runs.values()) > 200, runs


async def _as_in_calm(name: str, world: EnsembleWorld, meanwhile: Meanwhile = _nothing) -> None:
    """Play the chapter, and compare the end with that of an undisturbed run."""
    chapter = CHAPTERS[name]
    calm = await _begin(chapter)
    await _play(calm, chapter)
    await _play(world, chapter, meanwhile)
    assert _state(world) == _state(calm)
    assert Counter(world.made) == Counter(calm.made)
    assert world.reconfigurations == calm.reconfigurations


@pytest.mark.parametrize("name", LASTING)
async def test_a_store_that_lags_behind_changes_only_how_long_it_takes(name: str) -> None:
    world = await _begin(CHAPTERS[name])
    world.store = Lagging(world.api, behind=3)
    world.start_operator()
    await _as_in_calm(name, world)


@pytest.mark.parametrize("name", LASTING)
@pytest.mark.parametrize("every", [2, 3, 5])
async def test_conflicts_and_lost_requests_change_only_how_long_it_takes(name: str, every: int) -> None:
    world = await _begin(CHAPTERS[name])
    hook, asked = world.api.before, [0]

    def storm(operation: Any) -> None:
        asked[0] += 1
        if asked[0] % every == 0 and asked[0] < 60:
            raise ConflictError("somebody was faster") if operation.is_write else TransientError("away")
        hook(operation)

    world.api.before = storm
    await _as_in_calm(name, world)


async def _rivals_at(name: str, seed: int) -> None:
    world = await _begin(CHAPTERS[name])

    async def rival(world: EnsembleWorld) -> None:
        rivals = Rivals(world, seed)
        await rivals.passes(40)
        assert rivals.switches > 80

    await _as_in_calm(name, world, rival)


async def _rivals_often(name: str, seeds: int) -> None:
    for seed in range(seeds):
        await _rivals_at(name, seed)


@pytest.mark.parametrize("name", LASTING)
async def test_two_operators_at_once_do_no_harm(name: str) -> None:
    await _rivals_at(name, seed=sum(map(ord, name)))


async def test_two_operators_that_restart_whatever_bears_the_name_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def restart(applier: Applier, cluster: ValidatedCluster, _: Observed, step: RestartPod) -> None:
        await applier._api.delete(PODS, cluster.names.namespace, step.name)

    monkeypatch.setattr(Applier, "_restart", restart)
    with pytest.raises(AssertionError):
        await _rivals_often("roll", 10)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", LASTING)
async def test_two_operators_at_once_do_no_harm_however_they_take_turns(name: str) -> None:
    await _rivals_often(name, SEEDS_OF_RIVALS)


async def test_events_are_few() -> None:
    world = await _begin(CHAPTERS["roll"])
    before = len(world.api.every(EVENTS))
    await _play(world, CHAPTERS["roll"])
    assert len(world.api.every(EVENTS)) - before <= 15
