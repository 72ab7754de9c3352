"""Repair with a writer running: lost pods, lost volumes, drift by hand, and what must never be repaired by itself."""

import asyncio
import base64
from typing import Any

import pytest
from aiohttp import ClientResponseError
from kazoo.client import KazooClient

from tests.e2e.conftest import Space, cluster, kubectl
from tests.support.ensemble_story import Ensemble
from tests.support.waiting import eventually


async def test_a_killed_leader_and_a_deleted_follower_come_back(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    leader = (await main.ready(3))["leader"]
    async with main.written():
        await asyncio.to_thread(kubectl, "-n", space.name, "exec", leader, "--", "sh", "-c", "kill -9 -1 || kill 1")

        async def replaced() -> bool:
            return (await main.status())["leader"] not in ("", leader)

        await eventually(replaced, within_s=60)
        await main.ready(3)
        now = (await main.status())["leader"]
        follower = next(name for name in sorted(await main.pods()) if name != now)
        await main.delete("pods", follower)
        await main.says("Ready", status="False")
        await main.ready(3)


async def test_all_members_stopped_at_once_come_back_with_new_addresses_and_their_data(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    before = await main.ready(3)
    async with main.written():
        pods = await main.uids()
        await asyncio.gather(*(main.delete("pods", name) for name in pods))
        await main.says("Available", status="False")
        after = await main.ready(3)
    assert not set((await main.uids()).values()) & set(pods.values())
    assert after["configVersion"] == before["configVersion"]


async def test_a_wiped_follower_syncs_before_it_votes_and_loses_nothing(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    status = await main.ready(3)
    follower = next(member for member in status["members"] if member["role"] == "follower")
    async with main.written():
        await main.wipe(follower["id"])
        after = await main.ready(3)
    assert after["configVersion"] == status["configVersion"]


async def test_two_of_three_wiped_stop_and_never_form_a_new_ensemble_until_recovered_by_hand(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    async with main.written() as writer:
        await asyncio.sleep(1)
    survivor = (await main.status())["leader"]
    wiped = [member for member in (1, 2, 3) if f"main-zk-{member - 1}" != survivor]
    await asyncio.gather(*(main.wipe(member) for member in wiped))
    await main.says("Available", status="False", reason="QuorumLost")
    await main.says("Degraded", reason="MajorityWiped", text="recovery", within_s=90)
    one = f"main-zk-{wiped[0] - 1}"
    await asyncio.to_thread(kubectl, "-n", space.name, "exec", one, "--", "touch", "/data/recover")
    await main.delete("pods", one)
    await main.ready(3, within_s=120)
    client = KazooClient(hosts=main.hosts)
    await asyncio.to_thread(client.start, timeout=30)
    try:
        names = set(await asyncio.to_thread(client.get_children, "/written"))
        assert {f"n{number:08}" for number in writer.report.created} <= names
    finally:
        await asyncio.to_thread(client.stop)
        client.close()


async def test_membership_changed_by_hand_is_changed_back(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    status = await main.ready(3)
    secret = await space.get("secrets", "main-zk-admin")
    assert secret is not None
    password = base64.b64decode(secret["data"]["password"]).decode()
    gone = next(member["id"] for member in status["members"] if member["role"] == "follower")
    client = KazooClient(hosts=main.hosts, auth_data=[("digest", f"super:{password}")])
    await asyncio.to_thread(client.start, timeout=30)
    try:
        async with main.written():
            stranger = "server.9=127.0.0.1:2888:3888:participant;2181"
            await asyncio.to_thread(client.reconfig, joining=stranger, leaving=str(gone), new_members=None)
            await main.says("Ready", status="False")
            after = await main.ready(3)
    finally:
        await asyncio.to_thread(client.stop)
        client.close()
    assert {member["id"] for member in after["members"]} == {1, 2, 3}


async def test_children_that_were_edited_or_deleted_are_repaired(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    password = (await space.get("secrets", "main-zk-admin") or {})["data"]
    pods = await main.uids()
    async with main.written():
        for plural, name in (
            ("configmaps", "main-zk-config"),
            ("services", "main-zk-members"),
            ("poddisruptionbudgets", "main-zk"),
        ):
            await main.delete(plural, name)
        await space.api.merge(space.path("services", "main-zk"), {"spec": {"selector": {"stray": "label"}}})
        await space.api.merge(space.path("statefulsets", "main-zk"), {"spec": {"replicas": 4}})

        async def repaired() -> bool:
            service = await space.get("services", "main-zk") or {}
            found = [
                await space.get("configmaps", "main-zk-config"),
                await space.get("services", "main-zk-members"),
                await space.get("poddisruptionbudgets", "main-zk"),
            ]
            sets = await space.get("statefulsets", "main-zk") or {}
            return None not in found and "stray" not in service["spec"]["selector"] and sets["spec"]["replicas"] == 3

        await eventually(repaired, within_s=60)
        await main.ready(3)
    assert (await space.get("secrets", "main-zk-admin") or {})["data"] == password
    after = await main.uids()
    assert {name: after[name] for name in pods} == pods, "a repair restarted a member"


@pytest.mark.parametrize(
    ("plural", "name", "body"),
    [
        ("configmaps", "main-zk-config", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"mine": "yes"}}),
        (
            "services",
            "main-zk",
            {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
        ),
        ("secrets", "main-zk-admin", {"apiVersion": "v1", "kind": "Secret", "data": {"mine": "eWVz"}}),
    ],
)
async def test_a_foreign_object_with_our_name_is_refused_and_left_alone(
    space: Space, plural: str, name: str, body: dict[str, Any]
) -> None:
    main = Ensemble(space)
    await space.apply({**body, "metadata": {"name": name}})
    before = await space.get(plural, name)
    await space.apply(cluster(1))
    assert name in await main.says("Degraded", reason="ForeignObject")
    assert await space.get(plural, name) == before
    await main.delete(plural, name)
    await main.ready(1)


async def test_evictions_take_one_voter_at_most(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)

    async def evict(pod: str) -> bool:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": space.name}}
        try:
            await space.api.create(space.path("pods", pod) + "/eviction", eviction)
        except ClientResponseError as refused:
            if refused.status != 429:
                raise
            return False
        return True

    async with main.written():
        assert [await evict(f"main-zk-{n}") for n in (0, 1, 2)].count(True) == 1
        await main.ready(3)
