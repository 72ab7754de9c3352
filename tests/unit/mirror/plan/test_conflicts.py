"""Conflicts: which edits are one, who settles it, and for how long a resolution holds."""

from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.mirror import reconcile
from zkoperator.mirror.plan import decisions
from zkoperator.zk.port import Set


async def _conflict(world: World, **spec: object) -> None:
    """Both sides of `a` edited differently while the operator is away."""
    world.tree(a="base", other="1")
    world.sync(**spec)
    await world.until_in_sync()
    await world.stop()
    world.node("a", "theirs")
    world.edit(a="mine")
    await world.start()


async def test_an_edit_on_both_sides_is_held_with_both_values_while_the_rest_flows(world: World) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    world.node("other", "2")
    await world.until(lambda: (world.data() or {})["other"] == b"2")
    assert (world.at("a"), (world.data() or {})["a"]) == (b"theirs", b"mine")
    status = world.status()
    assert status["conflictCount"] == 1
    conflict = status["conflicts"][0]
    assert (conflict["key"], conflict["path"], conflict["manager"]) == ("a", "a", "kubectl-edit")
    assert conflict["zookeeper"] != conflict["configMap"]
    assert world.condition("Conflicted") == ("True", "Conflict")
    assert "theirs" not in str(status)
    assert "mine" not in str(status)


@pytest.mark.parametrize(("side", "value"), [("zookeeper", b"theirs"), ("configmap", b"mine")])
async def test_a_resolution_settles_the_conflict_and_is_used_up(world: World, side: str, value: bytes) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    world.annotate(resolve=f"a={side}")
    await world.until_in_sync()
    await world.until(lambda: (world.at("a"), (world.data() or {})["a"]) == (value, value))
    await world.until(lambda: "zkoperator.dev/resolve" not in _annotations(world))
    assert world.status()["conflictCount"] == 0


async def test_a_resolution_never_settles_an_edit_that_came_after_it(world: World) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    await world.stop()
    world.annotate(resolve="a=zookeeper")
    world.edit(a="later")
    await world.start()
    await world.until(lambda: "zkoperator.dev/resolve" not in _annotations(world))
    await world.quiet()
    assert (world.at("a"), world.data()) == (b"theirs", {"a": b"later", "other": b"1"})
    assert world.ready() == ("False", "Conflict")


async def test_a_resolution_loses_each_key_as_it_is_settled(world: World) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    world.annotate(resolve="a=configmap,other=zookeeper")
    await world.until_in_sync()
    await world.until(lambda: "zkoperator.dev/resolve" not in _annotations(world))
    await world.stop()
    world.node("other", "theirs")
    world.edit(other="mine")
    await world.start()
    await world.until_reason("Conflict")
    await world.quiet()
    assert (world.data() or {})["other"] == b"mine"


async def test_a_resolution_of_more_than_one_transaction_is_carried_out_whole(world: World) -> None:
    keys = [f"k{number:04}" for number in range(1200)]
    world.tree(**dict.fromkeys(keys, "1"))
    world.sync()
    await world.until_in_sync()
    await world.stop()
    for key in keys:
        world.node(key, "theirs")
    world.edit(**dict.fromkeys(keys, "mine"))
    await world.start()
    await world.until_reason("Conflict")
    world.annotate(resolve=",".join(f"{key}=configmap" for key in keys))
    await world.until(lambda: world.at(keys[0]) == world.at(keys[-1]) == b"mine", within_s=30)
    await world.until_in_sync()
    assert {world.at(key) for key in keys} == {b"mine"}


async def test_editing_one_side_to_the_other_value_ends_the_conflict(world: World) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    world.edit(a="theirs")
    await world.until_in_sync()
    world.edit(a="later")
    await world.until(lambda: world.at("a") == b"later")


@pytest.mark.parametrize(("policy", "value"), [("PreferZooKeeper", b"theirs"), ("PreferConfigMap", b"mine")])
async def test_a_preference_decides_a_conflict(world: World, policy: str, value: bytes) -> None:
    await _conflict(world, conflictPolicy=policy)
    await world.until(lambda: (world.at("a"), (world.data() or {})["a"]) == (value, value))
    await world.until_in_sync()


async def test_an_adoption_policy_does_not_decide_later_conflicts(world: World) -> None:
    await _conflict(world, adoptionPolicy="PreferZooKeeper")
    await world.until_reason("Conflict")


async def test_the_same_edit_on_both_sides_is_no_conflict(world: World) -> None:
    world.tree(a="base")
    world.sync()
    await world.until_in_sync()
    await world.stop()
    world.node("a", "same")
    world.edit(a="same")
    await world.start()
    await world.quiet()
    assert world.ready() == ("True", "InSync")
    world.edit(a="later")
    await world.until(lambda: world.at("a") == b"later")


async def test_deleted_here_and_edited_there_is_a_conflict_in_which_the_edit_survives(world: World) -> None:
    world.tree(a="base", b="base")
    world.sync()
    await world.until_in_sync()
    await world.stop()
    world.drop("a")
    world.edit(a="edited", b=None)
    world.node("b", "edited")
    await world.start()
    await world.until_reason("Conflict")
    assert world.status()["conflictCount"] == 2
    assert world.data() == {"a": b"edited"}
    assert world.at("b") == b"edited"


async def test_a_bad_resolution_is_refused_with_the_field_and_the_fix(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.annotate(resolve="a=mine")
    await world.until_reason("InvalidSpec")
    assert "zkoperator.dev/resolve" in world.message()
    world.write(Set(f"{ROOT}/a", b"2", -1))


def _annotations(world: World) -> dict[str, str]:
    found = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    assert found is not None
    return dict(found["metadata"].get("annotations") or {})


def _any_resolution(key: str, _zookeeper: Any, _config_map: Any, given: Any) -> Any:
    return given.resolve.get(key)


SEEDS = (
    Seed(
        "a resolution settles what the status showed",
        replaced(decisions, "_resolution", _any_resolution),
        (in_world(test_a_resolution_never_settles_an_edit_that_came_after_it),),
    ),
    Seed(
        "a resolution is removed once it is used",
        replaced(reconcile, "_spent_annotations", lambda *_: {}),
        (in_world(test_a_resolution_loses_each_key_as_it_is_settled),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
