"""Two replicas: one acts, one stands by; neither a kill nor a rolling update of them disturbs an ensemble."""

import asyncio
import json
from typing import Any

from kazoo.client import KazooClient

from tests.e2e.conftest import Client, Space, cluster, kubectl, sync
from tests.support.waiting import eventually

HOME = "zkoperator-system"


def holder() -> str:
    """The pod that holds the Lease, empty while none does."""
    lease = json.loads(kubectl("-n", HOME, "get", "lease", "zkoperator", "-o", "json"))
    return str(lease["spec"].get("holderIdentity") or "").rpartition("_")[0]


async def taken_over(pod: str) -> str:
    def another() -> str:
        now = holder()
        return now if now not in ("", pod) else ""

    return await eventually(lambda: asyncio.to_thread(another), within_s=60, every_s=0.2)


async def mirrored(space: Space, zk: KazooClient, value: str) -> None:
    await asyncio.to_thread(zk.set, "/apps/shop/colour", value.encode())

    async def shown() -> bool:
        found = await space.get("configmaps", "shop")
        return found is not None and (found.get("data") or {}).get("colour") == value

    await eventually(shown, within_s=90)


def members(pods: list[dict[str, Any]]) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}


async def test_a_standby_takes_over_and_no_member_is_restarted(space: Space) -> None:
    await space.apply(cluster(3))
    await space.until("zookeeperclusters", "main", "Ready", "True")
    before = members(await space.items("pods"))
    async with Client(space) as zk:
        await asyncio.to_thread(zk.ensure_path, "/apps/shop/colour")
        await space.apply(sync("/apps/shop"))
        await mirrored(space, zk, "red")

        killed = await asyncio.to_thread(holder)
        await asyncio.to_thread(kubectl, "-n", HOME, "delete", "pod", killed, "--grace-period=0", "--force")
        successor = await taken_over(killed)
        await mirrored(space, zk, "green")

        await asyncio.to_thread(kubectl, "-n", HOME, "delete", "pod", successor)
        await taken_over(successor)
        await mirrored(space, zk, "blue")

        await asyncio.to_thread(kubectl, "-n", HOME, "rollout", "restart", "deployment/zkoperator")
        status = ("-n", HOME, "rollout", "status", "deployment/zkoperator", "--timeout=120s")
        await asyncio.to_thread(kubectl, *status)
        await mirrored(space, zk, "gold")
    await space.until("zookeeperclusters", "main", "Ready", "True")
    assert members(await space.items("pods")) == before
