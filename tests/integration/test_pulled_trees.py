"""Trees that are only pulled, in the shapes that people have, on a real API server and a real ensemble."""

from collections.abc import AsyncIterator

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.worlds.live_mirror import LiveWorld, live_world

PULL = "ZooKeeperToConfigMap"


@pytest.fixture
async def world(api_server: ApiServer, zookeeper: Ensemble, namespace: str) -> AsyncIterator[LiveWorld]:
    async with live_world(api_server.kubeconfig, zookeeper.hosts, namespace) as opened:
        yield opened


async def test_the_whole_tree_is_pulled_and_the_reserved_ones_are_not(world: LiveWorld) -> None:
    """Another ConfigSync pushes meanwhile: its ledger and claim are none of it."""
    world.tree(a="1")
    name = world.root[1:]
    await world.sync("pusher")
    await world.sync(path="/", direction=PULL, keys={"include": [f"{name}/**", "zookeeper/**", "zkoperator/**"]})
    await world.start()
    await world.until_data({f"{name}__a": b"1"})
    await world.until_in_sync("pusher")
    await world.edit("pusher", b="1")
    await world.until_data({f"{name}__a": b"1", f"{name}__b": b"1"})
    await world.restart()
    await world.until_in_sync()
    assert await world.data() == {f"{name}__a": b"1", f"{name}__b": b"1"}
