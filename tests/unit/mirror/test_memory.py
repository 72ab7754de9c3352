"""What a ConfigSync costs while nothing happens."""

import json

from tests.support.waiting import eventually
from tests.support.worlds.mirror import World, config_sync
from zkoperator.mirror.model.config_map import fold_managers, managers_of
from zkoperator.mirror.observe.resource import ResourceState
from zkoperator.zk.port import Set


async def test_one_that_is_in_sync_keeps_no_objects_and_goes_on_when_something_happens(world: World) -> None:
    world.tree(color="red")
    key = world.sync()

    async def rests() -> bool:
        state = world.reconciler._states.find(key)
        return state is not None and state.sides.subscription.subtree is not None and state.resource.is_compact()

    await eventually(lambda: world.data() == {"color": b"red"})
    await eventually(rests)
    world.write(Set("/apps/shop/color", b"blue", -1))
    await eventually(lambda: world.data() == {"color": b"blue"})
    await eventually(rests)


def test_what_rests_is_the_same_when_it_is_asked_for() -> None:
    resource = ResourceState()
    raw = config_sync("shop", {"zookeeper": {"path": "/apps/shop"}, "größe": ["1", None]})
    resource.saw(raw)
    resource.compact()
    resource.compact()
    assert resource.raw == raw
    resource.saw(config_sync("other", {}))
    assert resource.raw == config_sync("other", {})


def test_folded_managers_say_the_same() -> None:
    by_hand = {"manager": "kubectl-edit", "fieldsV1": {"f:data": {".": {}, "f:size": {}}}}
    config_map = {"metadata": {"name": "shop", "managedFields": [by_hand]}, "data": {"size": "1"}}
    folded = fold_managers(config_map)
    assert managers_of(folded) == managers_of(config_map) == {"size": "kubectl-edit"}
    assert folded == config_map | {"metadata": {"name": "shop", "managedFields": json.dumps([by_hand])}}
    assert managers_of(fold_managers({"metadata": {}})) == {}
