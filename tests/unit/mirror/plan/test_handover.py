"""A ConfigMap or a tree whose ConfigSync is gone: whose it is then, and the way out that the message names."""

from typing import Any

import pytest

from tests.support.fakes.zk_tree import Tree
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, World, cluster
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, ZOOKEEPER_CLUSTERS
from zkoperator.mirror.model.names import SYNC_LABEL
from zkoperator.mirror.observe import observer
from zkoperator.mirror.plan import guard, plan, refusal
from zkoperator.zk.port import Create

DATA = {"a": b"1", "b": b"1"}
OTHER = "/apps/other"
EPOCH = 1 << 32


async def _synced(world: World, **spec: object) -> None:
    world.tree(a="1", b="1")
    world.sync(**spec)
    await world.until_in_sync()


async def _deleted(world: World) -> None:
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.quiet()


def _other_tree(world: World, **values: str) -> None:
    world.write(Create(OTHER, b""), *(Create(f"{OTHER}/{key}", value.encode()) for key, value in values.items()))


async def test_a_renamed_config_sync_is_told_the_command_that_hands_the_config_map_over(world: World) -> None:
    await _synced(world)
    await _deleted(world)
    world.sync("renamed", configMap={"name": "shop"})
    await world.until_reason("TargetOwned", "renamed")
    command = "kubectl label configmap -n demo shop zkoperator.dev/sync=renamed --overwrite"
    assert command in world.message("renamed")
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"labels": {SYNC_LABEL: "renamed"}}})
    await world.until_in_sync("renamed")
    assert world.data() == DATA
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")


async def test_what_a_living_config_sync_owns_is_never_offered(world: World) -> None:
    await _synced(world)
    _other_tree(world, z="1")
    world.sync("second", path=OTHER, configMap={"name": "shop"})
    await world.until_reason("TargetOwned", "second")
    assert "--overwrite" not in world.message("second")


async def test_a_living_owner_that_has_left_is_one_that_can_be_taken_over(world: World) -> None:
    world.config_map(label="elsewhere", mine="1")
    world.tree(a="1")
    world.sync("elsewhere", path=OTHER, configMap={"name": "another"})
    world.sync()
    await world.until_reason("TargetOwned")
    assert "zkoperator.dev/sync=shop --overwrite" in world.message()


async def test_another_path_under_the_same_name_is_no_union_without_consent(world: World) -> None:
    await _synced(world)
    await _deleted(world)
    _other_tree(world, z="1")
    world.sync(path=OTHER)
    await world.until_reason("TargetNotAdopted")
    await world.quiet()
    assert (world.data(), world.znode(f"{OTHER}/a")) == (DATA, None)
    assert "/apps/shop" in world.message()
    assert "kubectl annotate configmap -n demo shop zkoperator.dev/base-" in world.message()
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": {"zkoperator.dev/base": None}}})
    await world.until_in_sync()
    assert world.data() == {**DATA, "z": b"1"}
    assert world.znode(f"{OTHER}/a") == b"1"


async def test_a_config_map_that_is_the_source_may_move_to_another_path(world: World) -> None:
    await _synced(world)
    await _deleted(world)
    _other_tree(world, z="1")
    world.sync(path=OTHER, direction="ConfigMapToZooKeeper")
    await world.until(lambda: world.znode(f"{OTHER}/a") == b"1")
    assert (world.data(), world.znode(f"{OTHER}/z")) == (DATA, b"1")


async def test_the_same_tree_by_another_name_of_its_ensemble_is_joined(world: World) -> None:
    await _synced(world)
    await _deleted(world)
    world.kube.put(ZOOKEEPER_CLUSTERS, cluster("alias"))
    world.sync(zookeeper={"clusterRef": {"name": "alias"}})
    await world.until_in_sync()
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")


async def test_another_ensemble_under_the_same_config_sync_waits_for_approval(world: World) -> None:
    await _synced(world, direction="ZooKeeperToConfigMap")
    another = Tree()
    another.zxid = (world.zk.zxid // EPOCH + 1) * EPOCH
    world.zk.restore(another)
    world.write(Create("/apps", b""), Create("/apps/shop", b""), Create("/apps/shop/a", b"theirs"))
    world.kube.put(ZOOKEEPER_CLUSTERS, cluster("another"))
    world.spec(zookeeper={"clusterRef": {"name": "another"}})
    await world.until_reason("SourceRegressed")
    await world.quiet()
    assert world.data() == DATA


def _is_of_another_name(sync: Any, base: Any, _: Any) -> bool:
    return bool(base.ensemble != sync.source.ensemble)


def _history_of_one_ensemble(base: Any, snapshot: Any, ledger: Any, _: str) -> guard.History:
    return guard.history_of(base, snapshot, ledger, base.ensemble if base else "")


async def _gone_whoever_it_is(_self: Any, _sync: Any, content: Any) -> bool:
    return content is not None


SEEDS = (
    Seed(
        "keys of another tree are not merged",
        replaced(refusal, "_is_of_another_tree", lambda *_: False),
        (in_world(test_another_path_under_the_same_name_is_no_union_without_consent),),
    ),
    Seed(
        "a root of the same creation is the same tree",
        replaced(refusal, "_is_of_another_tree", _is_of_another_name),
        (in_world(test_the_same_tree_by_another_name_of_its_ensemble_is_joined),),
    ),
    Seed(
        "the ConfigMap of a living owner is not offered",
        replaced(observer.Observer, "_owner_is_gone", _gone_whoever_it_is),
        (in_world(test_what_a_living_config_sync_owns_is_never_offered),),
    ),
    Seed(
        "the ConfigMap that an owner has left is offered",
        replaced(observer, "target_of", lambda _: None),
        (in_world(test_a_living_owner_that_has_left_is_one_that_can_be_taken_over),),
    ),
    Seed(
        "another ensemble is no replaced root",
        replaced(plan, "history_of", _history_of_one_ensemble),
        (in_world(test_another_ensemble_under_the_same_config_sync_waits_for_approval),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
