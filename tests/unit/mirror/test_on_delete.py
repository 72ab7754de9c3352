"""`onDelete`: what goes with a ConfigSync, and what stays."""

import pytest

from tests.support.worlds.mirror import NAMESPACE, ROOT, SUPER, World
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.zk.port import Create


@pytest.mark.parametrize("policy", ["Retain", "DeleteConfigMap", "DeleteZnodes"])
async def test_the_end_of_a_config_sync(world: World, policy: str) -> None:
    world.tree(a="1", db__x="1")
    world.sync(onDelete=policy)
    await world.until_in_sync()
    finalizers = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")["metadata"].get("finalizers", [])  # type: ignore[index]
    assert finalizers == ([] if policy == "Retain" else ["zkoperator.dev/configsync"])
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None)
    await world.quiet()
    assert (world.data() is None) == (policy == "DeleteConfigMap")
    assert (world.at("a") is None) == (policy == "DeleteZnodes")
    assert (world.at("db/x") is None) == (policy == "DeleteZnodes")
    assert world.znode(ROOT) is not None
    assert world.zk.tree.children("/zkoperator/configsyncs", SUPER).names == ()


async def test_deleting_znodes_spares_what_somebody_else_has_edited(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync(onDelete="DeleteZnodes", conflictPolicy="Hold")
    await world.until_in_sync()
    await world.stop()
    world.node("b", "edited")
    world.write(Create(f"{ROOT}/c", b"new"))
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None)
    assert (world.at("a"), world.at("b"), world.at("c")) == (None, b"edited", b"new")
