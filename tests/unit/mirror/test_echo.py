"""The status that we write ourselves comes back as an event, and costs nothing."""

from tests.support.worlds.mirror import World
from zkoperator.kube.port import CONFIG_SYNCS


def _requests(world: World) -> dict[str, int]:
    """How often a ConfigSync was read and written."""
    verbs = [operation.verb for operation in world.kube.operations if operation.resource is CONFIG_SYNCS]
    return {verb: verbs.count(verb) for verb in ("get", "patch")}


async def _pulled(world: World, value: str) -> None:
    await world.until(lambda: world.data() == {"a": value.encode()})


async def test_no_status_that_is_written_is_read_back(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    await world.quiet()
    before = _requests(world)
    for number in range(5):
        world.node("a", f"value {number}")
        await _pulled(world, f"value {number}")
        await world.quiet()
    after = _requests(world)
    assert after["patch"] > before["patch"], "no status was written"
    assert after["get"] == before["get"]


async def test_an_edit_right_after_a_status_is_seen(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.node("a", "2")
    await world.quiet(1)
    world.spec(mode="Paused")
    await world.until(lambda: world.ready()[1] == "Paused")
