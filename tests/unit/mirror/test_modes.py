"""`mode: DryRun` and `Paused`: a plan is shown, and nothing is written."""

from tests.support.worlds.mirror import World


async def test_a_dry_run_shows_its_plan_and_writes_nothing(world: World) -> None:
    world.tree(a="1", b="1")
    world.config_map(a="2", c="1")
    world.sync(mode="DryRun", adoptionPolicy="PreferZooKeeper")
    await world.until_reason("DryRun")
    pending = world.status()["pending"]
    assert (pending["creates"], pending["updates"], pending["deletes"]) == (2, 1, 0)
    assert world.data() == {"a": b"2", "c": b"1"}
    assert world.at("c") is None
    assert world.znode("/zkoperator") is None
    world.spec(mode="Active")
    await world.until(lambda: world.data() == {"a": b"1", "b": b"1", "c": b"1"})


async def test_pausing_stops_all_writes_until_it_is_active_again(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.spec(mode="Paused")
    await world.until_reason("Paused")
    world.node("a", "2")
    world.edit(b="1")
    await world.until(lambda: world.status()["pending"]["updates"] == 1)
    assert (world.data(), world.at("b")) == ({"a": b"1", "b": b"1"}, None)
    world.spec(mode="Active")
    await world.until(lambda: (world.data(), world.at("b")) == ({"a": b"2", "b": b"1"}, b"1"))
