"""What a ConfigSync costs while nothing happens."""

import json

from tests.support.waiting import eventually
from tests.support.worlds.mirror import World, config_sync
from zkoperator.mirror.memory import new_memory
from zkoperator.mirror.model.config_map import fold_managers, managers_of
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.zk.port import Set


async def test_one_that_is_in_sync_keeps_no_objects_and_goes_on_when_something_happens(world: World) -> None:
    world.tree(color="red")
    key = world.sync()

    async def rests() -> bool:
        memory = world.reconciler._memories.get(key)
        return memory is not None and memory.tree is not None and memory.sync is None and memory._raw is None

    await eventually(lambda: world.data() == {"color": b"red"})
    await eventually(rests)
    world.write(Set("/apps/shop/color", b"blue", -1))
    await eventually(lambda: world.data() == {"color": b"blue"})
    await eventually(rests)


def test_what_rests_is_the_same_when_it_is_asked_for() -> None:
    memory = new_memory(MirrorSettings())
    raw = config_sync("shop", {"zookeeper": {"path": "/apps/shop"}, "größe": ["1", None]})
    memory.saw(raw)
    memory.rest()
    memory.rest()
    assert memory.raw == raw
    memory.saw(config_sync("other", {}))
    assert memory.raw == config_sync("other", {})


def test_folded_managers_say_the_same() -> None:
    by_hand = {"manager": "kubectl-edit", "fieldsV1": {"f:data": {".": {}, "f:size": {}}}}
    config_map = {"metadata": {"name": "shop", "managedFields": [by_hand]}, "data": {"size": "1"}}
    folded = fold_managers(config_map)
    assert managers_of(folded) == managers_of(config_map) == {"size": "kubectl-edit"}
    assert folded == config_map | {"metadata": {"name": "shop", "managedFields": json.dumps([by_hand])}}
    assert managers_of(fold_managers({"metadata": {}})) == {}
