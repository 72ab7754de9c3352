"""People and tools that write the whole ConfigMap: what they leave out of it is no loss of what was common."""

from typing import Any

import pytest

from tests.support.models import mirror_bugs
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror.model.names import BASE_ANNOTATION, SYNC_LABEL
from zkoperator.mirror.observe import observer
from zkoperator.mirror.observe.ledger_cache import needs_ledger
from zkoperator.mirror.plan import plan, recall
from zkoperator.zk.port import Create, Delete

DATA = {"a": b"1", "b": b"1", "keep": b"1"}
BOTH = pytest.mark.parametrize("direction", ["TwoWay", "ConfigMapToZooKeeper"])


async def _synced(world: World, **spec: Any) -> None:
    world.tree()
    world.config_map(a="1", b="1", keep="1")
    world.sync(**spec)
    await world.until(lambda: world.at("keep") == b"1")
    await world.until_in_sync()
    await world.quiet()


def _replace(world: World, **data: str | None) -> None:
    """`kubectl replace` of a manifest that has the label and no annotation."""
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": None}, "data": data})


def _znodes(world: World) -> dict[str, bytes | None]:
    return {key: world.at(key) for key in DATA}


@BOTH
@pytest.mark.parametrize("is_down", [False, True])
async def test_edits_and_deletions_of_a_replaced_config_map_flow(world: World, direction: str, is_down: bool) -> None:
    await _synced(world, direction=direction)
    if is_down:
        await world.stop()
    _replace(world, a="2", b=None, new="1")
    if is_down:
        await world.start()
    await world.until(lambda: (world.at("a"), world.at("b"), world.at("new")) == (b"2", None, b"1"))
    await world.until_in_sync()
    assert world.data() == {"a": b"2", "keep": b"1", "new": b"1"}
    assert BASE_ANNOTATION in world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")["metadata"]["annotations"]  # type: ignore[index]


@BOTH
async def test_what_was_pushed_since_the_annotation_is_known_too(world: World, direction: str) -> None:
    await _synced(world, direction=direction)
    world.edit(a="2", young="1")
    await world.until(lambda: world.at("young") == b"1")
    await world.until_in_sync()
    await world.stop()
    _replace(world, a="3", young=None)
    await world.start()
    await world.until(lambda: (world.at("a"), world.at("young")) == (b"3", None))
    await world.until_in_sync()


@BOTH
@pytest.mark.parametrize("is_down", [False, True])
async def test_a_config_map_that_is_deleted_and_created_at_once_is_an_edit(
    world: World, direction: str, is_down: bool
) -> None:
    await _synced(world, direction=direction)
    if is_down:
        await world.stop()
    world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")
    world.config_map(a="2", keep="1")
    if is_down:
        await world.start()
    await world.until(lambda: (world.at("a"), world.at("b")) == (b"2", None))
    await world.until_in_sync()
    assert world.data() == {"a": b"2", "keep": b"1"}


async def test_a_source_that_is_gone_is_never_created_by_the_operator(world: World) -> None:
    await _synced(world, direction="ConfigMapToZooKeeper")
    world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")
    await world.until_reason("SourceMissing")
    assert "shop" in world.message()
    await world.restart()
    await world.quiet()
    assert (world.data(), _znodes(world)) == (None, DATA)
    world.config_map(label=None, a="2", keep="1")
    await world.until_reason("TargetNotAdopted")
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"labels": {SYNC_LABEL: "shop"}}})
    await world.until(lambda: (world.at("a"), world.at("b")) == (b"2", None))
    await world.until_in_sync()


async def test_a_source_that_was_never_there_is_waited_for(world: World) -> None:
    world.tree(a="1")
    world.sync(direction="ConfigMapToZooKeeper")
    await world.until_reason("SourceMissing")
    await world.quiet()
    assert (world.data(), world.at("a")) == (None, b"1")
    world.config_map(b="1")
    await world.until(lambda: world.at("b") == b"1")


async def test_two_ways_the_one_who_deleted_it_may_create_it_again(world: World) -> None:
    await _synced(world)
    world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")
    await world.until_reason("Syncing")
    assert world.data() is None
    world.config_map(a="2", b="1", keep="1")
    await world.until(lambda: world.at("a") == b"2")
    await world.until_in_sync()


async def test_two_ways_a_config_map_that_nobody_creates_again_is_created(world: World) -> None:
    await _synced(world)
    world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")
    await world.until(lambda: world.data() == DATA)
    await world.until_in_sync()
    assert _znodes(world) == DATA


async def test_a_znode_that_changed_as_well_is_a_conflict(world: World) -> None:
    await _synced(world)
    await world.stop()
    _replace(world, a="mine", b="2")
    world.node("a", "theirs")
    await world.start()
    await world.until_reason("Conflict")
    await world.until(lambda: world.at("b") == b"2")
    assert ((world.data() or {})["a"], world.at("a")) == (b"mine", b"theirs")
    world.annotate(resolve="a=configmap")
    await world.until(lambda: world.at("a") == b"mine")
    await world.until_in_sync()


async def test_a_znode_that_was_deleted_as_well_does_not_come_back_unasked(world: World) -> None:
    await _synced(world)
    await world.stop()
    _replace(world, b="2")
    world.drop("a")
    await world.start()
    await world.until_reason("Conflict")
    assert world.at("a") is None


async def _held_deletions(world: World, direction: str) -> None:
    """Many znodes are deleted, and the ConfigMap is replaced while the operator is down."""
    keys = [f"k{number}" for number in range(8)]
    world.tree(**dict.fromkeys((*keys, "left"), "1"))
    world.sync(direction=direction)
    await world.until_in_sync()
    world.write(*(Delete(f"{ROOT}/{key}", -1) for key in keys))
    await world.until_reason("DeletionsHeld")
    await world.quiet()
    await world.stop()
    _replace(world)
    await world.start()


async def test_deletions_that_wait_for_approval_are_not_undone(world: World) -> None:
    await _held_deletions(world, "TwoWay")
    await world.until_reason("Conflict")
    await world.quiet()
    assert (world.at("k0"), world.at("k7")) == (None, None)


async def test_deletions_that_wait_for_approval_are_not_forgotten(world: World) -> None:
    await _held_deletions(world, "ZooKeeperToConfigMap")
    await world.quiet()
    assert world.ready() == ("False", "DeletionsHeld")
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.data() == {"left": b"1"})


@pytest.mark.parametrize("theirs", ["2", None])
async def test_a_conflict_stays_one(world: World, theirs: str | None) -> None:
    await _synced(world)
    world.edit(a="mine")
    if theirs is None:
        world.drop("a")
    else:
        world.node("a", theirs)
    await world.until_reason("Conflict")
    await world.quiet()
    await world.stop()
    _replace(world)
    await world.start()
    await world.quiet()
    assert world.ready() == ("False", "Conflict")
    assert world.at("a") == (theirs.encode() if theirs is not None else None)


async def test_a_conflict_over_what_was_an_empty_parent_is_no_backup_that_was_put_back(world: World) -> None:
    world.tree()
    world.config_map(db="", db__x="1", keep="1")
    world.sync()
    await world.until(lambda: world.at("keep") == b"1")
    await world.until_in_sync()
    world.edit(db="mine")
    world.node("db", "theirs")
    await world.until_reason("Conflict")
    await world.quiet()
    await world.stop()
    _replace(world)
    await world.start()
    await world.quiet()
    assert world.ready() == ("False", "Conflict")


async def test_what_was_pushed_is_known_where_the_direction_has_changed_as_well(world: World) -> None:
    await _synced(world)
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")
    await world.until_in_sync()
    await world.stop()
    _replace(world, b="drift")
    world.spec(direction="ZooKeeperToConfigMap")
    await world.start()
    await world.until(lambda: (world.data() or {})["b"] == b"1")
    await world.until_in_sync()


async def test_a_znode_that_the_config_map_never_had_stays_when_it_is_the_source(world: World) -> None:
    await _synced(world, direction="ConfigMapToZooKeeper")
    world.node("foreign", "theirs")
    await world.stop()
    _replace(world, b=None)
    await world.start()
    await world.until(lambda: world.at("b") is None)
    assert world.at("foreign") == b"theirs"


async def test_a_loss_of_annotations_and_status_is_a_union(world: World) -> None:
    await _synced(world)
    await world.stop()
    _replace(world, a="2", b=None)
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": {"common": None}}, subresource="status")
    await world.start()
    await world.until_reason("BaseLost")
    await world.until(lambda: (world.data() or {}).get("b") == b"1")
    assert (world.at("a"), world.at("b")) == (b"1", b"1")


async def test_a_root_that_came_back_empty_loses_nothing_without_the_annotations(world: World) -> None:
    await _synced(world)
    await world.stop()
    _replace(world, a="2")
    world.write(*(Delete(f"{ROOT}/{key}", -1) for key in DATA), Delete(ROOT, -1), Create(ROOT, b""))
    await world.start()
    await world.until_reason("Conflict")
    await world.quiet()
    assert (world.data(), _znodes(world)) == ({**DATA, "a": b"2"}, dict.fromkeys(DATA))


def _generation(world: World, number: int, **data: str) -> None:
    name = f"shop-{number}"
    world.config_map(name, **data)
    world.kube.edit(CONFIG_MAPS, NAMESPACE, name, {"immutable": True})


async def test_immutable_config_maps_of_a_new_name_for_each_generation_are_edits(world: World) -> None:
    world.tree()
    _generation(world, 1, a="1", b="1")
    world.sync(direction="ConfigMapToZooKeeper", configMap={"name": "shop-1"})
    await world.until(lambda: world.at("b") == b"1")
    await world.until_in_sync()
    for number, is_down in ((2, False), (3, True), (4, False)):
        if is_down:
            await world.stop()
        _generation(world, number, a=str(number), **{f"k{number}": "1"})
        world.spec(configMap={"name": f"shop-{number}"})
        if is_down:
            await world.start()
        expected = (str(number).encode(), b"1", None)
        await world.until(
            lambda n=number, e=expected: (world.at("a"), world.at(f"k{n}"), world.at(f"k{n - 1}")) == e  # type: ignore[misc]
        )
        await world.until_in_sync()
    world.spec(configMap={"name": "shop-2"})
    await world.until(lambda: (world.at("a"), world.at("k2"), world.at("k4")) == (b"2", b"1", None))


SEEDS = (
    Seed(
        "a key that waits was synchronised before",
        replaced(plan, "common_of", mirror_bugs.common_where_equal),
        (
            in_world(test_deletions_that_wait_for_approval_are_not_undone),
            in_world(test_deletions_that_wait_for_approval_are_not_forgotten),
            in_world(test_a_conflict_stays_one, theirs=None),
        ),
    ),
    Seed(
        "the znode of a conflict is no common value",
        rewritten(recall, "_recalled", "mark == UNKNOWN or ", ""),
        (in_world(test_a_conflict_stays_one, theirs="2"),),
    ),
    Seed(
        "an entry of an empty parent says nothing of its znode",
        rewritten(recall, "recalled_base", "in (UNKNOWN, EMPTY_PARENT)", "== UNKNOWN"),
        (in_world(test_a_conflict_over_what_was_an_empty_parent_is_no_backup_that_was_put_back),),
    ),
    Seed(
        "the status tells of a ledger where the annotation is gone",
        replaced(observer, "needs_ledger", lambda sync, base: base is not None and needs_ledger(sync, base)),
        (in_world(test_what_was_pushed_is_known_where_the_direction_has_changed_as_well),),
    ),
    Seed(
        "the base of a replaced ConfigMap is recalled",
        replaced(recall, "recalled_base", lambda *_: None),
        (in_world(test_edits_and_deletions_of_a_replaced_config_map_flow, direction="TwoWay", is_down=True),),
    ),
    Seed(
        "a znode that was written since is no common value",
        replaced(recall, "_recalled", mirror_bugs.recalled_as_found),
        (in_world(test_a_znode_that_changed_as_well_is_a_conflict),),
    ),
    Seed(
        "a znode that was deleted since was a common value",
        replaced(recall, "recalled_base", mirror_bugs.without_deleted_znodes),
        (in_world(test_a_znode_that_was_deleted_as_well_does_not_come_back_unasked),),
    ),
    Seed(
        "a source is not created by the operator",
        replaced(plan, "missing_source", lambda *_: None),
        (in_world(test_a_source_that_is_gone_is_never_created_by_the_operator),),
    ),
    Seed(
        "who deleted the ConfigMap has time to create it again",
        replaced(observer.Observer, "_creation_wait_s", lambda *_: 0.0),
        (in_world(test_two_ways_the_one_who_deleted_it_may_create_it_again),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
