"""Writers who revert one another through a ConfigSync: the key is held, and they are named."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, World
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.plan import decisions, merge


async def _rivals(world: World) -> None:
    """Two clients, one on each side, revert one another until the key is held with both of their values."""
    world.tree(a="zk", other="1")
    world.sync()
    await world.until_in_sync()
    for _ in range(8):
        if world.ready()[1] == "Flapping":
            break
        world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": {"a": "cm"}}, manager="rival")
        await world.quiet(8)
        if world.at("a") == b"cm":
            world.node("a", "zk")
        await world.quiet(8)
    await world.until_reason("Flapping")
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": {"a": "cm"}}, manager="rival")
    world.node("a", "zk")
    await world.quiet(8)


async def test_rivals_on_both_sides_are_recognised_held_and_named(world: World) -> None:
    await _rivals(world)
    assert "a" in world.message()
    assert world.status()["conflicts"][0]["manager"] == "rival"
    world.node("other", "2")
    await world.until(lambda: (world.data() or {})["other"] == b"2")


@pytest.mark.parametrize(("side", "value"), [("zookeeper", b"zk"), ("configmap", b"cm")])
async def test_a_resolution_of_a_flapping_key_takes_the_side_that_it_names(
    world: World, side: str, value: bytes
) -> None:
    await _rivals(world)
    assert (world.at("a"), (world.data() or {})["a"]) == (b"zk", b"cm")
    world.annotate(resolve=f"a={side}")
    await world.until(lambda: (world.at("a"), (world.data() or {})["a"]) == (value, value))
    await world.until_in_sync()


async def test_a_rival_that_keeps_editing_a_mirror_is_held(world: World) -> None:
    world.tree(a="zk")
    world.sync(direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    for _ in range(8):
        if world.ready()[1] == "Flapping":
            break
        world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": {"a": "cm"}}, manager="rival")
        await world.quiet(6)
    await world.until_reason("Flapping")
    assert world.status()["conflicts"][0]["manager"] == "rival"


async def test_a_client_that_toggles_a_value_on_one_side_is_not_flapping(world: World) -> None:
    world.tree(a="on")
    world.sync()
    await world.until_in_sync()
    for number in range(12):
        value = "off" if number % 2 == 0 else "on"
        world.node("a", value)
        await world.until(partial(lambda wanted: world.data() == wanted, {"a": value.encode()}))
    assert world.ready() == ("True", "InSync")


_DECIDE = merge.decide


def _without_flapping(state: Any, rules: Any) -> Any:
    return _DECIDE(replace(state, flaps=False), rules)


SEEDS = (
    Seed(
        "a resolution of a flapping key counts",
        replaced(decisions, "decide", _without_flapping),
        (in_world(test_a_resolution_of_a_flapping_key_takes_the_side_that_it_names, side="zookeeper", value=b"zk"),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
