"""The plan that `diff` and `approve --show` make: as a pass would, from both sides as they are now, without a write."""

import argparse
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.worlds.mirror import HASH_KEY, NAMESPACE, ROOT, SecretWorld, World, config_sync, running
from zkoperator.cli.view.differences import differences, znodes_of
from zkoperator.cli.view.live_plan import make_fresh_plan, refuse_writes
from zkoperator.errors import ForbiddenError, InvalidError, TransientError, UnsafeError
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.zk.port import Create


def arguments(timeout: float = 5.0, hosts: str | None = None) -> argparse.Namespace:
    return argparse.Namespace(timeout=timeout, hosts=hosts, command=SimpleNamespace(NAME="diff"))


async def actions(world: World, **spec: Any) -> dict[str, str]:
    """Key -> what would be done."""
    world.kube.put(CONFIG_SYNCS, config_sync("shop", {"zookeeper": _main(), **spec}))
    sync, plan = await make_fresh_plan(world.kube, raw(world), arguments(), world.connector())
    return {item.key: item.action for item in differences(plan, sync.mode, sync.status).differences}


def raw(world: World) -> dict[str, Any]:
    found = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    assert found is not None
    return found


def _main() -> dict[str, Any]:
    return {"clusterRef": {"name": "main"}, "path": ROOT}


@pytest.fixture
def world() -> World:
    return World()


async def test_both_sides_are_compared_as_they_are_now_and_nothing_is_written(world: World) -> None:
    world.tree(a="1", b="2")
    world.config_map(b="2", c="3")
    before = list(world.zk.tree.walk())
    assert await actions(world) == {"a": "create in the ConfigMap", "c": "create in ZooKeeper"}
    assert list(world.zk.tree.walk()) == before
    assert {operation.verb for operation in world.kube.operations} == {"get"}


async def test_a_dry_run_is_planned_as_if_it_were_active(world: World) -> None:
    world.tree(a="1")
    assert await actions(world, mode="DryRun") == {"a": "create in the ConfigMap"}


async def test_the_subtree_of_another_config_sync_is_not_pushed_to(world: World) -> None:
    await world.start()
    world.config_map("first", label="first", a="1")
    world.sync("first", direction="ConfigMapToZooKeeper")
    await world.until_in_sync("first")
    await world.stop()
    world.kube.put(CONFIG_SYNCS, config_sync("shop", {"zookeeper": _main()}))
    _, plan = await make_fresh_plan(world.kube, raw(world), arguments(), world.connector())
    assert plan.stop == "SourceClaimed"


async def test_an_ensemble_that_does_not_answer_is_named_with_the_two_ways_to_reach_it(world: World) -> None:
    world.zk.down()
    world.kube.put(CONFIG_SYNCS, config_sync("shop", {"zookeeper": _main()}))
    with pytest.raises(TransientError) as caught:
        await make_fresh_plan(world.kube, raw(world), arguments(timeout=0.3), world.connector())
    for part in (
        "main",
        "kubectl exec",
        "port-forward",
        "pod/main-zk-0 2181:2180 where plaintext is refused",
        "--hosts 127.0.0.1:2181",
    ):
        assert part in str(caught.value)


async def test_a_cluster_that_does_not_exist_is_told_at_once(world: World) -> None:
    world.kube.put(CONFIG_SYNCS, config_sync("shop", {"zookeeper": {"clusterRef": {"name": "nowhere"}, "path": "/a"}}))
    with pytest.raises(InvalidError, match="nowhere"):
        await make_fresh_plan(world.kube, raw(world), arguments(timeout=30), world.connector())


def test_the_session_of_a_plan_writes_nothing() -> None:
    with pytest.raises(UnsafeError):
        refuse_writes()


async def test_values_that_were_never_pulled_are_there_for_the_plan(world: World) -> None:
    world.tree()
    world.write(Create(f"{ROOT}/deep", b""), Create(f"{ROOT}/deep/key", b"x"))
    assert (await actions(world))["deep__key"] == "create in the ConfigMap"


async def test_each_key_is_shown_with_its_znode(world: World) -> None:
    world.tree(a="1", b="1")
    world.write(Create("/common", b""), Create("/common/a", b"2"), Create("/common/c", b"2"))
    side = {"clusterRef": {"name": "main"}, "sources": [{"path": "/common"}, {"path": ROOT, "prefix": "s."}]}
    several = config_sync("shop", {"zookeeper": side, "direction": "ZooKeeperToConfigMap"})
    for manifest, expected in (
        (several, [("a", "/common/a"), ("c", "/common/c"), ("s.a", f"{ROOT}/a"), ("s.b", f"{ROOT}/b")]),
        (config_sync("shop", {"zookeeper": _main()}), [("a", f"{ROOT}/a"), ("b", f"{ROOT}/b")]),
    ):
        world.kube.put(CONFIG_SYNCS, manifest)
        sync, plan = await make_fresh_plan(world.kube, raw(world), arguments(), world.connector())
        assert list(znodes_of(plan, sync)) == expected
        world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")


@pytest.mark.parametrize("may_read", [True, False], ids=["with the key", "without it"])
async def test_a_secret_is_compared_also_by_those_who_may_not_read_the_key(may_read: bool) -> None:
    async with running(kind=SecretWorld) as world:
        world.tree(a="1", b="1", c="1")
        world.sync(secret={})
        await world.until_in_sync()
        await world.until(lambda: world.status().get("common", "") != "")
        await world.stop()
        world.edit(a="2", b=None)

        def refuse(operation: Operation) -> None:
            if operation.name == HASH_KEY[1] and not may_read:
                raise ForbiddenError("may not get secrets")

        world.kube.before = refuse
        before = len(world.kube.operations)
        sync, plan = await make_fresh_plan(world.kube, raw(world), arguments(), world.connector())
        found = differences(plan, sync.mode, sync.status, sync.target)
        assert {item.key: item.action for item in found.differences} == {
            "a": "change in ZooKeeper",
            "b": "delete in ZooKeeper",
        }
        assert {operation.verb for operation in world.kube.operations[before:]} == {"get"}
