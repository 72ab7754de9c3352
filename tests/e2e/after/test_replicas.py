"""Two replicas: one acts, one stands by; neither a kill nor a rolling update of them disturbs an ensemble.

The kubelet sends SIGTERM before it kills, whatever the grace period is, so a kill is a signal on the node.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from kazoo.client import KazooClient

from tests.e2e.conftest import Client, Space, cluster, kubectl, sync
from tests.support.machines.ensemble_machine import Machine
from tests.support.waiting import eventually

HOME = "zkoperator-system"
LIMIT_S = 180.0


def holder() -> str:
    """The identity that holds the Lease, empty while none does; a container that starts again has another one."""
    lease = json.loads(kubectl("-n", HOME, "get", "lease", "zkoperator", "-o", "json"))
    return str(lease["spec"].get("holderIdentity") or "")


def pod_of(identity: str) -> str:
    return identity.rpartition("_")[0]


async def held() -> str:
    return await eventually(lambda: asyncio.to_thread(holder), within_s=LIMIT_S, every_s=0.2)


async def taken_over(identity: str) -> None:
    def another() -> bool:
        return holder() not in ("", identity)

    await eventually(lambda: asyncio.to_thread(another), within_s=LIMIT_S, every_s=0.1)


async def value_of(space: Space, key: str) -> str | None:
    found = await space.get("configmaps", "shop") or {}
    value: str | None = (found.get("data") or {}).get(key)
    return value


async def mirrored(space: Space, zk: KazooClient, value: str) -> None:
    await asyncio.to_thread(zk.set, "/apps/shop/colour", value.encode())

    async def shown() -> bool:
        return await value_of(space, "colour") == value

    await eventually(shown, within_s=LIMIT_S)


async def members(space: Space) -> dict[str, tuple[str, int]]:
    """Name -> uid of the pod and how often its container was started again."""
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in await space.items("pods")
    }


@dataclass
class Writers:
    """A key of its own for every write, so that none can hide that another one was lost."""

    space: Space
    zk: KazooClient
    znodes: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    async def write(self, number: int) -> None:
        """One to each side; what is acknowledged is remembered."""
        await asyncio.to_thread(self.zk.create, f"/apps/shop/z{number}", str(number).encode())
        self.znodes[f"z{number}"] = str(number)
        await self.space.api.merge(self.space.path("configmaps", "shop"), {"data": {f"c{number}": str(number)}})
        self.keys[f"c{number}"] = str(number)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        stop = asyncio.Event()

        async def go_on() -> None:
            number = 0
            while not stop.is_set():
                await self.write(number)
                number += 1
                await asyncio.sleep(0.1)

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            stop.set()
            await task

    async def are_equal(self) -> bool:
        data = (await self.space.get("configmaps", "shop") or {}).get("data") or {}
        names = await asyncio.to_thread(self.zk.get_children, "/apps/shop")
        tree = {name: (await asyncio.to_thread(self.zk.get, f"/apps/shop/{name}"))[0].decode() for name in names}
        written = self.znodes | self.keys
        assert {key: tree.get(key) for key in written} == written, "a write is missing in ZooKeeper"
        assert {key: data.get(key) for key in written} == written, "a write is missing in the ConfigMap"
        return bool(tree == data)


@contextlib.asynccontextmanager
async def following(space: Space, **spec: Any) -> AsyncIterator[KazooClient]:
    """An ensemble and a ConfigSync; at the end no member must have been restarted."""
    await space.apply(cluster(3))
    await space.until("zookeeperclusters", "main", "Ready", "True", within_s=LIMIT_S)
    before = await members(space)
    async with Client(space) as zk:
        await asyncio.to_thread(zk.ensure_path, "/apps/shop/colour")
        await space.apply(sync("/apps/shop", **spec))
        await mirrored(space, zk, "red")
        yield zk
    await space.until("zookeeperclusters", "main", "Ready", "True", within_s=LIMIT_S)
    assert await members(space) == before


async def test_a_standby_takes_over_from_a_holder_that_is_killed_on_its_node(space: Space, machine: Machine) -> None:
    async with following(space) as zk:
        killed = await held()
        pod = json.loads(await asyncio.to_thread(kubectl, "-n", HOME, "get", "pod", pod_of(killed), "-o", "json"))
        began_s = time.monotonic()
        machine.kill(pod, "python")
        await taken_over(killed)
        held_s = time.monotonic() - began_s
        await mirrored(space, zk, "green")
        space.tell(f"killed: Lease after {held_s:.1f} s, a change arrived after {time.monotonic() - began_s:.1f} s")


async def test_a_standby_takes_over_from_a_holder_that_is_stopped(space: Space) -> None:
    async with following(space) as zk:
        stopped = await held()
        began_s = time.monotonic()
        await asyncio.to_thread(kubectl, "-n", HOME, "delete", "pod", pod_of(stopped), "--wait=false")
        await taken_over(stopped)
        held_s = time.monotonic() - began_s
        await mirrored(space, zk, "blue")
        space.tell(f"stopped: Lease after {held_s:.1f} s, a change arrived after {time.monotonic() - began_s:.1f} s")


async def test_a_rolling_update_loses_no_write_on_either_side_and_restarts_no_member(space: Space) -> None:
    async with following(space, direction="TwoWay") as zk:
        writers = Writers(space, zk)
        async with writers.writing():
            await asyncio.to_thread(kubectl, "-n", HOME, "rollout", "restart", "deployment/zkoperator")
            status = ("-n", HOME, "rollout", "status", "deployment/zkoperator", f"--timeout={LIMIT_S:.0f}s")
            await asyncio.to_thread(kubectl, *status)
        assert len(writers.znodes) > 10 and len(writers.keys) > 10
        await eventually(writers.are_equal, within_s=LIMIT_S)
        space.tell(
            f"rolling update: {len(writers.znodes)} znodes and {len(writers.keys)} keys written meanwhile arrived"
        )
