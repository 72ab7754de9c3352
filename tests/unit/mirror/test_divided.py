"""One tree for several ConfigMaps, as the runbook advises for one that is too large."""

from tests.support.worlds.mirror import ROOT, World

N_TO_Z = {"include": ["z*"]}


async def test_one_pusher_and_any_number_of_pullers_divide_a_root_by_keys(world: World) -> None:
    world.tree(a="1", z="1")
    world.sync("first", keys={"include": ["a*"]})
    world.sync("second", keys=N_TO_Z, direction="ZooKeeperToConfigMap")
    world.sync("third", keys=N_TO_Z, direction="ZooKeeperToConfigMap")
    await world.until_in_sync("first")
    await world.until(lambda: world.data("second") == world.data("third") == {"z": b"1"})
    world.edit("first", a="2")
    await world.until(lambda: world.at("a") == b"2")
    assert world.data("first") == {"a": b"2"}


async def test_pushers_divide_a_tree_by_their_paths(world: World) -> None:
    world.tree(blue__a="1", green__a="1")
    world.sync("blue", path=f"{ROOT}/blue")
    world.sync("green", path=f"{ROOT}/green")
    await world.until_in_sync("blue")
    await world.until_in_sync("green")
    world.edit("blue", a="2")
    world.edit("green", a="3")
    await world.until(lambda: (world.at("blue/a"), world.at("green/a")) == (b"2", b"3"))


async def test_two_pushers_of_one_root_are_told_how_to_divide_it(world: World) -> None:
    world.tree(a="1", z="1")
    world.sync("first", keys={"include": ["a*"]})
    await world.until_in_sync("first")
    world.sync("second", keys=N_TO_Z)
    await world.until_reason("SourceClaimed", "second")
    assert "ZooKeeperToConfigMap" in world.message("second")
    assert "path" in world.message("second")
