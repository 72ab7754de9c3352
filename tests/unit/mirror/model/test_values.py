"""Values: which fit, where a ConfigMap keeps them, and what is too large."""

import re
from functools import partial

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror.model import keys
from zkoperator.zk.port import Create


async def test_a_value_that_does_not_fit_is_named_and_the_rest_flows(world: World) -> None:
    world.tree(big="x" * 700_000, small="1")
    world.write(Create(f"{ROOT}/huge", b"y" * 600_000))
    world.sync()
    await world.until_reason("TooLarge")
    assert "huge" in world.message()
    world.node("small", "2")
    await world.until(lambda: (world.data() or {}).get("small") == b"2")
    assert "huge" not in (world.data() or {})
    world.node("big", "small now")
    await world.until(lambda: len((world.data() or {}).get("huge", b"")) == 600_000)
    await world.until_in_sync()


async def test_a_value_too_large_for_a_znode_is_named_and_the_rest_flows(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.edit(huge="x" * 950_000, fine="1")
    await world.until_reason("TooLarge")
    assert "huge" in world.message()
    await world.until(lambda: world.at("fine") == b"1")


async def test_an_edit_above_the_request_limit_is_split_and_the_status_says_so(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.edit(**{f"k{number:04}": "v" for number in range(1500)})
    await world.until(lambda: world.at("k1499") == b"v", within_s=30)
    await world.until_in_sync()
    assert "split" in world.message()
    await world.quiet()
    assert len(world.data() or {}) == 1501


async def test_a_large_ledger_is_folded_into_the_annotation(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    uid = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")["metadata"]["uid"]  # type: ignore[index]
    for number in range(3):
        world.edit(**{f"g{number}-{'n' * 60}-{index:03}": "v" for index in range(300)})
        await world.until(partial(lambda key: world.at(key) == b"v", f"g{number}-{'n' * 60}-299"), within_s=30)
        await world.quiet()
    ledger = world.znode(f"/zkoperator/configsyncs/{uid}")
    assert ledger is not None
    assert len(ledger) < 150_000
    await world.restart()
    await world.quiet()
    assert world.ready() == ("True", "InSync")


async def test_binary_and_text_move_between_both_maps(world: World) -> None:
    world.tree(a="text", b=b"\xfe")
    world.sync()
    await world.until_in_sync()
    world.node("a", b"\xff")
    world.node("b", "text")
    await world.until(lambda: world.data() == {"a": b"\xff", "b": b"text"})
    manifest = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert manifest is not None
    assert (set(manifest["data"]), set(manifest["binaryData"])) == ({"b"}, {"a"})


@pytest.mark.parametrize("value", ["\x7f", "\x9b1m", "\ufffe", "a \x85 b", "\uffff"])
async def test_a_value_that_yaml_cannot_carry_stands_in_binary_data(world: World, value: str) -> None:
    world.tree(a="1", b=value)
    world.sync()
    await world.until_in_sync()
    manifest = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert manifest is not None
    assert (set(manifest["data"]), set(manifest.get("binaryData", {}))) == ({"a"}, {"b"})
    assert world.data() == {"a": b"1", "b": value.encode()}


async def test_a_value_that_somebody_put_into_data_is_equal_and_moves_when_it_is_written(world: World) -> None:
    world.tree(a="1", b="\x7f")
    world.config_map(b="\x7f")
    world.sync()
    await world.until_in_sync()
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2", "b": b"\x7f"})
    manifest = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert manifest is not None and set(manifest["data"]) == {"a", "b"}
    world.node("b", "\x80")
    await world.until(lambda: world.data() == {"a": b"2", "b": "\x80".encode()})
    manifest = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert manifest is not None and (set(manifest["data"]), set(manifest["binaryData"])) == ({"a"}, {"b"})


SEEDS = (
    Seed(
        "what YAML cannot carry is no text",
        replaced(keys, "_NOT_IN_YAML", re.compile(r"(?!)")),
        (in_world(test_a_value_that_yaml_cannot_carry_stands_in_binary_data, value="\x7f"),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
