"""An invalid edit leaves the ensemble as it is, and its errors are told."""

import pytest

from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble import reconcile
from zkoperator.kube.port import (
    CONFIG_MAPS,
    EVENTS,
    PODS,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
)


async def test_an_invalid_edit_is_reported_with_its_path_and_the_ensemble_is_left_alone() -> None:
    world = ensemble_world(3)
    await world.rest()
    before = {pod["metadata"]["uid"] for pod in world.api.every(PODS)}
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": {"replicas": 77, "config": {"skipACL": "yes"}}})
    for _ in range(3):
        await world.turn()
    message = world.condition("Degraded")["message"]
    assert "spec.replicas" in message
    assert "spec.config" in message
    assert {pod["metadata"]["uid"] for pod in world.api.every(PODS)} == before


def _break_spec(world: EnsembleWorld) -> None:
    limits = {"requests": {"cpu": "2"}, "limits": {"cpu": "1", "memory": "8Mi"}}
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": {"replicas": 77, "resources": limits}})


async def test_while_the_spec_is_invalid_the_status_goes_on_telling_who_leads_and_whether_a_quorum_serves() -> None:
    world = ensemble_world(3)
    await world.rest()
    _break_spec(world)
    await world.turn()
    first = (world.cluster() or {})["status"]["leader"]
    assert first == NAMES.pod(world.leader or 0)
    assert world.condition("Available")["status"] == "True"
    world.stuck = frozenset({world.leader or 0})
    world.crash(world.leader or 0)
    await world.turn()
    status = (world.cluster() or {})["status"]
    assert status["leader"] == NAMES.pod(world.leader or 0) != first
    world.stuck = frozenset({1, 2, 3})
    for member in (1, 2, 3):
        world.crash(member)
    for _ in range(10):
        await world.turn()
    status = (world.cluster() or {})["status"]
    assert (status["leader"], status["readyReplicas"], status["replicas"]) == ("", 0, 3)
    assert (world.condition("Available")["status"], world.condition("Available")["reason"]) == ("False", "QuorumLost")
    world.stuck = frozenset()
    for _ in range(10):
        await world.turn()
    assert world.condition("Available")["status"] == "True"


async def test_while_the_spec_is_invalid_all_errors_are_told_and_nothing_but_the_status_is_written() -> None:
    world = ensemble_world(3)
    await world.rest()
    _break_spec(world)
    world.api.edit(CONFIG_MAPS, "demo", NAMES.config_map, {"data": {"zoo.cfg": "drift"}})
    before = len(world.api.operations)
    for _ in range(5):
        await world.turn()
    writes = {(op.resource, op.subresource) for op in world.api.operations[before:] if op.is_write}
    assert writes <= {(ZOOKEEPER_CLUSTERS, "status"), (EVENTS, "")}
    for kind, truth in (("Ready", "False"), ("Degraded", "True")):
        condition = world.condition(kind)
        assert (condition["status"], condition["reason"]) == (truth, "InvalidSpec")
        assert "spec.replicas" in condition["message"]
    assert (world.cluster() or {})["status"]["observedGeneration"] == (world.cluster() or {})["metadata"]["generation"]
    world.ask_for(replicas=3, resources=None)
    await world.rest()


async def test_an_invalid_object_that_never_ran_is_told_its_errors() -> None:
    world = ensemble_world(77)
    for _ in range(3):
        await world.turn()
    assert "spec.replicas" in world.condition("Ready")["message"]
    assert world.api.every(STATEFUL_SETS) == ()


SEEDS = (
    Seed(
        "an invalid object is watched",
        replaced(reconcile, "minimal_cluster", lambda *_: None),
        (test_while_the_spec_is_invalid_the_status_goes_on_telling_who_leads_and_whether_a_quorum_serves,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
