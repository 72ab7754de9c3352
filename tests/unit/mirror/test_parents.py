"""Keys that are parents of others, with values that are empty: none of them is lost, and no edit of one is invented."""

import pytest

from tests.support.worlds.mirror import ROOT, World
from zkoperator.zk.port import Set

IN_SYNC = ("True", "InSync")


@pytest.mark.parametrize("value", ["x", "y"])
async def test_a_value_that_became_empty_beside_a_new_child_is_the_base_of_the_next_edit(
    world: World, value: str
) -> None:
    world.tree(a="x", other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a="", a__b="1")
    await world.until(lambda: (world.at("a"), world.at("a/b")) == (b"", b"1"))
    await world.quiet()
    world.node("a", value)
    await world.until(lambda: (world.data() or {})["a"] == value.encode())
    await world.quiet()
    assert (world.ready(), world.at("a")) == (IN_SYNC, value.encode())


async def test_an_empty_key_of_an_empty_root_gives_way_to_what_others_write_there(world: World) -> None:
    world.tree(a="1")
    world.sync(conflictPolicy="PreferConfigMap")
    await world.until_in_sync()
    world.edit(__root="")
    await world.quiet()
    world.write(Set(ROOT, b"theirs", -1))
    await world.until(lambda: (world.data() or {})["__root"] == b"theirs")
    await world.quiet()
    assert (world.ready(), world.at("")) == (IN_SYNC, b"theirs")


async def test_an_edit_of_an_empty_key_arrives_though_its_leaf_has_become_a_parent(world: World) -> None:
    world.tree(a="", other="1")
    world.sync(conflictPolicy="PreferZooKeeper")
    await world.until_in_sync()
    await world.stop()
    world.node("a/b", "1")
    world.edit(a="mine")
    await world.start()
    await world.until(lambda: world.at("a") == b"mine")
    await world.until(lambda: world.data() == {"a": b"mine", "a__b": b"1", "other": b"1"})


async def test_an_empty_key_stays_when_the_config_map_adds_one_below_it(world: World) -> None:
    world.tree(other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a="")
    await world.until(lambda: world.at("a") == b"")
    await world.quiet()
    world.edit(a__b="1")
    await world.until(lambda: world.at("a/b") == b"1")
    await world.quiet()
    assert world.data() == {"a": b"", "a__b": b"1", "other": b"1"}


async def test_with_retain_no_key_is_deleted_because_its_znode_has_become_an_empty_parent(world: World) -> None:
    world.tree(leaf="", parent="x", parent__b="1")
    world.sync(deletionPolicy="Retain")
    await world.until_in_sync()
    world.node("leaf/b", "1")
    world.edit(parent="")
    await world.until(lambda: "leaf__b" in (world.data() or {}) and world.at("parent") == b"")
    await world.quiet()
    assert {key: (world.data() or {}).get(key) for key in ("leaf", "parent")} == {"leaf": b"", "parent": b""}


@pytest.mark.parametrize(("key", "path"), [("a", "a"), ("__root", "")])
async def test_a_key_of_a_parent_that_is_deleted_and_made_again_is_no_restored_backup(
    world: World, key: str, path: str
) -> None:
    world.tree(a="x", a__b="1")
    world.write(Set(ROOT, b"x", -1))
    world.sync()
    await world.until_in_sync()
    world.edit(**{key: None})
    await world.until(lambda: world.at(path) == b"")
    await world.quiet()
    world.edit(**{key: "v"})
    await world.until(lambda: world.at(path) == b"v")
    await world.until_in_sync()


async def _emptied_parent(world: World) -> None:
    """The key of a parent is deleted while it has a child."""
    world.tree(a="x", a__b="1", other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a=None)
    await world.until(lambda: world.at("a") == b"")
    await world.quiet()


async def test_a_last_child_that_goes_after_its_parents_key_is_no_restored_backup(world: World) -> None:
    await _emptied_parent(world)
    world.drop("a/b")
    await world.until(lambda: world.data() == {"a": b"", "other": b"1"})
    await world.until_in_sync()


async def test_a_parent_whose_key_was_deleted_goes_with_the_last_child_that_is_deleted(world: World) -> None:
    await _emptied_parent(world)
    world.edit(a__b=None)
    await world.until(lambda: world.at("a") is None)
    await world.quiet()
    assert (world.ready(), world.data()) == (IN_SYNC, {"other": b"1"})


async def test_an_empty_parent_and_its_child_that_are_deleted_together_are_both_gone(world: World) -> None:
    world.tree(other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a="", a__b="1")
    await world.until(lambda: world.at("a/b") == b"1")
    await world.quiet()
    world.edit(a=None, a__b=None)
    await world.until(lambda: world.at("a") is None)
    await world.quiet()
    assert (world.ready(), world.data()) == (IN_SYNC, {"other": b"1"})
