"""Two subtrees in one ConfigMap, and what a test sees of them."""

from typing import Any

import pytest

from tests.support.models.seeds import Bug, rewritten
from tests.support.worlds.mirror import NAMESPACE, World
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.model.merge_base import decode_base
from zkoperator.mirror.plan import plan
from zkoperator.zk.port import Create, Delete, Set

PULL = "ZooKeeperToConfigMap"
COMMON, SHOP = {"path": "/common"}, {"path": "/shop", "prefix": "shop."}
OVER = {"path": "/shop"}
LAYERS = [COMMON, OVER]


def write_znodes(world: World, **values: str) -> None:
    """Create or set the znodes: `shop__db__url` is /shop/db/url."""
    for name, value in values.items():
        path = "/" + name.replace("__", "/")
        world.write(Create(path, value.encode()) if world.znode(path) is None else Set(path, value.encode(), -1))


def drop_znodes(world: World, *paths: str) -> None:
    world.write(*(Delete(path, -1) for path in paths))


async def pulled(world: World, *sources: dict[str, str], **spec: Any) -> None:
    """`/common` with a and b, `/shop` with a and c, pulled."""
    write_znodes(world, common="", common__a="1", common__b="1", shop="", shop__a="2", shop__c="2")
    world.sync(sources=list(sources or LAYERS), direction=PULL, **spec)
    await world.until_in_sync()


def texts_of(world: World) -> dict[str, str]:
    return {key: value.decode() for key, value in (world.data() or {}).items()}


def has_value(world: World, key: str, value: str) -> bool:
    return texts_of(world).get(key) == value


def annotation_of(world: World, name: str) -> str:
    found = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert found is not None
    return str(found["metadata"]["annotations"][f"zkoperator.dev/{name}"])


def paths_of(world: World) -> dict[str, str]:
    """Which znode each key comes from, by the base."""
    base = decode_base(annotation_of(world, "base"))
    assert base is not None
    return dict(base.paths)


def in_the_plan(module: Any, name: str, old: str, new: str) -> Bug:
    """Rewrite a function also where the planner has it by name."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        rewritten(module, name, old, new)(patch)
        patch.setattr(plan, name, getattr(module, name))

    return bug


def choose_sources(world: World, *sources: dict[str, str]) -> None:
    world.spec(zookeeper={"clusterRef": {"name": "main"}, "sources": list(sources)})
