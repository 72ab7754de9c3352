"""A ConfigSync that uses the ensemble of another namespace: only as far as the owner grants it, and only as long."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, ROOT, World, config_sync
from zkoperator.api.sync import Direction
from zkoperator.controller import grants as controller_grants
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, NAMESPACES, ZOOKEEPER_CLUSTERS, Resource
from zkoperator.mirror import finalize, sync_index
from zkoperator.mirror import validate as validation
from zkoperator.mirror.observe.grants import GrantChecker
from zkoperator.mirror.validate import Asked, ValidatedSync, validate
from zkoperator.runtime.keys import Key

OWNER = "data"
MAIN = Key(OWNER, "main")
FOREIGN = {"clusterRef": {"name": "main", "namespace": OWNER}}


def _own(world: World, *grants: dict[str, Any]) -> None:
    """Have another namespace own a cluster with these grants."""
    if world.kube.peek(ZOOKEEPER_CLUSTERS, *MAIN) is not None:
        world.kube.remove(ZOOKEEPER_CLUSTERS, *MAIN)
    world.kube.put(
        ZOOKEEPER_CLUSTERS,
        {
            "apiVersion": "zkoperator.dev/v1alpha1",
            "kind": "ZooKeeperCluster",
            "metadata": {"name": "main", "namespace": OWNER},
            "spec": {"replicas": 1, "grants": list(grants)},
            "status": {"hosts": "main:2181"},
        },
    )
    world.reconciler.cluster_changed(MAIN)


def _grant(access: str = "ReadOnly", path: str = "/apps", **namespaces: Any) -> dict[str, Any]:
    return {"name": "a", "namespaces": namespaces or {"names": [NAMESPACE]}, "paths": [path], "access": access}


async def test_a_granted_subtree_of_another_namespace_is_pulled(world: World) -> None:
    _own(world, _grant())
    world.tree(a="1")
    world.sync(zookeeper=FOREIGN, direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    assert world.data() == {"a": b"1"}


@pytest.mark.parametrize(
    "grants",
    [
        (),
        (_grant(names=["bank"]),),
        (_grant(path="/apps/shopping"),),
        (_grant(path="/apps/{namespace}"),),
        (_grant(selector={"matchLabels": {"team": "shop"}}),),
    ],
    ids=["none", "for another namespace", "of a longer name", "of its namespace", "by a label that it lacks"],
)
async def test_what_is_not_granted_is_refused_with_the_line_that_the_owner_would_add(
    world: World, grants: tuple[dict[str, Any], ...]
) -> None:
    _own(world, *grants)
    world.tree(a="1")
    world.sync(zookeeper=FOREIGN, direction="ZooKeeperToConfigMap")
    await world.until_reason("NotGranted")
    line = '{name: demo, namespaces: {names: [demo]}, paths: ["/apps/shop"], access: ReadOnly}'
    assert line in world.message()
    assert world.data() is None


async def test_a_stranger_does_not_learn_whether_the_cluster_exists(world: World) -> None:
    _own(world)
    world.sync(zookeeper=FOREIGN)
    await world.until_reason("NotGranted")
    there = world.message()
    world.sync("other", zookeeper={"clusterRef": {"name": "main", "namespace": "nowhere"}})
    await world.until_reason("NotGranted", "other")
    assert world.message("other") == there.replace(OWNER, "nowhere")


@pytest.mark.parametrize("spec", [{}, {"direction": "ZooKeeperToConfigMap", "onDelete": "DeleteZnodes"}])
async def test_reading_is_not_enough_for_who_writes_now_or_at_the_end(world: World, spec: dict[str, Any]) -> None:
    _own(world, _grant())
    world.tree(a="1")
    world.sync(zookeeper=FOREIGN, **spec)
    await world.until_reason("NotGranted")
    assert "access: ReadWrite" in world.message()
    _own(world, _grant("ReadWrite"))
    await world.until_in_sync()


async def test_a_change_of_direction_asks_again(world: World) -> None:
    _own(world, _grant())
    world.tree(a="1")
    world.sync(zookeeper=FOREIGN, direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    world.spec(direction="TwoWay")
    await world.until_reason("NotGranted")
    world.edit(a="2")
    await world.quiet()
    assert world.at("a") == b"1"


async def test_a_grant_that_ends_ends_the_sync_and_changes_nothing(world: World) -> None:
    _own(world, _grant("ReadWrite"))
    world.tree(a="1")
    world.sync(zookeeper=FOREIGN)
    await world.until_in_sync()
    _own(world)
    await world.until_reason("NotGranted")
    world.node("a", "2")
    world.edit(b="3")
    await world.quiet()
    assert (world.data(), world.at("b")) == ({"a": b"1", "b": b"3"}, None)
    _own(world, _grant("ReadWrite"))
    await world.until(lambda: (world.data(), world.at("b")) == ({"a": b"2", "b": b"3"}, b"3"))


async def test_a_label_of_the_namespace_decides_where_the_grant_selects(world: World) -> None:
    world.kube.put(NAMESPACES, {"metadata": {"name": NAMESPACE, "labels": {"team": "shop"}}})
    _own(world, _grant(selector={"matchLabels": {"team": "shop"}}))
    world.tree(a="1")
    world.sync(zookeeper=FOREIGN, direction="ZooKeeperToConfigMap")
    await world.until_in_sync()


async def test_an_operator_that_may_not_read_labels_says_what_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = world.kube.get

    async def refusing(resource: Any, namespace: str, name: str) -> Any:
        if resource == NAMESPACES:
            raise ForbiddenError("namespaces is forbidden")
        return await get(resource, namespace, name)

    monkeypatch.setattr(world.kube, "get", refusing)
    _own(world, _grant(selector={}))
    world.sync(zookeeper=FOREIGN)
    await world.until_reason("NotGranted")
    assert "may not read the labels of this namespace" in world.message()


async def test_a_config_sync_whose_grant_has_ended_can_be_deleted_and_its_znodes_stay(world: World) -> None:
    _own(world, _grant("ReadWrite"))
    world.tree(a="1")
    world.sync(zookeeper=FOREIGN, onDelete="DeleteZnodes")
    await world.until_in_sync()
    _own(world)
    await world.until_reason("NotGranted")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None)
    assert world.znode(f"{ROOT}/a") == b"1"


def test_a_base_tells_apart_clusters_of_one_name_in_two_namespaces() -> None:
    """Otherwise the base of one ensemble would delete what the other one lacks."""
    own, named, foreign = (
        validate(config_sync("shop", {"zookeeper": {"clusterRef": {"name": "main", **where}, "path": ROOT}})).source
        for where in ({}, {"namespace": NAMESPACE}, {"namespace": OWNER})
    )
    assert own.ensemble == named.ensemble
    assert own.ensemble != foreign.ensemble


async def _nothing_refused(*_: Any) -> None:
    return None


def _own_namespace_alone(sync: ValidatedSync) -> Iterator[tuple[Resource, Key]]:
    yield CONFIG_MAPS, Key(sync.namespace, sync.target.name)
    yield ZOOKEEPER_CLUSTERS, Key(sync.namespace, str(sync.source.cluster))


async def _of_a_longer_name(world: World) -> None:
    await test_what_is_not_granted_is_refused_with_the_line_that_the_owner_would_add(
        world, (_grant(path="/apps/shopping"),)
    )


async def _writes_at_the_end(world: World) -> None:
    spec = {"direction": "ZooKeeperToConfigMap", "onDelete": "DeleteZnodes"}
    await test_reading_is_not_enough_for_who_writes_now_or_at_the_end(world, spec)


SEEDS = (
    Seed(
        "a grant is asked for",
        replaced(GrantChecker, "refusal", _nothing_refused),
        (in_world(_of_a_longer_name),),
    ),
    Seed(
        "a granted path ends with a whole name",
        replaced(controller_grants, "_covers", lambda root, path: path.startswith(root) or root.startswith(path)),
        (in_world(_of_a_longer_name),),
    ),
    Seed(
        "who deletes znodes at the end is a writer",
        replaced(validation, "_writes", lambda spec: spec.direction is not Direction.ZOOKEEPER_TO_CONFIG_MAP),
        (in_world(_writes_at_the_end),),
    ),
    Seed(
        "a change of what is asked for looks again",
        replaced(Asked, "__eq__", lambda one, other: isinstance(other, Asked)),
        (in_world(test_a_change_of_direction_asks_again),),
    ),
    Seed(
        "a change of the cluster in another namespace is heard",
        replaced(sync_index, "_targets", _own_namespace_alone),
        (in_world(test_a_grant_that_ends_ends_the_sync_and_changes_nothing),),
    ),
    Seed(
        "a refusal that lasts lets the object go",
        replaced(finalize, "_GONE_FOR_GOOD", ()),
        (in_world(test_a_config_sync_whose_grant_has_ended_can_be_deleted_and_its_znodes_stay),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
