"""Two replicas: one acts, one stands by; neither a kill nor a rolling update of them disturbs an ensemble.

The kubelet sends SIGTERM before it kills, whatever the grace period is, so a kill is a signal on the node.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from kazoo.client import KazooClient

from tests.e2e.conftest import Client, Space, kubectl, sync
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


async def value_of(space: Space, shop: str, key: str) -> str | None:
    found = await space.get("configmaps", shop) or {}
    value: str | None = (found.get("data") or {}).get(key)
    return value


@dataclass(frozen=True)
class Tie:
    """A subtree and a ConfigMap of one name, tied by a ConfigSync."""

    space: Space
    zk: KazooClient
    name: str

    @property
    def root(self) -> str:
        return f"/apps/{self.name}"

    async def mirrors(self, value: str) -> None:
        await asyncio.to_thread(self.zk.set, f"{self.root}/colour", value.encode())

        async def shown() -> bool:
            return await value_of(self.space, self.name, "colour") == value

        await eventually(shown, within_s=LIMIT_S)


async def members(space: Space) -> dict[str, tuple[str, int]]:
    """Name -> uid of the pod and how often its container was started again."""
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in await space.items("pods")
        if pod["metadata"]["name"].startswith("main-zk-")
    }


@dataclass
class Writers:
    """A key of its own for every write, so that none can hide that another one was lost."""

    tie: Tie
    znodes: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    async def write(self, number: int) -> None:
        """One to each side; what is acknowledged is remembered."""
        tie = self.tie
        await asyncio.to_thread(tie.zk.create, f"{tie.root}/z{number}", str(number).encode())
        self.znodes[f"z{number}"] = str(number)
        await tie.space.api.merge(tie.space.path("configmaps", tie.name), {"data": {f"c{number}": str(number)}})
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
        zk, root = self.tie.zk, self.tie.root
        data = (await self.tie.space.get("configmaps", self.tie.name) or {}).get("data") or {}
        names = await asyncio.to_thread(zk.get_children, root)
        tree = {name: (await asyncio.to_thread(zk.get, f"{root}/{name}"))[0].decode() for name in names}
        written = self.znodes | self.keys
        assert {key: tree.get(key) for key in written} == written, "a write is missing in ZooKeeper"
        assert {key: data.get(key) for key in written} == written, "a write is missing in the ConfigMap"
        return bool(tree == data)


@contextlib.asynccontextmanager
async def following(space: Space, **spec: Any) -> AsyncIterator[Tie]:
    """A ConfigSync on the shared ensemble; at the end no member must have been restarted."""
    before, name = await members(space), f"tie-{secrets.token_hex(3)}"
    assert len(before) == 3
    async with Client(space) as zk:
        tie = Tie(space, zk, name)
        await asyncio.to_thread(zk.ensure_path, f"{tie.root}/colour")
        await space.apply(sync(tie.root, name, **spec))
        await tie.mirrors("red")
        yield tie
    await space.until("zookeeperclusters", "main", "Ready", "True", within_s=LIMIT_S)
    assert await members(space) == before
    await asyncio.to_thread(kubectl, "-n", space.name, "delete", "zksync", name)


async def test_a_standby_takes_over_from_a_holder_that_is_killed_on_its_node(shared: Space, machine: Machine) -> None:
    async with following(shared) as tie:
        killed = await held()
        pod = json.loads(await asyncio.to_thread(kubectl, "-n", HOME, "get", "pod", pod_of(killed), "-o", "json"))
        began_s = time.monotonic()
        machine.kill(pod, "python")
        await taken_over(killed)
        held_s = time.monotonic() - began_s
        await tie.mirrors("green")
        shared.tell(f"killed: Lease after {held_s:.1f} s, a change arrived after {time.monotonic() - began_s:.1f} s")


async def test_a_standby_takes_over_from_a_holder_that_is_stopped(shared: Space) -> None:
    async with following(shared) as tie:
        stopped = await held()
        began_s = time.monotonic()
        await asyncio.to_thread(kubectl, "-n", HOME, "delete", "pod", pod_of(stopped), "--wait=false")
        await taken_over(stopped)
        held_s = time.monotonic() - began_s
        await tie.mirrors("blue")
        shared.tell(f"stopped: Lease after {held_s:.1f} s, a change arrived after {time.monotonic() - began_s:.1f} s")


async def test_a_rolling_update_loses_no_write_on_either_side_and_restarts_no_member(shared: Space) -> None:
    async with following(shared, direction="TwoWay") as tie:
        writers = Writers(tie)
        async with writers.writing():
            await asyncio.to_thread(kubectl, "-n", HOME, "rollout", "restart", "deployment/zkoperator")
            status = ("-n", HOME, "rollout", "status", "deployment/zkoperator", f"--timeout={LIMIT_S:.0f}s")
            await asyncio.to_thread(kubectl, *status)
        assert len(writers.znodes) > 10 and len(writers.keys) > 10
        await eventually(writers.are_equal, within_s=LIMIT_S)
        shared.tell(
            f"rolling update: {len(writers.znodes)} znodes and {len(writers.keys)} keys written meanwhile arrived"
        )
