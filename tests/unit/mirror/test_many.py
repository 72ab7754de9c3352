"""Thousands of ConfigSyncs in one process, with a huge subtree and an ensemble that hangs among them.

All waits are in the time of the loop, which passes only while everybody waits: how busy the machine is does not matter.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.support.fakes.warp import LoopClock, run_warped
from tests.support.fakes.zk import FakeZkServer
from tests.support.worlds.mirror import FAST, NAMESPACE, World
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.zk.port import ClientTls, ConnectionState, Create, Credential, Set, Zk, ZkConnector

MANY = 2_000
HUGE = 20_000
SETTINGS: MirrorSettings = dataclasses.replace(FAST, allowed_hosts=("hung",), retry_s=30.0, status_lag_s=30.0)


class _ByHost:
    """Opens sessions with the ensemble that the hosts name."""

    def __init__(self, world: "ManyWorld") -> None:
        self._world = world

    async def open(self, hosts: Sequence[str], credential: Credential | None, tls: ClientTls | None = None) -> Zk:
        if not hosts[0].startswith("hung"):
            return self._world.zk.session(credential)
        session = self._world.hung.session(credential)
        session._serve = lambda call: None  # type: ignore[method-assign]
        return session


class ManyWorld(World):
    """A world with a second ensemble, which takes connections and answers nothing."""

    def __init__(self, number: int = MANY) -> None:
        super().__init__(SETTINGS)
        self.clock = LoopClock()
        self.number = number
        self.hung = FakeZkServer(request_timeout_s=60.0)

    def connector(self) -> ZkConnector:
        return _ByHost(self)

    def names(self) -> list[str]:
        return [f"s{number:04}" for number in range(self.number)]

    def populate(self) -> None:
        for name in self.names():
            self.follow(name)

    def follow(self, name: str) -> None:
        self.write(Create(f"/apps/{name}", b""), Create(f"/apps/{name}/a", b"1"))
        self.sync(name, path=f"/apps/{name}", direction="ZooKeeperToConfigMap")

    async def until(self, probe: Callable[[], Any], *, within_s: float = 60) -> None:
        async with asyncio.timeout(within_s):
            while not probe():
                await asyncio.sleep(0.005)

    async def until_all_are(self, value: str) -> None:
        # Looked at where they are: thousands of copies would take longer than what is tested.
        found = self.kube._kind(CONFIG_MAPS).objects
        missing = [(NAMESPACE, name) for name in self.names()]

        def are() -> bool:
            missing[:] = [key for key in missing if key not in found or found[key].manifest["data"] != {"a": value}]
            return not missing

        await self.until(are)


def _run(number: int, story: Callable[[ManyWorld], Awaitable[None]]) -> None:
    async def work() -> None:
        world = ManyWorld(number)
        world.populate()
        await world.start()
        await world.until_all_are("1")
        await story(world)
        await world.stop()

    run_warped(work())


def _reads(world: ManyWorld, before: dict[str, int]) -> dict[str, int]:
    return {name: world.zk.served.get(name, 0) - before.get(name, 0) for name in ("get", "children", "add_watch")}


def test_each_tree_is_read_once_at_the_start_and_once_after_a_cut_and_a_change_costs_one_read() -> None:
    async def story(world: ManyWorld) -> None:
        assert len(world.pool) == 1
        assert _reads(world, {}) == {"get": 2 * MANY, "children": MANY, "add_watch": MANY}
        before = dict(world.zk.served)
        world.zk.disconnect()
        world.write(*(Set(f"/apps/{name}/a", b"2", -1) for name in world.names()))
        await world.until_all_are("2")
        assert _reads(world, before) == {"get": 2 * MANY, "children": MANY, "add_watch": MANY}
        world.kube.operations.clear()
        before = dict(world.zk.served)
        world.write(Set("/apps/s1000/a", b"3", -1))
        await world.until(lambda: world.data("s1000") == {"a": b"3"})
        writes = [(item.verb, item.name) for item in world.kube.operations if item.resource == CONFIG_MAPS]
        assert writes == [("patch", "s1000")]
        assert _reads(world, before) == {"get": 1, "children": 0, "add_watch": 0}

    _run(MANY, story)


def test_neither_a_huge_subtree_nor_a_hung_ensemble_slows_the_others() -> None:
    took_s: dict[str, float] = {}

    async def story(world: ManyWorld) -> None:
        await _burden(world)
        await _timed(took_s, "change", world, "s0007", lambda: world.write(Set("/apps/s0007/a", b"2", -1)))
        await _timed(took_s, "new", world, "new", lambda: world.follow("new"))
        assert not any(world.data(f"hung{number}") for number in range(50))

    _run(200, story)
    assert set(took_s) == {"change", "new"}
    assert max(took_s.values()) < 1.0


async def _burden(world: ManyWorld) -> None:
    world.write(Create("/apps/huge", b""), *(Create(f"/apps/huge/k{number}", b"1") for number in range(HUGE)))
    for number in range(50):
        name = f"hung{number}"
        world.sync(name, zookeeper={"hosts": "hung:2181"}, path=f"/{name}", direction="ZooKeeperToConfigMap")
    await world.until(lambda: any(client.state is ConnectionState.CONNECTED for client in world.hung._clients))
    world.sync("huge", path="/apps/huge", direction="ZooKeeperToConfigMap")


async def _timed(took_s: dict[str, float], what: str, world: ManyWorld, name: str, change: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    before, began_s = world.data(name), loop.time()
    change()
    await world.until(lambda: world.data(name) not in (None, before))
    took_s[what] = loop.time() - began_s
