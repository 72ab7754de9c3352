"""What is told of a workload that cannot be restarted."""

from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, World
from tests.support.worlds.workload_rollouts import WEB, entry_of, put_workload
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import (
    EVENTS,
    ROLLOUTS,
)
from zkoperator.mirror.apply import rollout as applied_rollout
from zkoperator.runtime.outcome import LookAgain


def _events(world: World, reason: str) -> int:
    return sum(event["reason"] == reason for event in world.kube.every(EVENTS))


async def test_a_workload_that_is_missing_is_told_and_holds_up_nothing(world: World) -> None:
    world.tree(a="1")
    world.sync(rollout=[{"kind": "Deployment", "name": "wbe"}])
    await world.until(lambda: world.condition("RolledOut") == ("False", "WorkloadNotFound"))
    assert entry_of(world, "wbe")["reason"] == "WorkloadNotFound"
    await world.until(lambda: _events(world, "WorkloadNotFound") == 1)
    await world.until_in_sync()
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})
    await world.restart()
    await world.quiet()
    assert _events(world, "WorkloadNotFound") == 1
    world.kube.now = "2026-01-01T00:00:01Z"  # after the write of the ConfigMap
    put_workload(world)
    world.spec(rollout=WEB)
    await world.until(lambda: world.condition("RolledOut") == ("True", "RolledOut"))
    assert [entry["name"] for entry in world.status()["rollouts"]] == ["web"]
    world.spec(rollout=[])
    await world.until(lambda: not world.status().get("rollouts") and world.condition("RolledOut") == ("", ""))


async def test_a_kind_that_this_kubernetes_does_not_have_is_told(world: World) -> None:
    world.kube.missing_kinds.add("rollouts")
    world.tree(a="1")
    world.sync(rollout=[{"kind": "Rollout", "name": "web"}])
    await world.until(lambda: world.condition("RolledOut") == ("False", "KindNotServed"))
    await world.until(lambda: _events(world, "KindNotServed") == 1)
    await world.until_in_sync()


async def test_a_workload_without_a_pod_template_is_told(world: World) -> None:
    reference = {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
    manifest = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": reference}
    world.kube.put(ROLLOUTS, {**manifest, "metadata": {"name": "web", "namespace": NAMESPACE}})
    world.tree(a="1")
    world.sync(rollout=[{"kind": "Rollout", "name": "web"}])
    await world.until(lambda: world.condition("RolledOut") == ("False", "NoPodTemplate"))


@pytest.mark.parametrize("verb", ["get", "patch"])
async def test_a_workload_that_may_not_be_touched_is_told_beside_ready(world: World, verb: str) -> None:
    put_workload(world)
    world.tree(a="1")

    def refuse(operation: Any) -> None:
        if operation.verb == verb and operation.resource.plural == "deployments":
            raise ForbiddenError(f"may not {verb} deployments")

    world.kube.before = refuse
    world.sync(rollout=WEB)
    await world.until(lambda: world.condition("RolledOut") == ("False", "RolloutForbidden"))
    await world.until(lambda: _events(world, "RolloutForbidden") == 1)
    await world.quiet()
    assert world.ready() == ("True", "InSync")
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})
    await world.until_in_sync()


SEEDS = (
    Seed(
        "a missing workload is reported",
        replaced(applied_rollout, "_failed", lambda *_: LookAgain(60.0)),
        (in_world(test_a_workload_that_is_missing_is_told_and_holds_up_nothing),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
