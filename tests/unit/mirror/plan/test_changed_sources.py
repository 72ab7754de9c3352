"""Several subtrees: another list, order or prefix moves values and deletes nothing unasked."""

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, rewritten
from tests.support.worlds.mirror import NAMESPACE, World
from tests.support.worlds.sources import (
    COMMON,
    LAYERS,
    OVER,
    PULL,
    SHOP,
    choose_sources,
    drop_znodes,
    in_the_plan,
    paths_of,
    pulled,
    texts_of,
    write_znodes,
)
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.mirror.model.naming import Naming
from zkoperator.mirror.model.parts import Part
from zkoperator.mirror.plan import decisions, guard, refusal, renaming


async def test_another_order_takes_the_other_values_and_asks_nobody(world: World) -> None:
    await pulled(world, deletionGuard={"maxKeys": 0})
    choose_sources(world, OVER, COMMON)
    await world.until(lambda: texts_of(world) == {"a": "1", "b": "1", "c": "2"})
    await world.until_in_sync()


async def test_a_subtree_that_is_added_last_wins(world: World) -> None:
    await pulled(world, COMMON)
    choose_sources(world, *LAYERS)
    await world.until(lambda: texts_of(world) == {"a": "2", "b": "1", "c": "2"})
    await world.until_in_sync()


async def test_a_subtree_that_is_removed_deletes_nothing(world: World) -> None:
    """Its keys are nobody's any more; one that another subtree has too takes the value of that."""
    await pulled(world, deletionGuard={"maxKeys": 0})
    choose_sources(world, COMMON)
    await world.until(lambda: texts_of(world) == {"a": "1", "b": "1", "c": "2"})
    await world.until_in_sync()
    assert paths_of(world) == {"a": "common/a", "b": "common/b"}
    drop_znodes(world, "/shop/c")
    await world.quiet()
    assert texts_of(world)["c"] == "2"


async def test_a_subtree_is_removed_while_nothing_else_happens(world: World) -> None:
    """Another ConfigSync keeps the session, so that the list is all that changes, and no zxid."""
    await pulled(world)
    world.sync("other", path="/common", direction=PULL)
    await world.until_in_sync("other")
    write_znodes(world, shop__c="3")
    await world.until(lambda: texts_of(world)["c"] == "3")
    choose_sources(world, COMMON)
    await world.until(lambda: texts_of(world)["a"] == "1")
    await world.until_in_sync()


async def test_another_prefix_moves_values_and_reads_none_again(world: World) -> None:
    await pulled(world, COMMON, SHOP, deletionGuard={"maxKeys": 0})
    choose_sources(world, COMMON, {"path": "/shop", "prefix": "s_"})
    await world.until(lambda: texts_of(world) == {"a": "1", "b": "1", "s_a": "2", "s_c": "2"})
    await world.until_in_sync()


async def test_a_prefix_that_is_taken_off_hides_the_keys_below_it(world: World) -> None:
    await pulled(world, COMMON, SHOP, deletionGuard={"maxKeys": 0})
    choose_sources(world, *LAYERS)
    await world.until(lambda: texts_of(world) == {"a": "2", "b": "1", "c": "2"})
    await world.until_in_sync()


async def test_the_key_of_the_later_subtree_moves_whatever_the_order_of_the_base() -> None:
    parts = (Part("common"), Part("shop"))
    known = {"a": "common/a", "s.a": "shop/a"}
    for order in (known, dict(reversed(known.items()))):
        assert renaming._names(order, Naming(parts=parts)) == {"s.a": "a"}


async def test_a_removed_subtree_gives_its_key_to_another_one(world: World) -> None:
    await pulled(world, {"path": "/common", "prefix": "common."}, OVER)
    choose_sources(world, COMMON)
    await world.until(lambda: texts_of(world) == {"a": "1", "b": "1", "c": "2"})
    await world.until_in_sync()


async def test_another_prefix_takes_no_key_that_is_somebody_elses(world: World) -> None:
    await pulled(world, COMMON, SHOP)
    world.edit(s_a="theirs")
    choose_sources(world, COMMON, {"path": "/shop", "prefix": "s_"})
    await world.until_reason("KeyInvalid")
    assert texts_of(world)["s_a"] == "theirs"


async def test_the_list_may_change_while_the_operator_is_away(world: World) -> None:
    await pulled(world)
    await world.stop()
    choose_sources(world, OVER, {"path": "/common", "prefix": "c."})
    write_znodes(world, shop__c="3")
    await world.start()
    await world.until(lambda: texts_of(world) == {"a": "2", "c": "3", "c.b": "1", "c.a": "1"})
    await world.until_in_sync()


async def test_a_dry_run_shows_what_another_subtree_would_change(world: World) -> None:
    await pulled(world, COMMON)
    world.spec(mode="DryRun", zookeeper={"clusterRef": {"name": "main"}, "sources": LAYERS})
    await world.until_reason("DryRun")
    await world.until(lambda: (world.status().get("pending") or {}).get("creates") == 1)
    assert (world.status()["pending"]["updates"], texts_of(world)) == (1, {"a": "1", "b": "1"})


async def test_another_list_under_the_same_name_merges_with_consent_alone(world: World) -> None:
    await pulled(world)
    await world.stop()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    world.sync(sources=[OVER], direction=PULL)
    await world.until_reason("TargetNotAdopted")
    assert "/common, /shop" in world.message()
    assert texts_of(world) == {"a": "2", "b": "1", "c": "2"}


SEEDS = (
    Seed(
        "a subtree that is taken off the list is not deleted",
        rewritten(decisions, "_fallen", 'was if given.selection.takes(was) else ""', "was"),
        (in_world(test_a_subtree_that_is_removed_deletes_nothing),),
    ),
    Seed(
        "another list says nothing of the ensemble's history",
        in_the_plan(guard, "is_reverted", "return is_followed and", "return"),
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
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
