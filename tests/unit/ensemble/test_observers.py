"""Observers with the whole reconciler, an API server in memory, and members that a model plays."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from tests.support.worlds.ensemble_recovery import recovery_world
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.plan import observers, plan, recovery
from zkoperator.kube.port import PODS, ZOOKEEPER_CLUSTERS

TWO: dict[str, Any] = {"replicas": 2}


def listed(world: EnsembleWorld) -> int:
    assert world.committed is not None
    return sum(not server.voting for server in world.committed.servers)


async def in_a_recovery_none_of_the_past_runs_when_the_seed_starts() -> None:
    world = recovery_world(3, observers=TWO)
    await world.rest()
    await world.lose(1, 3)
    await world.wait(40)
    world.lingering = {101}
    world.approve("main-zk-1@0xffff")
    await world.wait(30)
    assert sorted(world.pods) == [101], "the seed starts beside an observer of the past"
    message = world.condition("Progressing")["message"]
    assert "waiting for the end of main-zk-observers-0" in message and "switched off" in message
    world.lingering.clear()
    await world.rest()
    assert listed(world) == 2


async def a_label_that_was_taken_from_one_comes_back() -> None:
    world = ensemble_world(3, observers=TWO)
    await world.rest()
    name = NAMES.pod(101)
    world.api.edit(PODS, "demo", name, {"metadata": {"labels": {"app.kubernetes.io/instance": "other"}}})
    await world.rest()
    labels = (world.api.peek(PODS, "demo", name) or {})["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "observer" and labels["app.kubernetes.io/instance"] == "main"


async def an_eviction_of_one_spends_no_voter() -> None:
    world = ensemble_world(3, observers=TWO)
    await world.rest()
    world.made.clear()
    world.ask_for(config={"tickTime": "3000"})
    await world.rest()
    gone = [name for name in world.made if name.startswith(("evict", "delete")) and "pods/" in name]
    assert gone[:2] == ["evict pods/main-zk-observers-1", "evict pods/main-zk-observers-0"]
    assert sorted(gone[2:]) == [f"evict pods/main-zk-{ordinal}" for ordinal in range(3)]


async def no_roll_waits_for_long_for_one_that_stays_away() -> None:
    world = ensemble_world(3, observers=TWO)
    await world.rest()
    world.made.clear()
    world.stuck = frozenset({101, 102})
    world.ask_for(config={"tickTime": "3000"})
    for _ in range(60):
        await world.turn()
    restarted = [name for name in world.made if name.startswith("evict")]
    assert restarted == ["evict pods/main-zk-observers-1"], "it may come back in a moment"
    for _ in range(150):
        await world.turn()
    assert {f"evict pods/main-zk-{ordinal}" for ordinal in range(3)} <= set(world.made)
    assert "evict pods/main-zk-observers-0" not in world.made, "the last one that serves is kept"
    assert "main-zk-observers-1" in world.condition("Degraded")["message"]
    world.stuck = frozenset()
    await world.rest()


async def what_was_made_for_them_goes_with_the_cluster() -> None:
    world = ensemble_world(1, observers=TWO)
    await world.rest()
    names = [(child.resource, child.name_of(NAMES)) for child in Child if child.of_observers]
    assert all(world.api.peek(resource, "demo", name) is not None for resource, name in names)
    world.api.remove(ZOOKEEPER_CLUSTERS, "demo", "main")
    world.api.collect_garbage()
    assert [name for resource, name in names if world.api.peek(resource, "demo", name) is not None] == []


async def a_cluster_without_them_has_nothing_of_theirs() -> None:
    world = ensemble_world(1)
    await world.rest()
    assert not [child for child in Child if child.of_observers and child in world.children]
    status = (world.cluster() or {})["status"]
    assert "observers" not in status and "readyObservers" not in status


WHOLE: tuple[Callable[[], Awaitable[None]], ...] = (
    in_a_recovery_none_of_the_past_runs_when_the_seed_starts,
    a_label_that_was_taken_from_one_comes_back,
    an_eviction_of_one_spends_no_voter,
    no_roll_waits_for_long_for_one_that_stays_away,
    what_was_made_for_them_goes_with_the_cluster,
    a_cluster_without_them_has_nothing_of_theirs,
)


@pytest.mark.parametrize("story", WHOLE, ids=lambda story: getattr(story, "__name__", ""))
async def test_observers_in_the_whole_reconciler(story: Callable[[], Awaitable[None]]) -> None:
    await story()


SEEDS = (
    Seed(
        "voters do not wait for an observer that cannot be replaced",
        rewritten(plan, "_observers_first", "observers.blocked or ", ""),
        (no_roll_waits_for_long_for_one_that_stays_away,),
    ),
    Seed(
        "voters wait for an observer that comes back, and not for long",
        replaced(observers, "_is_brief", lambda *_: True),
        (no_roll_waits_for_long_for_one_that_stays_away,),
    ),
    Seed(
        "observers of the past end before the seed starts",
        rewritten(recovery, "_continue", "observed.all_pods", "observed.pods"),
        (in_a_recovery_none_of_the_past_runs_when_the_seed_starts,),
    ),
    Seed(
        "observers of the past are told to end",
        replaced(recovery, "_STATEFUL_SETS", (Child.STATEFUL_SET,)),
        (in_a_recovery_none_of_the_past_runs_when_the_seed_starts,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
