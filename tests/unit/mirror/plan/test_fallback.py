"""Several subtrees: what a deleted, missing, unreadable or restored part does to the keys of the whole."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from tests.support.fakes.zk_tree import Tree
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.backups import backup, put_back
from tests.support.worlds.mirror import FAST, World, running
from tests.support.worlds.sources import (
    COMMON,
    LAYERS,
    PULL,
    SHOP,
    drop_znodes,
    has_value,
    in_the_plan,
    paths_of,
    pulled,
    texts_of,
    write_znodes,
)
from zkoperator.mirror.apply import pacing
from zkoperator.mirror.model.decision import Decision
from zkoperator.mirror.observe import subtree
from zkoperator.mirror.plan import decisions, guard, plan, steps
from zkoperator.zk.port import Acl, Create
from zkoperator.zk.snapshot import Snapshot, composed

HIDDEN = (Acl(31, "digest", "nobody:x"),)


@pytest.mark.parametrize("gone", ["common", "shop"])
async def test_a_missing_root_stops_the_whole_and_is_named(world: World, gone: str) -> None:
    await pulled(world)
    before = texts_of(world)
    children = ["a", "b"] if gone == "common" else ["a", "c"]
    drop_znodes(world, *(f"/{gone}/{name}" for name in children), f"/{gone}")
    await world.until_reason("SourceMissing")
    assert f"/{gone}" in world.message()
    write_znodes(world, **{"shop__c" if gone == "common" else "common__b": "new"})
    await world.quiet()
    assert texts_of(world) == before


async def test_a_root_that_was_never_there_is_waited_for(world: World) -> None:
    write_znodes(world, common="", common__a="1")
    world.sync(sources=LAYERS, direction=PULL)
    await world.until_reason("SourceMissing")
    assert world.data() is None
    write_znodes(world, shop="")
    await world.until(lambda: texts_of(world) == {"a": "1"})


async def test_a_root_that_was_created_again_lets_no_key_fall_back_unasked(world: World) -> None:
    await pulled(world)
    await world.stop()
    drop_znodes(world, "/shop/a", "/shop/c", "/shop")
    write_znodes(world, shop="")
    await world.start()
    await world.until_reason("DeletionsHeld")
    assert world.status()["pending"]["deletes"] == 2
    write_znodes(world, common__b="3")
    await world.until(lambda: texts_of(world)["b"] == "3")
    await world.quiet()
    assert texts_of(world) == {"a": "2", "b": "3", "c": "2"}
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: texts_of(world) == {"a": "1", "b": "3"})
    await world.until_in_sync()


async def test_a_subtree_that_is_deleted_leaves_first_lets_no_key_fall_back() -> None:
    """`deleteall` takes the leaves first: what is deleted waits a moment for the root."""
    async with running(replace(FAST, deletion_quiet_s=60.0, longest_deletion_s=600.0)) as world:
        await pulled(world)
        for path in ("/shop/a", "/shop/c"):
            drop_znodes(world, path)
            await world.quiet()
            assert texts_of(world) == {"a": "2", "b": "1", "c": "2"}
        drop_znodes(world, "/shop")
        await world.until_reason("SourceMissing")
        await world.quiet()
        assert texts_of(world) == {"a": "2", "b": "1", "c": "2"}


async def test_a_key_falls_back_when_its_znode_is_deleted(world: World) -> None:
    await pulled(world)
    drop_znodes(world, "/shop/a")
    await world.until(lambda: texts_of(world)["a"] == "1")
    await world.until_in_sync()
    assert paths_of(world)["a"] == "common/a"
    assert world.status()["deletions"]["keys"] == ["/shop/a"]


async def test_many_keys_that_fall_back_wait_like_deletions(world: World) -> None:
    names = [f"k{number}" for number in range(6)]
    write_znodes(world, common="", shop="")
    write_znodes(world, **{f"common__{name}": "1" for name in names}, **{f"shop__{name}": "2" for name in names})
    world.sync(sources=LAYERS, direction=PULL)
    await world.until_in_sync()
    for name in names[:4]:
        drop_znodes(world, f"/shop/{name}")
        await world.until(partial(has_value, world, name, "1"))
    drop_znodes(world, "/shop/k4")
    await world.until_reason("DeletionsHeld")
    assert texts_of(world)["k4"] == "2"


async def test_an_ephemeral_znode_that_ended_falls_back_and_counts_for_nothing(world: World) -> None:
    write_znodes(world, common="", common__live="none", shop="")
    session = world.zk.session()
    await session.create(Create("/shop/live", b"here", ephemeral=True))
    world.sync(sources=LAYERS, direction=PULL, keys={"ephemerals": "Include"}, deletionGuard={"maxKeys": 0})
    await world.until(lambda: texts_of(world) == {"live": "here"})
    await session.close()
    await world.until(lambda: texts_of(world) == {"live": "none"})
    await world.until_in_sync()


async def test_deletions_of_all_subtrees_count_together(world: World) -> None:
    names = [f"k{number}" for number in range(3)]
    write_znodes(world, common="", shop="", common__stay="1")
    write_znodes(world, **{f"common__{name}": "1" for name in names}, **{f"shop__{name}": "2" for name in names})
    world.sync(sources=[COMMON, SHOP], direction=PULL)
    await world.until_in_sync()
    await world.stop()
    drop_znodes(world, *(f"/common/{name}" for name in names), *(f"/shop/{name}" for name in names))
    await world.start()
    await world.until_reason("DeletionsHeld")
    assert len(texts_of(world)) == 7


@pytest.mark.parametrize("path", ["/shop", "/shop/a"])
async def test_a_znode_that_may_not_be_read_stops_the_whole(world: World, path: str) -> None:
    """It could have a key that wins: nothing may fall back to another subtree for it."""
    await pulled(world)
    await world.stop()
    world.zk.set_acl(path, HIDDEN)
    write_znodes(world, common__b="new")
    await world.start()
    await world.until_reason("Forbidden")
    assert path in world.message()
    assert texts_of(world) == {"a": "2", "b": "1", "c": "2"}


async def test_an_excluded_znode_that_may_not_be_read_stops_nothing(world: World) -> None:
    write_znodes(world, common="", common__a="1", shop="", shop__secret="x")
    world.zk.set_acl("/shop/secret", HIDDEN)
    world.sync(sources=LAYERS, direction=PULL, keys={"exclude": ["secret/**"]})
    await world.until_in_sync()
    assert texts_of(world) == {"a": "1"}


async def test_a_wiped_ensemble_deletes_nothing(world: World) -> None:
    await pulled(world)
    await world.stop()
    world.zk.restore(Tree())
    write_znodes(world, common="", shop="")
    await world.start()
    await world.until_reason("SourceRegressed")
    assert texts_of(world) == {"a": "2", "b": "1", "c": "2"}


@pytest.mark.parametrize("changed", ["shop__c", "common__b"])
async def test_a_backup_that_was_put_back_is_recognised_in_each_subtree(world: World, changed: str) -> None:
    await pulled(world)
    old = backup(world)
    write_znodes(world, **{changed: "9"})
    await world.until(lambda: "9" in texts_of(world).values())
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    assert "9" in texts_of(world).values()


async def test_a_key_of_which_the_backup_has_only_the_hidden_value_does_not_fall_back(world: World) -> None:
    write_znodes(world, common="", common__x="default", shop="")
    world.sync(sources=LAYERS, direction=PULL)
    await world.until_in_sync()
    old = backup(world)
    write_znodes(world, shop__x="mine")
    await world.until(lambda: texts_of(world) == {"x": "mine"})
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    assert texts_of(world) == {"x": "mine"}


def _any_root_will_do(parts: Sequence[Snapshot], zxid: int) -> Snapshot:
    return replace(composed(parts, zxid), root_exists=any(part.root_exists for part in parts))


SEEDS = (
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
        replaced(plan, "unknown_part", lambda *_: None),
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
        "another znode under the key is no restored backup",
        in_the_plan(guard, "is_reverted", "item.path)) != item.path:", "item.path)) is None:"),
        (in_world(test_a_key_falls_back_when_its_znode_is_deleted),),
    ),
    Seed(
        "a restored backup is seen by the znode that is missing",
        in_the_plan(guard, "is_reverted", "return is_followed and", "return False and"),
        (in_world(test_a_key_of_which_the_backup_has_only_the_hidden_value_does_not_fall_back),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
