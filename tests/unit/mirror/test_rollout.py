"""Workloads restart once for each settled content, also when the operator dies in between."""

from typing import Any

import pytest

from tests.support.worlds.mirror import NAMESPACE, World
from zkoperator.api.sync import Workload, WorkloadKind
from zkoperator.errors import ForbiddenError, TransientError
from zkoperator.kube.port import CONFIG_MAPS, DAEMON_SETS, DEPLOYMENTS, EVENTS, STATEFUL_SETS, Resource
from zkoperator.mirror.model.rollout import RestartLimits

KINDS = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS, "DaemonSet": DAEMON_SETS}


def _workload(world: World, resource: Resource = DEPLOYMENTS, name: str = "web") -> None:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": name, "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": resource.kind, "metadata": {"name": name, "namespace": NAMESPACE}}
    world.kube.put(resource, {**manifest, "spec": spec})


def _found(world: World, resource: Resource = DEPLOYMENTS, name: str = "web") -> dict[str, Any]:
    found = world.kube.peek(resource, NAMESPACE, name)
    assert found is not None
    return found


def _hash(world: World, resource: Resource = DEPLOYMENTS) -> str:
    meta = _found(world, resource)["spec"]["template"]["metadata"]
    return str((meta.get("annotations") or {}).get("rollout.zkoperator.dev/shop", ""))


@pytest.mark.parametrize("kind", list(KINDS))
async def test_a_change_restarts_the_workload_once(world: World, kind: str) -> None:
    resource = KINDS[kind]
    _workload(world, resource)
    world.tree(a="1")
    world.sync(rollout=[{"kind": kind, "name": "web"}])
    await world.until(lambda: _hash(world, resource) != "")
    before, generation = _hash(world, resource), _found(world, resource)["metadata"]["generation"]
    world.node("a", "2")
    await world.until(lambda: _hash(world, resource) != before)
    await world.quiet()
    assert _found(world, resource)["metadata"]["generation"] == generation + 1


async def test_the_same_content_never_restarts_again(world: World) -> None:
    _workload(world)
    world.tree(a="1")
    world.sync(rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(lambda: _hash(world) != "")
    generation = _found(world)["metadata"]["generation"]
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": {"theirs": "1"}}})
    await world.restart()
    await world.quiet()
    assert _found(world)["metadata"]["generation"] == generation


async def test_a_restart_that_was_due_when_the_operator_died_comes_after_its_return(world: World) -> None:
    _workload(world)
    world.tree(a="1")
    world.sync(rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(lambda: _hash(world) != "")
    before = _hash(world)

    def refuse(operation: Any) -> None:
        if operation.verb == "patch" and operation.resource.plural == "deployments":
            raise TransientError("not now")

    world.kube.before = refuse
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})
    await world.quiet()
    await world.stop()
    world.kube.before = lambda _: None
    assert _hash(world) == before
    await world.start()
    await world.until(lambda: _hash(world) != before)


async def test_a_workload_that_is_missing_holds_up_nothing(world: World) -> None:
    world.tree(a="1")
    world.sync(rollout=[{"kind": "Deployment", "name": "absent"}])
    await world.until_in_sync()
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})


@pytest.mark.parametrize("verb", ["get", "patch"])
async def test_a_workload_that_may_not_be_touched_is_told_in_an_event_alone(world: World, verb: str) -> None:
    _workload(world)
    world.tree(a="1")

    def refuse(operation: Any) -> None:
        if operation.verb == verb and operation.resource.plural == "deployments":
            raise ForbiddenError(f"may not {verb} deployments")

    world.kube.before = refuse
    world.sync(rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(lambda: any(event["reason"] == "RolloutForbidden" for event in world.kube.every(EVENTS)))
    await world.quiet()
    assert world.ready() == ("True", "InSync")
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})
    await world.until_in_sync()


def _web(number: int) -> Workload:
    return Workload(kind=WorkloadKind.DEPLOYMENT, name=f"web-{number}")


def test_restarts_are_limited_across_config_syncs_and_every_workload_gets_its_turn() -> None:
    limits = RestartLimits(interval_s=10, burst=3, period_s=2)
    assert [limits.wait_s("demo", _web(number), 100.0) for number in range(6)] == [0, 0, 0, 2, 4, 6]
    assert limits.wait_s("demo", _web(3), 101.0) == 1
    assert limits.wait_s("demo", _web(5), 106.0) == 0


def test_a_workload_rests_between_restarts_whoever_asks_for_them() -> None:
    limits = RestartLimits(interval_s=10, burst=3, period_s=2)
    assert limits.wait_s("demo", _web(0), 100.0) == 0
    limits.restarts("demo", _web(0), 100.0)
    assert limits.wait_s("demo", _web(0), 103.0) == 7
    assert limits.wait_s("elsewhere", _web(0), 103.0) == 0


def test_turns_that_nobody_used_and_old_restarts_are_forgotten() -> None:
    limits = RestartLimits(interval_s=10, burst=3, period_s=2)
    for number in range(5):
        limits.wait_s("demo", _web(number), 0.0)
        limits.restarts("demo", _web(10 + number), 0.0)
    limits.wait_s("demo", _web(99), 1000.0)
    assert len(limits._slots_s) == 1
    assert not limits._restarted_s
