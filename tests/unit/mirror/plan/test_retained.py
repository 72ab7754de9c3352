"""`deletionPolicy: Retain`: keys that one side has deleted and the other keeps."""

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import World
from zkoperator.mirror.plan import merge, steps


async def test_a_detached_key_stays_so_until_its_value_is_really_written(world: World) -> None:
    world.tree(k="old", other="1", fill="b" * 700_000)
    world.sync(deletionPolicy="Retain", conflictPolicy="PreferConfigMap")
    await world.until_in_sync()
    world.drop("k")
    await world.until_in_sync()
    await world.quiet()
    world.node("k", "n" * 600_000)
    await world.until_reason("TooLarge")
    world.node("other", "2")
    await world.until(lambda: (world.data() or {})["other"] == b"2")
    await world.quiet()
    assert world.at("k") == b"n" * 600_000


async def test_retained_keys_are_detached_and_stay_so_across_restarts(world: World) -> None:
    world.tree(a="1", b="1", keep="1")
    world.sync(deletionPolicy="Retain")
    await world.until_in_sync()
    world.drop("a")
    world.edit(b=None)
    await world.quiet()
    await world.restart()
    world.edit(a="edited while detached")
    await world.quiet()
    assert (world.at("a"), world.at("b")) == (None, b"1")
    assert world.data() == {"a": b"edited while detached", "keep": b"1"}
    assert world.ready() == ("True", "InSync")
    world.edit(b="again")
    await world.until(lambda: world.at("b") == b"again")


async def test_a_detached_key_follows_again_once_it_is_created_again(world: World) -> None:
    world.tree(a="1", keep="1")
    world.sync(deletionPolicy="Retain")
    await world.until_in_sync()
    world.drop("a")
    await world.quiet()
    world.node("a", "2")
    await world.until(lambda: (world.data() or {})["a"] == b"2")
    world.edit(a="3")
    await world.until(lambda: world.at("a") == b"3")


@pytest.mark.parametrize("policy", ["PreferZooKeeper", "PreferConfigMap"])
async def test_a_preference_deletes_nothing_that_is_to_be_retained(world: World, policy: str) -> None:
    world.tree(a="1", b="1")
    world.sync(deletionPolicy="Retain", conflictPolicy=policy)
    await world.until_in_sync()
    await world.stop()
    world.drop("a")
    world.edit(a="edited", b=None)
    world.node("b", "edited")
    await world.start()
    await world.until(lambda: world.ready() == ("True", "InSync") and world.status()["keys"] < 2)
    await world.quiet()
    kept = {
        "PreferZooKeeper": ({"a": b"edited", "b": b"edited"}, None),
        "PreferConfigMap": ({"a": b"edited"}, b"edited"),
    }
    assert (world.data(), world.at("a")) == kept[policy]
    assert world.at("b") == b"edited"


SEEDS = (
    Seed(
        "a preference deletes no retained key",
        replaced(merge, "_value", lambda *_: b"something"),
        (in_world(test_a_preference_deletes_nothing_that_is_to_be_retained, policy="PreferZooKeeper"),),
    ),
    Seed(
        "a retained key is detached",
        replaced(steps, "_record", lambda *_: None),
        (in_world(test_retained_keys_are_detached_and_stay_so_across_restarts),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
