"""What Flux, Helm and others are told, by the rules of kstatus: in progress, current, or failed."""

from typing import Any

import pytest

from tests.support.models.kstatus import judged
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from tests.support.worlds.mirror import World, running
from zkoperator.api.crd import CLUSTER, SYNC, Kind, root_schema
from zkoperator.api.meta import Truth
from zkoperator.api.reasons import CLUSTER_RESTING, CLUSTER_STALLED, ClusterCondition, ClusterReason, SyncReason
from zkoperator.controller import conditions, kstatus
from zkoperator.controller.conditions import ConditionBuilder
from zkoperator.ensemble.status import status as cluster_status
from zkoperator.kube.port import CONFIG_SYNCS, EVENTS, Manifest
from zkoperator.mirror.status import status as sync_status


def stored(kind: Kind, found: Manifest | None) -> Manifest:
    """The object as the API server has it, which knows a default for the status."""
    assert found is not None
    default: dict[str, Any] = root_schema(kind.model)["properties"]["status"]["default"]
    return {**found, "status": {**default, **(found.get("status") or {})}}


def of_cluster(world: EnsembleWorld) -> str:
    return judged(stored(CLUSTER, world.cluster()))


def of_sync(world: World) -> str:
    return judged(stored(SYNC, world.kube.peek(CONFIG_SYNCS, "demo", "shop")))


async def test_a_new_cluster_is_in_progress_until_it_is_ready() -> None:
    world = ensemble_world(3)
    seen = [of_cluster(world)]
    while seen[-1] == "InProgress" and len(seen) < 200:
        await world.turn()
        seen.append(of_cluster(world))
    assert len(seen) > 2 and seen[-1] == "Current"
    assert world.condition("Ready")["status"] == "True"
    assert [world.condition(kind)["status"] for kind in ("Reconciling", "Stalled")] == ["False", "False"]


async def test_a_refused_spec_has_failed_until_it_is_mended() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.ask_for(replicas=77)
    for _ in range(3):
        await world.turn()
    assert of_cluster(world) == "Failed"
    assert "spec.replicas" in world.condition("Stalled")["message"]
    world.ask_for(replicas=3)
    await world.rest()
    assert of_cluster(world) == "Current"


async def test_a_ready_cluster_with_a_fault_beside_it_is_current() -> None:
    builder = ConditionBuilder((), 1, "2026-01-02T03:04:05Z")
    said = (
        builder.build(ClusterCondition.READY, Truth.TRUE, ClusterReason.IN_SYNC, ""),
        builder.build(ClusterCondition.DEGRADED, Truth.TRUE, ClusterReason.FORBIDDEN, "a right is missing"),
    )
    standard = kstatus.standard_conditions(said, builder, stalled=CLUSTER_STALLED, resting=CLUSTER_RESTING)
    assert [condition.status for condition in standard] == [Truth.FALSE, Truth.FALSE]


async def test_an_invalid_object_that_never_ran_has_failed() -> None:
    world = ensemble_world(77)
    for _ in range(3):
        await world.turn()
    assert of_cluster(world) == "Failed"


async def test_a_paused_cluster_is_neither_at_work_nor_failed() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.ask_for(paused=True, replicas=5)
    for _ in range(3):
        await world.turn()
    assert of_cluster(world) == "InProgress"
    assert [world.condition(kind)["status"] for kind in ("Reconciling", "Stalled")] == ["False", "False"]


async def test_what_repeats_ready_is_told_in_no_event() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.ask_for(replicas=77)
    for _ in range(3):
        await world.turn()
    notes = [str(event["note"]) for event in world.api.every(EVENTS)]
    assert any(note.startswith("Ready is False") for note in notes)
    assert not [note for note in notes if note.startswith(("Reconciling", "Stalled"))]


async def test_a_conflict_waits_for_a_person() -> None:
    async with running() as world:
        await _conflict(world)


async def _conflict(world: World) -> None:
    world.tree(a="base")
    world.sync()
    await world.until_in_sync()
    assert of_sync(world) == "Current"
    await world.stop()
    world.node("a", "theirs")
    world.edit(a="mine")
    await world.start()
    await world.until_reason("Conflict")
    assert of_sync(world) == "Failed"
    world.annotate(resolve="a=zookeeper")
    await world.until_in_sync()
    assert of_sync(world) == "Current"


async def test_what_another_object_of_the_same_apply_may_bring_has_not_failed() -> None:
    async with running() as world:
        world.sync(zookeeper={"clusterRef": {"name": "later"}})
        assert of_sync(world) == "InProgress"
        await world.until_reason("ClusterNotFound")
        assert of_sync(world) == "InProgress"
        assert world.condition("Reconciling") == ("True", "ClusterNotFound")


async def test_an_invalid_sync_has_failed() -> None:
    async with running() as world:
        world.sync(path="no-slash")
        await world.until_reason("InvalidSpec")
        assert of_sync(world) == "Failed"


SEEDS = (
    Seed(
        "only what a person can end has failed",
        replaced(cluster_status, "CLUSTER_STALLED", frozenset()),
        (test_a_refused_spec_has_failed_until_it_is_mended, test_an_invalid_object_that_never_ran_has_failed),
    ),
    Seed(
        "a cluster that waits for nothing but time has not failed",
        replaced(cluster_status, "CLUSTER_STALLED", frozenset(ClusterReason)),
        (test_a_new_cluster_is_in_progress_until_it_is_ready,),
    ),
    Seed(
        "a paused cluster is not at work",
        replaced(cluster_status, "CLUSTER_RESTING", frozenset()),
        (test_a_paused_cluster_is_neither_at_work_nor_failed,),
    ),
    Seed(
        "a conflict is for a person",
        replaced(sync_status, "SYNC_STALLED", frozenset({SyncReason.INVALID_SPEC})),
        (in_world(_conflict),),
    ),
    Seed(
        "a ready object has not failed, whatever else is said of it",
        rewritten(kstatus, "_waiting_for_a_person", "is Truth.TRUE", "is Truth.UNKNOWN"),
        (test_a_ready_cluster_with_a_fault_beside_it_is_current,),
    ),
    Seed(
        "what repeats Ready makes no Event",
        replaced(conditions, "StandardCondition", ()),
        (test_what_repeats_ready_is_told_in_no_event,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_seeded_bug_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
