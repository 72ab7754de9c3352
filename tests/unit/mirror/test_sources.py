"""Several subtrees in one ConfigMap: the later wins, one zxid for all, and what one of them lacks stops the whole."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.mirror import FAST, NAMESPACE, World, running
from tests.support.worlds.sources import (
    COMMON,
    LAYERS,
    PULL,
    SHOP,
    annotation_of,
    drop_znodes,
    has_value,
    paths_of,
    pulled,
    texts_of,
    write_znodes,
)
from zkoperator.kube.port import CONFIG_MAPS, DEPLOYMENTS
from zkoperator.mirror.model import selected_znodes
from zkoperator.mirror.model.selected_znodes import SelectedZnodes
from zkoperator.mirror.observe import subtree
from zkoperator.zk.port import Create, Set


async def test_each_subtree_has_its_prefix(world: World) -> None:
    await pulled(world, COMMON, SHOP)
    write_znodes(world, shop__db="", shop__db__url="here")
    await world.until(lambda: texts_of(world).get("shop.db__url") == "here")
    assert texts_of(world) == {"a": "1", "b": "1", "shop.a": "2", "shop.c": "2", "shop.db__url": "here"}


async def test_the_later_subtree_wins_and_the_hidden_key_is_no_problem(world: World) -> None:
    await pulled(world)
    assert texts_of(world) == {"a": "2", "b": "1", "c": "2"}
    assert paths_of(world) == {"a": "shop/a", "b": "common/b", "c": "shop/c"}
    write_znodes(world, common__a="hidden")
    await world.quiet()
    assert (texts_of(world)["a"], world.ready()) == ("2", ("True", "InSync"))


async def test_the_data_of_a_root_is_a_key_of_its_subtree(world: World) -> None:
    await pulled(world, COMMON, SHOP)
    write_znodes(world, shop="root")
    await world.until(lambda: texts_of(world).get("shop.__root") == "root")


async def test_patterns_are_of_the_paths_below_each_root(world: World) -> None:
    await pulled(world, keys={"include": ["a"]})
    assert texts_of(world) == {"a": "2"}


async def test_an_empty_parent_hides_no_value(world: World) -> None:
    write_znodes(world, common="", common__db="url", shop="", shop__db="", shop__db__x="1")
    world.sync(sources=LAYERS, direction=PULL)
    await world.until_in_sync()
    assert texts_of(world) == {"db": "url", "db__x": "1"}


async def test_a_transaction_over_two_subtrees_is_seen_whole(world: World) -> None:
    await pulled(world)
    seen: set[tuple[str, str]] = set()
    for number in range(20):
        value = f"v{number}".encode()
        world.write(Set("/common/b", value, -1), Set("/shop/c", value, -1))
        await world.until(partial(has_value, world, "b", value.decode()))
        seen.add((texts_of(world)["b"], texts_of(world)["c"]))
    assert all(one == other for one, other in seen)


async def test_the_state_has_the_newest_zxid_of_all_subtrees(world: World) -> None:
    await pulled(world)
    write_znodes(world, common__b="3")
    await world.until(lambda: texts_of(world)["b"] == "3")
    assert int(annotation_of(world, "zxid"), 16) >= world.zk.tree.zxid


@pytest.mark.parametrize("changed", ["common__b", "shop__c"])
async def test_workloads_are_restarted_for_each_subtree(world: World, changed: str) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    meta = {"name": "web", "namespace": NAMESPACE}
    world.kube.put(DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})

    def mark() -> str:
        found = world.kube.peek(DEPLOYMENTS, NAMESPACE, "web") or {}
        annotations = found["spec"]["template"]["metadata"].get("annotations") or {}
        return str(annotations.get("rollout.zkoperator.dev/shop", ""))

    await pulled(world, rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(mark)
    before = mark()
    write_znodes(world, common__a="hidden")
    await world.quiet()
    assert mark() == before
    write_znodes(world, **{changed: "9"})
    await world.until(lambda: mark() != before)


async def test_subtrees_that_are_too_large_together_are_not_followed() -> None:
    async with running(replace(FAST, tree_znodes=8)) as world:
        await pulled(world)
        world.write(*(Create(f"/shop/n{number}", b"1") for number in range(3)))
        await world.until_reason("TooLarge")
        assert "/common, /shop" in world.message()
        drop_znodes(world, "/shop/n0", "/shop/n1", "/shop/n2")
        await world.until_in_sync()


async def test_a_restart_finds_nothing_to_do(world: World) -> None:
    await pulled(world)
    before = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    await world.restart()
    await world.quiet()
    after = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert before is not None and after is not None
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


async def test_a_long_name_of_a_subtree_has_a_short_key(world: World) -> None:
    await pulled(world, COMMON, SHOP)
    world.write(Create(f"/shop/{'x' * 300}", b"long"))
    await world.until(lambda: "__index" in texts_of(world))
    assert f"/shop/{'x' * 300}" in texts_of(world)["__index"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"sources": LAYERS, "direction": "TwoWay"}, "spec.zookeeper.sources"),
        ({"sources": LAYERS, "direction": "ConfigMapToZooKeeper"}, "spec.zookeeper.sources"),
        ({"sources": LAYERS, "direction": PULL, "onDelete": "DeleteZnodes"}, "spec.onDelete"),
        ({"sources": [COMMON, COMMON], "direction": PULL}, "spec.zookeeper.sources"),
        ({"sources": [COMMON, {"path": "/common/a"}], "direction": PULL}, "spec.zookeeper.sources"),
        ({"sources": [{"path": "/"}], "direction": PULL}, "spec.zookeeper.sources[0].path"),
        ({"sources": [], "direction": PULL}, "spec.zookeeper"),
        ({"sources": [{"path": "/a", "prefix": "__x"}], "direction": PULL}, "spec.zookeeper.sources[0].prefix"),
        ({"sources": [{"path": f"/a{n}"} for n in range(17)], "direction": PULL}, "spec.zookeeper.sources"),
    ],
    ids=json.dumps,
)
async def test_what_has_no_meaning_is_refused(world: World, spec: dict[str, Any], field: str) -> None:
    world.sync(**spec)
    await world.until_reason("InvalidSpec")
    assert field in world.message()


def _other_way_round(below: SelectedZnodes, above: SelectedZnodes) -> SelectedZnodes:
    return _overlaid(above, below)


_overlaid = selected_znodes._overlaid


SEEDS = (
    Seed(
        "the later subtree wins",
        replaced(selected_znodes, "_overlaid", _other_way_round),
        (in_world(test_the_later_subtree_wins_and_the_hidden_key_is_no_problem),),
    ),
    Seed(
        "the state is as new as the newest of the subtrees",
        rewritten(subtree, "Subtree.snapshot", "self.zk.last_zxid", "min(part.zxid for part in parts)"),
        (in_world(test_the_state_has_the_newest_zxid_of_all_subtrees),),
    ),
    Seed(
        "the limit of a subtree is for all of them together",
        replaced(subtree.Subtree, "_excess", lambda self: None),
        (test_subtrees_that_are_too_large_together_are_not_followed,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
