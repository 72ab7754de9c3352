"""Subtrees that are large, deep, or of an odd kind, on a real server."""

import asyncio
import struct
from typing import Any

from kazoo.protocol.serialization import Create
from kazoo.security import OPEN_ACL_UNSAFE

from tests.support.waiting import eventually
from tests.support.worlds.following import Following
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.sync_user import data_is, ready

_CONTAINER, _TTL = 4, 5


class _CreateContainer(Create):
    """The request of that name, which kazoo lacks."""

    type = 19


class _CreateWithTtl(Create):
    """The request of ZooKeeper 3.5.3 that kazoo lacks; the time is a minute."""

    type = 21

    def serialize(self) -> bytearray:
        return super().serialize() + struct.pack("!q", 60_000)  # type: ignore[no-untyped-call, no-any-return]


async def _create(site: Site, kind: Any, path: str, data: bytes, flags: int) -> None:
    zookeeper = site.zookeeper
    answer = zookeeper.handler.async_result()
    zookeeper._call(kind(path, data, OPEN_ACL_UNSAFE, flags), answer)
    await asyncio.to_thread(answer.get, timeout=10)


async def test_container_and_ttl_znodes_are_keys_and_those_of_a_session_are_none(
    site: Site, following: Following
) -> None:
    """A server tells no owner of the first two: what is marked inside of it as one is hidden from clients."""
    async with following() as (plot, _):
        await _create(site, _CreateContainer, f"{plot.root}/container", b"1", _CONTAINER)
        await _create(site, _CreateWithTtl, f"{plot.root}/ttl", b"1", _TTL)
        await site.ask("create", f"{plot.root}/session", b"1", ephemeral=True)
        names = ("container", "ttl", "session")
        owners = {name: (await site.ask("exists", f"{plot.root}/{name}")).ephemeralOwner for name in names}
        assert owners == {"container": 0, "ttl": 0, "session": site.zookeeper.client_id[0]}
        await data_is(plot, {"color": "red", "container": "1", "ttl": "1"})
        await site.ask("delete", f"{plot.root}/ttl")
        await data_is(plot, {"color": "red", "container": "1"})


async def test_a_hundred_levels_are_read_and_the_longest_path_gets_a_short_key(
    site: Site, following: Following
) -> None:
    async with following() as (plot, _):
        path = plot.root
        for depth in range(1, 101):
            path = f"{path}/d"
            await site.ask("create", path, b"deep" if depth in (50, 100) else b"")
        fits = "__".join(["d"] * 50)
        await eventually(lambda: _has(plot, fits), within_s=60)
        await ready(plot, "InSync", within_s=60)
        data = await plot.data()
        assert max(map(len, data)) <= 253
        (short,) = (key for key in data if key.startswith("__long-"))
        assert data[short] == "deep"
        assert path.removeprefix(f"{plot.root}/") in data["__index"]
        await plot.put(color="green")
        await eventually(lambda: _has(plot, "color", "green"), within_s=60)


async def _has(plot: Plot, key: str, value: str = "deep") -> bool:
    return (await plot.data()).get(key) == value


async def test_ten_thousand_children_are_followed_as_one_would_be(site: Site, following: Following) -> None:
    async with following() as (plot, operator):
        await site.ask("create", f"{plot.root}/many", b"")
        await asyncio.to_thread(_fill, site.zookeeper, f"{plot.root}/many", 10_000)
        await plot.put(color="green")
        await eventually(lambda: _holds(plot, 10_000), within_s=120, every_s=0.5)
        await site.ask("set", f"{plot.root}/many/n5000", b"9")
        await eventually(lambda: _has(plot, "many__n5000", "9"), within_s=60, every_s=0.2)
        assert operator.fetch("/livez")[0] == 200


def _fill(zookeeper: Any, root: str, number: int) -> None:
    for start in range(0, number, 500):
        transaction = zookeeper.transaction()
        for child in range(start, start + 500):
            transaction.create(f"{root}/n{child}", b"1")
        assert all(isinstance(result, str) for result in transaction.commit())


async def _holds(plot: Plot, number: int) -> bool:
    data = await plot.data()
    return data.get("color") == "green" and sum(key.startswith("many__") for key in data) == number
