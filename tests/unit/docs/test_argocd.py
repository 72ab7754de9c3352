"""What Argo CD shows of an object, by the script that is shipped for it."""

from typing import Any

import pytest

from tests.support.models.argo import health, scripts
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from tests.support.worlds.mirror import running
from zkoperator.api.crd import KINDS
from zkoperator.kube.port import CONFIG_SYNCS


def test_each_kind_has_the_script_and_it_is_the_same() -> None:
    assert set(scripts()) == {kind.name for kind in KINDS}
    assert len(set(scripts().values())) == 1


def of_cluster(world: EnsembleWorld) -> tuple[str, str]:
    found = world.cluster()
    assert found is not None
    return health({**found, "kind": "ZooKeeperCluster"})


async def test_a_cluster_is_progressing_until_it_is_healthy() -> None:
    world, seen = ensemble_world(3), []
    for _ in range(200):
        seen.append(of_cluster(world)[0])
        if seen[-1] == "Healthy":
            break
        await world.turn()
    assert set(seen) == {"Progressing", "Healthy"}
    assert of_cluster(world)[1] == world.condition("Ready")["message"]


async def test_a_refused_spec_and_a_lost_quorum_are_degraded() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.ask_for(replicas=77)
    for _ in range(3):
        await world.turn()
    status, message = of_cluster(world)
    assert (status, "spec.replicas" in message) == ("Degraded", True)
    world.ask_for(replicas=3)
    await world.rest()
    world.stuck = frozenset({1, 2, 3})
    for member in (1, 2, 3):
        world.crash(member)
    for _ in range(10):
        await world.turn()
    assert of_cluster(world)[0] == "Degraded"


async def test_a_new_spec_is_progressing_before_the_operator_has_seen_it() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.ask_for(replicas=5)
    assert of_cluster(world)[0] == "Progressing"


@pytest.mark.parametrize(
    ("mode", "reason", "expected"), [("Paused", "Paused", "Suspended"), ("DryRun", "DryRun", "Suspended")]
)
async def test_what_rests_because_somebody_asked_for_it_is_suspended(mode: str, reason: str, expected: str) -> None:
    async with running() as world:
        world.tree(a="1")
        world.sync(mode=mode)
        await world.until_reason(reason)
        found: dict[str, Any] = dict(world.kube.peek(CONFIG_SYNCS, "demo", "shop") or {})
        assert health({**found, "kind": "ConfigSync"})[0] == expected


def test_an_object_without_any_status_is_progressing() -> None:
    for kind in KINDS:
        assert health({"kind": kind.name, "metadata": {"generation": 1}})[0] == "Progressing"
