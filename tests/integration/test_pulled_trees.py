"""Trees that are only pulled, in the shapes that people have, on a real API server and a real ensemble."""

from collections.abc import AsyncIterator
from functools import partial

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


async def test_providers_of_dubbo_have_short_keys_and_their_paths_can_be_read(world: LiveWorld) -> None:
    """Ephemeral znodes with names of 419 characters, as its registry has them."""
    names = [
        f"dubbo%3A%2F%2F10.0.0.{n}%3A20880%2Fcom.example.Demo%3F{'anyhost%3Dtrue%26' * 22}"[:419] for n in range(3)
    ]
    world.tree(a="1")
    world.zk.create(f"{world.root}/providers")
    for name in names:
        world.zk.create(f"{world.root}/providers/{name}", name[:24].encode(), ephemeral=True)
    await world.sync(direction=PULL, keys={"ephemerals": "Include"})
    await world.start()
    await world.until_in_sync()
    data = await world.data() or {}
    index = dict(line.split(" ", 1) for line in data.pop("__index").decode().splitlines())
    assert sorted(index.values()) == [f"{world.root}/providers/{name}" for name in names]
    expected = {key: path.removeprefix(f"{world.root}/providers/")[:24].encode() for key, path in index.items()}
    assert data == {**expected, "a": b"1"}
    world.zk.delete(f"{world.root}/providers/{names[0]}")
    gone = next(key for key, path in index.items() if path.endswith(names[0]))
    await world.until(lambda: _is_gone(world, gone))


async def _is_gone(world: LiveWorld, key: str) -> bool:
    assert key not in (await world.data() or {})
    return True


async def test_another_separator_renames_keys_on_both_real_sides(world: LiveWorld) -> None:
    world.tree(a="1")
    world.zk.create(f"{world.root}/db/pool", b"1", makepath=True)
    world.zk.create(f"{world.root}/db/url", b"1")
    await world.sync()
    await world.start()
    await world.until_data({"a": b"1", "db__pool": b"1", "db__url": b"1"})
    await world.until_in_sync()
    before = world.zk.get(f"{world.root}/db/pool")[1].mzxid
    await world.patch_sync({"spec": {"keys": {"separator": "."}}})
    await world.until_data({"a": b"1", "db.pool": b"1", "db.url": b"1"})
    await world.edit(**{"db.url": "2"})
    await world.until_at("db/url", b"2")
    await world.until_in_sync()
    assert world.zk.get(f"{world.root}/db/pool")[1].mzxid == before


async def test_several_subtrees_are_one_config_map(world: LiveWorld) -> None:
    """Transactions over both are seen whole, a key falls back, the list changes, a missing root stops the whole."""
    common, shop = f"{world.root}/common", f"{world.root}/shop"
    world.tree(common__a="1", common__b="1", shop__a="2", shop__c="2")
    await world.sync(sources=[{"path": common}, {"path": shop}], direction=PULL)
    await world.start()
    await world.until_data({"a": b"2", "b": b"1", "c": b"2"})
    seen: list[tuple[bytes, bytes]] = []
    for number in range(10):
        both = world.zk.transaction()
        both.set_data(f"{common}/b", str(number).encode())
        both.set_data(f"{shop}/c", str(number).encode())
        both.commit()
        await world.until(partial(_sees, world, number, seen))
    assert {(b, c) for b, c in seen if b != c} == {(b"1", b"2")} & set(seen)
    world.zk.delete(f"{shop}/a")
    await world.until_data({"a": b"1", "b": b"9", "c": b"9"})
    await world.restart()
    await world.until_in_sync()
    await world.patch_sync({"spec": {"zookeeper": {"sources": [{"path": common, "prefix": "all."}, {"path": shop}]}}})
    await world.until_data({"all.a": b"1", "all.b": b"9", "c": b"9"})
    await world.until_in_sync()
    world.zk.delete(shop, recursive=True)
    assert shop in await world.until_ready("SourceMissing")
    assert await world.data() == {"all.a": b"1", "all.b": b"9", "c": b"9"}


async def _sees(world: LiveWorld, number: int, seen: list[tuple[bytes, bytes]]) -> bool:
    data = await world.data() or {}
    seen.append((data["b"], data["c"]))
    return data["c"] == str(number).encode()
