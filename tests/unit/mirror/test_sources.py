"""Several subtrees in one ConfigMap: the later wins, one zxid for all, and what one of them lacks stops the whole."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.fakes.zk_tree import Tree
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Bug, Seed, replaced, rewritten
from tests.support.worlds.backups import backup, put_back
from tests.support.worlds.mirror import FAST, NAMESPACE, World, running
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, DEPLOYMENTS
from zkoperator.mirror.apply import pacing
from zkoperator.mirror.model import selected_znodes
from zkoperator.mirror.model.decision import Decision
from zkoperator.mirror.model.merge_base import decode_base
from zkoperator.mirror.model.naming import Naming
from zkoperator.mirror.model.parts import Part
from zkoperator.mirror.model.selected_znodes import SelectedZnodes
from zkoperator.mirror.observe import subtree
from zkoperator.mirror.plan import decisions, guard, plan, refusal, renaming, steps
from zkoperator.zk.port import Acl, Create, Delete, Set
from zkoperator.zk.snapshot import Snapshot, composed

PULL = "ZooKeeperToConfigMap"
COMMON, SHOP = {"path": "/common"}, {"path": "/shop", "prefix": "shop."}
OVER = {"path": "/shop"}
HIDDEN = (Acl(31, "digest", "nobody:x"),)
LAYERS = [COMMON, OVER]


def _write(world: World, **values: str) -> None:
    """Create or set the znodes: `shop__db__url` is /shop/db/url."""
    for name, value in values.items():
        path = "/" + name.replace("__", "/")
        world.write(Create(path, value.encode()) if world.znode(path) is None else Set(path, value.encode(), -1))


def _drop(world: World, *paths: str) -> None:
    world.write(*(Delete(path, -1) for path in paths))


async def _pulled(world: World, *sources: dict[str, str], **spec: Any) -> None:
    """`/common` with a and b, `/shop` with a and c, pulled."""
    _write(world, common="", common__a="1", common__b="1", shop="", shop__a="2", shop__c="2")
    world.sync(sources=list(sources or LAYERS), direction=PULL, **spec)
    await world.until_in_sync()


def _choose(world: World, *sources: dict[str, str]) -> None:
    world.spec(zookeeper={"clusterRef": {"name": "main"}, "sources": list(sources)})


def _texts(world: World) -> dict[str, str]:
    return {key: value.decode() for key, value in (world.data() or {}).items()}


def _has(world: World, key: str, value: str) -> bool:
    return _texts(world).get(key) == value


def _annotation(world: World, name: str) -> str:
    found = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert found is not None
    return str(found["metadata"]["annotations"][f"zkoperator.dev/{name}"])


def _paths(world: World) -> dict[str, str]:
    """Which znode each key comes from, by the base."""
    base = decode_base(_annotation(world, "base"))
    assert base is not None
    return dict(base.paths)


async def test_each_subtree_has_its_prefix(world: World) -> None:
    await _pulled(world, COMMON, SHOP)
    _write(world, shop__db="", shop__db__url="here")
    await world.until(lambda: _texts(world).get("shop.db__url") == "here")
    assert _texts(world) == {"a": "1", "b": "1", "shop.a": "2", "shop.c": "2", "shop.db__url": "here"}


async def test_the_later_subtree_wins_and_the_hidden_key_is_no_problem(world: World) -> None:
    await _pulled(world)
    assert _texts(world) == {"a": "2", "b": "1", "c": "2"}
    assert _paths(world) == {"a": "shop/a", "b": "common/b", "c": "shop/c"}
    _write(world, common__a="hidden")
    await world.quiet()
    assert (_texts(world)["a"], world.ready()) == ("2", ("True", "InSync"))


async def test_the_data_of_a_root_is_a_key_of_its_subtree(world: World) -> None:
    await _pulled(world, COMMON, SHOP)
    _write(world, shop="root")
    await world.until(lambda: _texts(world).get("shop.__root") == "root")


async def test_patterns_are_of_the_paths_below_each_root(world: World) -> None:
    await _pulled(world, keys={"include": ["a"]})
    assert _texts(world) == {"a": "2"}


async def test_an_empty_parent_hides_no_value(world: World) -> None:
    _write(world, common="", common__db="url", shop="", shop__db="", shop__db__x="1")
    world.sync(sources=LAYERS, direction=PULL)
    await world.until_in_sync()
    assert _texts(world) == {"db": "url", "db__x": "1"}


async def test_a_transaction_over_two_subtrees_is_seen_whole(world: World) -> None:
    await _pulled(world)
    seen: set[tuple[str, str]] = set()
    for number in range(20):
        value = f"v{number}".encode()
        world.write(Set("/common/b", value, -1), Set("/shop/c", value, -1))
        await world.until(partial(_has, world, "b", value.decode()))
        seen.add((_texts(world)["b"], _texts(world)["c"]))
    assert all(one == other for one, other in seen)


async def test_the_state_has_the_newest_zxid_of_all_subtrees(world: World) -> None:
    await _pulled(world)
    _write(world, common__b="3")
    await world.until(lambda: _texts(world)["b"] == "3")
    assert int(_annotation(world, "zxid"), 16) >= world.zk.tree.zxid


@pytest.mark.parametrize("gone", ["common", "shop"])
async def test_a_missing_root_stops_the_whole_and_is_named(world: World, gone: str) -> None:
    await _pulled(world)
    before = _texts(world)
    children = ["a", "b"] if gone == "common" else ["a", "c"]
    _drop(world, *(f"/{gone}/{name}" for name in children), f"/{gone}")
    await world.until_reason("SourceMissing")
    assert f"/{gone}" in world.message()
    _write(world, **{"shop__c" if gone == "common" else "common__b": "new"})
    await world.quiet()
    assert _texts(world) == before


async def test_a_root_that_was_never_there_is_waited_for(world: World) -> None:
    _write(world, common="", common__a="1")
    world.sync(sources=LAYERS, direction=PULL)
    await world.until_reason("SourceMissing")
    assert world.data() is None
    _write(world, shop="")
    await world.until(lambda: _texts(world) == {"a": "1"})


async def test_a_root_that_was_created_again_lets_no_key_fall_back_unasked(world: World) -> None:
    await _pulled(world)
    await world.stop()
    _drop(world, "/shop/a", "/shop/c", "/shop")
    _write(world, shop="")
    await world.start()
    await world.until_reason("DeletionsHeld")
    assert world.status()["pending"]["deletes"] == 2
    _write(world, common__b="3")
    await world.until(lambda: _texts(world)["b"] == "3")
    await world.quiet()
    assert _texts(world) == {"a": "2", "b": "3", "c": "2"}
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: _texts(world) == {"a": "1", "b": "3"})
    await world.until_in_sync()


async def test_a_subtree_that_is_deleted_leaves_first_lets_no_key_fall_back() -> None:
    """`deleteall` takes the leaves first: what is deleted waits a moment for the root."""
    async with running(replace(FAST, deletion_quiet_s=60.0, longest_deletion_s=600.0)) as world:
        await _pulled(world)
        for path in ("/shop/a", "/shop/c"):
            _drop(world, path)
            await world.quiet()
            assert _texts(world) == {"a": "2", "b": "1", "c": "2"}
        _drop(world, "/shop")
        await world.until_reason("SourceMissing")
        await world.quiet()
        assert _texts(world) == {"a": "2", "b": "1", "c": "2"}


async def test_a_key_falls_back_when_its_znode_is_deleted(world: World) -> None:
    await _pulled(world)
    _drop(world, "/shop/a")
    await world.until(lambda: _texts(world)["a"] == "1")
    await world.until_in_sync()
    assert _paths(world)["a"] == "common/a"
    assert world.status()["deletions"]["keys"] == ["/shop/a"]


async def test_many_keys_that_fall_back_wait_like_deletions(world: World) -> None:
    names = [f"k{number}" for number in range(6)]
    _write(world, common="", shop="")
    _write(world, **{f"common__{name}": "1" for name in names}, **{f"shop__{name}": "2" for name in names})
    world.sync(sources=LAYERS, direction=PULL)
    await world.until_in_sync()
    for name in names[:4]:
        _drop(world, f"/shop/{name}")
        await world.until(partial(_has, world, name, "1"))
    _drop(world, "/shop/k4")
    await world.until_reason("DeletionsHeld")
    assert _texts(world)["k4"] == "2"


async def test_an_ephemeral_znode_that_ended_falls_back_and_counts_for_nothing(world: World) -> None:
    _write(world, common="", common__live="none", shop="")
    session = world.zk.session()
    await session.create(Create("/shop/live", b"here", ephemeral=True))
    world.sync(sources=LAYERS, direction=PULL, keys={"ephemerals": "Include"}, deletionGuard={"maxKeys": 0})
    await world.until(lambda: _texts(world) == {"live": "here"})
    await session.close()
    await world.until(lambda: _texts(world) == {"live": "none"})
    await world.until_in_sync()


async def test_deletions_of_all_subtrees_count_together(world: World) -> None:
    names = [f"k{number}" for number in range(3)]
    _write(world, common="", shop="", common__stay="1")
    _write(world, **{f"common__{name}": "1" for name in names}, **{f"shop__{name}": "2" for name in names})
    world.sync(sources=[COMMON, SHOP], direction=PULL)
    await world.until_in_sync()
    await world.stop()
    _drop(world, *(f"/common/{name}" for name in names), *(f"/shop/{name}" for name in names))
    await world.start()
    await world.until_reason("DeletionsHeld")
    assert len(_texts(world)) == 7


@pytest.mark.parametrize("path", ["/shop", "/shop/a"])
async def test_a_znode_that_may_not_be_read_stops_the_whole(world: World, path: str) -> None:
    """It could have a key that wins: nothing may fall back to another subtree for it."""
    await _pulled(world)
    await world.stop()
    world.zk.set_acl(path, HIDDEN)
    _write(world, common__b="new")
    await world.start()
    await world.until_reason("Forbidden")
    assert path in world.message()
    assert _texts(world) == {"a": "2", "b": "1", "c": "2"}


async def test_an_excluded_znode_that_may_not_be_read_stops_nothing(world: World) -> None:
    _write(world, common="", common__a="1", shop="", shop__secret="x")
    world.zk.set_acl("/shop/secret", HIDDEN)
    world.sync(sources=LAYERS, direction=PULL, keys={"exclude": ["secret/**"]})
    await world.until_in_sync()
    assert _texts(world) == {"a": "1"}


async def test_another_order_takes_the_other_values_and_asks_nobody(world: World) -> None:
    await _pulled(world, deletionGuard={"maxKeys": 0})
    _choose(world, OVER, COMMON)
    await world.until(lambda: _texts(world) == {"a": "1", "b": "1", "c": "2"})
    await world.until_in_sync()


async def test_a_subtree_that_is_added_last_wins(world: World) -> None:
    await _pulled(world, COMMON)
    _choose(world, *LAYERS)
    await world.until(lambda: _texts(world) == {"a": "2", "b": "1", "c": "2"})
    await world.until_in_sync()


async def test_a_subtree_that_is_removed_deletes_nothing(world: World) -> None:
    """Its keys are nobody's any more; one that another subtree has too takes the value of that."""
    await _pulled(world, deletionGuard={"maxKeys": 0})
    _choose(world, COMMON)
    await world.until(lambda: _texts(world) == {"a": "1", "b": "1", "c": "2"})
    await world.until_in_sync()
    assert _paths(world) == {"a": "common/a", "b": "common/b"}
    _drop(world, "/shop/c")
    await world.quiet()
    assert _texts(world)["c"] == "2"


async def test_a_subtree_is_removed_while_nothing_else_happens(world: World) -> None:
    """Another ConfigSync keeps the session, so that the list is all that changes, and no zxid."""
    await _pulled(world)
    world.sync("other", path="/common", direction=PULL)
    await world.until_in_sync("other")
    _write(world, shop__c="3")
    await world.until(lambda: _texts(world)["c"] == "3")
    _choose(world, COMMON)
    await world.until(lambda: _texts(world)["a"] == "1")
    await world.until_in_sync()


async def test_another_prefix_moves_values_and_reads_none_again(world: World) -> None:
    await _pulled(world, COMMON, SHOP, deletionGuard={"maxKeys": 0})
    _choose(world, COMMON, {"path": "/shop", "prefix": "s_"})
    await world.until(lambda: _texts(world) == {"a": "1", "b": "1", "s_a": "2", "s_c": "2"})
    await world.until_in_sync()


async def test_a_prefix_that_is_taken_off_hides_the_keys_below_it(world: World) -> None:
    await _pulled(world, COMMON, SHOP, deletionGuard={"maxKeys": 0})
    _choose(world, *LAYERS)
    await world.until(lambda: _texts(world) == {"a": "2", "b": "1", "c": "2"})
    await world.until_in_sync()


async def test_the_key_of_the_later_subtree_moves_whatever_the_order_of_the_base() -> None:
    parts = (Part("common"), Part("shop"))
    known = {"a": "common/a", "s.a": "shop/a"}
    for order in (known, dict(reversed(known.items()))):
        assert renaming._names(order, Naming(parts=parts)) == {"s.a": "a"}


async def test_a_removed_subtree_gives_its_key_to_another_one(world: World) -> None:
    await _pulled(world, {"path": "/common", "prefix": "common."}, OVER)
    _choose(world, COMMON)
    await world.until(lambda: _texts(world) == {"a": "1", "b": "1", "c": "2"})
    await world.until_in_sync()


async def test_another_prefix_takes_no_key_that_is_somebody_elses(world: World) -> None:
    await _pulled(world, COMMON, SHOP)
    world.edit(s_a="theirs")
    _choose(world, COMMON, {"path": "/shop", "prefix": "s_"})
    await world.until_reason("KeyInvalid")
    assert _texts(world)["s_a"] == "theirs"


async def test_the_list_may_change_while_the_operator_is_away(world: World) -> None:
    await _pulled(world)
    await world.stop()
    _choose(world, OVER, {"path": "/common", "prefix": "c."})
    _write(world, shop__c="3")
    await world.start()
    await world.until(lambda: _texts(world) == {"a": "2", "c": "3", "c.b": "1", "c.a": "1"})
    await world.until_in_sync()


async def test_a_dry_run_shows_what_another_subtree_would_change(world: World) -> None:
    await _pulled(world, COMMON)
    world.spec(mode="DryRun", zookeeper={"clusterRef": {"name": "main"}, "sources": LAYERS})
    await world.until_reason("DryRun")
    await world.until(lambda: (world.status().get("pending") or {}).get("creates") == 1)
    assert (world.status()["pending"]["updates"], _texts(world)) == (1, {"a": "1", "b": "1"})


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

    await _pulled(world, rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(mark)
    before = mark()
    _write(world, common__a="hidden")
    await world.quiet()
    assert mark() == before
    _write(world, **{changed: "9"})
    await world.until(lambda: mark() != before)


async def test_subtrees_that_are_too_large_together_are_not_followed() -> None:
    async with running(replace(FAST, tree_znodes=8)) as world:
        await _pulled(world)
        world.write(*(Create(f"/shop/n{number}", b"1") for number in range(3)))
        await world.until_reason("TooLarge")
        assert "/common, /shop" in world.message()
        _drop(world, "/shop/n0", "/shop/n1", "/shop/n2")
        await world.until_in_sync()


async def test_a_restart_finds_nothing_to_do(world: World) -> None:
    await _pulled(world)
    before = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    await world.restart()
    await world.quiet()
    after = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert before is not None and after is not None
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


async def test_a_long_name_of_a_subtree_has_a_short_key(world: World) -> None:
    await _pulled(world, COMMON, SHOP)
    world.write(Create(f"/shop/{'x' * 300}", b"long"))
    await world.until(lambda: "__index" in _texts(world))
    assert f"/shop/{'x' * 300}" in _texts(world)["__index"]


async def test_a_wiped_ensemble_deletes_nothing(world: World) -> None:
    await _pulled(world)
    await world.stop()
    world.zk.restore(Tree())
    _write(world, common="", shop="")
    await world.start()
    await world.until_reason("SourceRegressed")
    assert _texts(world) == {"a": "2", "b": "1", "c": "2"}


@pytest.mark.parametrize("changed", ["shop__c", "common__b"])
async def test_a_backup_that_was_put_back_is_recognised_in_each_subtree(world: World, changed: str) -> None:
    await _pulled(world)
    old = backup(world)
    _write(world, **{changed: "9"})
    await world.until(lambda: "9" in _texts(world).values())
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    assert "9" in _texts(world).values()


async def test_a_key_of_which_the_backup_has_only_the_hidden_value_does_not_fall_back(world: World) -> None:
    _write(world, common="", common__x="default", shop="")
    world.sync(sources=LAYERS, direction=PULL)
    await world.until_in_sync()
    old = backup(world)
    _write(world, shop__x="mine")
    await world.until(lambda: _texts(world) == {"x": "mine"})
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    assert _texts(world) == {"x": "mine"}


async def test_another_list_under_the_same_name_merges_with_consent_alone(world: World) -> None:
    await _pulled(world)
    await world.stop()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    world.sync(sources=[OVER], direction=PULL)
    await world.until_reason("TargetNotAdopted")
    assert "/common, /shop" in world.message()
    assert _texts(world) == {"a": "2", "b": "1", "c": "2"}


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


def _any_root_will_do(parts: Sequence[Snapshot], zxid: int) -> Snapshot:
    return replace(composed(parts, zxid), root_exists=any(part.root_exists for part in parts))


def _in_the_plan(module: Any, name: str, old: str, new: str) -> Bug:
    """Rewrite a function also where the planner has it by name."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        rewritten(module, name, old, new)(patch)
        patch.setattr(plan, name, getattr(module, name))

    return bug


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
        "every root has to exist",
        replaced(subtree, "composed", _any_root_will_do),
        (
            in_world(test_a_missing_root_stops_the_whole_and_is_named, gone="common"),
            in_world(test_a_missing_root_stops_the_whole_and_is_named, gone="shop"),
        ),
    ),
    Seed(
        "a znode that may not be read stops the whole",
        replaced(plan._Planner, "_unknown_part", lambda self: None),
        (
            in_world(test_a_znode_that_may_not_be_read_stops_the_whole, path="/shop"),
            in_world(test_a_znode_that_may_not_be_read_stops_the_whole, path="/shop/a"),
        ),
    ),
    Seed(
        "a key that falls back counts as deleted",
        replaced(decisions, "_fallen", lambda *_: ""),
        (
            in_world(test_a_root_that_was_created_again_lets_no_key_fall_back_unasked),
            in_world(test_many_keys_that_fall_back_wait_like_deletions),
        ),
    ),
    Seed(
        "it counts although the key is still there",
        replaced(Decision, "counted", property(lambda self: self.key)),
        (in_world(test_many_keys_that_fall_back_wait_like_deletions),),
    ),
    Seed(
        "it waits for the root as a deletion does",
        rewritten(pacing, "wait_s", "item.takes_away and", "item.is_deletion and"),
        (test_a_subtree_that_is_deleted_leaves_first_lets_no_key_fall_back,),
    ),
    Seed(
        "a held fall-back stays one when other keys are written",
        rewritten(steps, "_paths", "key in unsettled or ", ""),
        (in_world(test_a_root_that_was_created_again_lets_no_key_fall_back_unasked),),
    ),
    Seed(
        "what ended with its session was deleted by nobody",
        rewritten(decisions, "_fallen", " or key in given.ephemeral", ""),
        (in_world(test_an_ephemeral_znode_that_ended_falls_back_and_counts_for_nothing),),
    ),
    Seed(
        "a subtree that is taken off the list is not deleted",
        rewritten(decisions, "_fallen", 'was if given.selection.takes(was) else ""', "was"),
        (in_world(test_a_subtree_that_is_removed_deletes_nothing),),
    ),
    Seed(
        "another znode under the key is no restored backup",
        _in_the_plan(guard, "is_reverted", "item.path)) != item.path:", "item.path)) is None:"),
        (in_world(test_a_key_falls_back_when_its_znode_is_deleted),),
    ),
    Seed(
        "a restored backup is seen by the znode that is missing",
        _in_the_plan(guard, "is_reverted", "return is_followed and", "return False and"),
        (in_world(test_a_key_of_which_the_backup_has_only_the_hidden_value_does_not_fall_back),),
    ),
    Seed(
        "another list says nothing of the ensemble's history",
        _in_the_plan(guard, "is_reverted", "return is_followed and", "return"),
        (in_world(test_a_subtree_is_removed_while_nothing_else_happens),),
    ),
    Seed(
        "of two moved keys the one of the later subtree stays",
        rewritten(renaming, "_names", "or 0) > (", "or 0) < ("),
        (test_the_key_of_the_later_subtree_moves_whatever_the_order_of_the_base,),
    ),
    Seed(
        "the key of a removed subtree is nobody else's",
        rewritten(renaming, "_blocked", "if new not in known", "if new not in changed"),
        (in_world(test_a_removed_subtree_gives_its_key_to_another_one),),
    ),
    Seed(
        "the base names all the roots",
        rewritten(refusal, "_is_of_another_tree", "present.keys() == base.roots.keys() != set() and ", ""),
        (in_world(test_another_list_under_the_same_name_merges_with_consent_alone),),
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
