"""Workloads restart once for each settled content, also when the operator dies in between."""

from typing import Any

import pytest

from tests.support.mirror_world import NAMESPACE, World
from zkoperator.errors import TransientError
from zkoperator.kube.port import CONFIG_MAPS, DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS, Resource

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


async def test_a_burst_restarts_once_when_it_has_settled(world: World) -> None:
    _workload(world)
    world.tree(a="0")
    world.sync(rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(lambda: _hash(world) != "")
    generation = _found(world)["metadata"]["generation"]
    for number in range(1, 12):
        world.node("a", str(number))
        await world.quiet(1)
    await world.until(lambda: world.data() == {"a": b"11"})
    await world.quiet()
    assert generation < _found(world)["metadata"]["generation"] <= generation + 3


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
