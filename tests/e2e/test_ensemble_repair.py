"""Repair with a writer running: lost pods, lost volumes, drift by hand, and what must never be repaired by itself."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import ClientResponseError
from kazoo.client import KazooClient

from tests.e2e.conftest import BOTH_WIRES, Space, cluster, kubectl
from tests.support.machines.ensemble_machine import Machine
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_story import Ensemble, restart_order

LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/instance")
LATE_S = 15.0
"""The goal of a status that is true after a change is 2 s on an idle machine; tests share theirs with others."""


def followers(status: dict[str, Any]) -> list[str]:
    return [member["name"] for member in status["members"] if member["role"] == "follower"]


async def told(what: Callable[[], Any]) -> float:
    """The moment in which something became true."""
    await eventually(what, within_s=180, every_s=0.02)
    return time.monotonic()


@BOTH_WIRES
async def test_killed_members_come_back_and_the_status_says_so_in_time(space: Space, machine: Machine) -> None:
    main = Ensemble(space)
    await space.apply(space.cluster(3))
    leader = (await main.ready(3))["leader"]
    pods = await main.pods()
    before = await main.epoch_led(pods[leader])

    async def elected() -> str:
        """Who was elected since; on a slow machine the killed one may be back in time to be it."""
        epochs = await asyncio.gather(*map(main.epoch_led, pods.values()))
        return next((name for name, epoch in zip(pods, epochs, strict=True) if epoch > before), "")

    async def is_told() -> bool:
        leads = await elected()
        return leads != "" and bool((await main.status())["leader"] == leads)

    async def is_back() -> bool:
        conditions = (await main.pods())[leader]["status"]["conditions"]
        return {"type": "Ready", "status": "True"} in [{k: c[k] for k in ("type", "status")} for c in conditions]

    async def is_told_to_be_back() -> bool:
        return all(member["ready"] for member in (await main.status())["members"])

    async with main.written():
        machine.kill(pods[leader])
        led, reported = await asyncio.gather(told(elected), told(is_told))
        back, called_back = await asyncio.gather(told(is_back), told(is_told_to_be_back))
        delays = (reported - led, called_back - back)
        space.tell("status after a new leader {:.2f} s, after the return of a member {:.2f} s".format(*delays))
        assert max(delays) < LATE_S
        follower = followers(await main.ready(3))[0]
        machine.kill(pods[follower])
        await main.says("Ready", status="False")
        await main.ready(3)
    assert await main.restarts() == {name: int(name in (leader, follower)) for name in pods}
    assert await main.uids() == {name: pod["metadata"]["uid"] for name, pod in pods.items()}


async def grow_and_replace(main: Ensemble) -> None:
    """Let the volumes grow, which ends no pod, and then give one member a new one, which ends its pod alone."""
    pods, claims = await main.uids(), await main.uids("persistentvolumeclaims")
    await main.edit(storage={"size": "2Gi"})
    members = (await main.ready(3))["members"]
    assert {(m["volume"]["capacity"], m["volume"]["state"]) for m in members} == {("2Gi", "Bound")}
    assert (await main.uids(), await main.uids("persistentvolumeclaims")) == (pods, claims)
    wanted = "data-main-zk-1"
    await main.annotate(**{"replace-volume": f"main-zk-1={claims[wanted]}"})

    async def replaced() -> bool:
        return (await main.uids("persistentvolumeclaims")).get(wanted, claims[wanted]) != claims[wanted]

    await eventually(replaced, within_s=180)
    members = (await main.ready(3))["members"]
    assert {m["volume"]["capacity"] for m in members} == {"2Gi"}
    after = await main.uids()
    assert {name for name, uid in pods.items() if after[name] != uid} == {"main-zk-1"}


async def test_deleted_and_evicted_members_come_back_one_voter_at_a_time(space: Space) -> None:
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
        for choose in (followers, lambda status: [status["leader"]]):
            await main.delete("pods", choose(await main.ready(3))[0])
            await main.says("Ready", status="False")
        await main.ready(3)
        assert [await evict(f"main-zk-{n}") for n in (0, 1, 2)].count(True) == 1
        await main.says("Ready", status="False")
        await main.ready(3)
        await grow_and_replace(main)


async def exchange_volumes(space: Space, one: str, other: str) -> None:
    """Give each of two claims, which no pod uses, the volume of the other."""
    found = [await space.get("persistentvolumeclaims", name) for name in (one, other)]
    volumes = [f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}" for claim in found if claim is not None]
    for volume in volumes:
        await space.api.merge(volume, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    for name in (one, other):
        await space.api.delete(space.path("persistentvolumeclaims", name))

    async def both_are(phase: str) -> bool:
        return {(await space.api.get(volume))["status"]["phase"] for volume in volumes} == {phase}

    await eventually(partial(both_are, "Released"), within_s=180)
    for volume, name in zip(volumes, (other, one), strict=True):
        reference = {"namespace": space.name, "name": name, "uid": None, "resourceVersion": None}
        await space.api.merge(volume, {"spec": {"claimRef": reference}})
    # A claim that comes before its volume is free is given a new one.
    await eventually(partial(both_are, "Available"), within_s=180)


async def test_all_members_stopped_at_once_come_back_with_new_addresses_and_on_exchanged_volumes(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    before = await main.ready(3)

    async def volumes() -> dict[str, str]:
        claims = await space.items("persistentvolumeclaims")
        return {claim["metadata"]["name"]: claim["spec"]["volumeName"] for claim in claims}

    async def stopped() -> bool:
        return not await space.items("pods")

    async with main.written(patience_s=150):
        pods, first = await main.pods(), await volumes()
        await asyncio.gather(*(main.delete("pods", name) for name in pods))
        await main.says("Available", status="False")
        await main.ready(3)
        now = await main.pods()
        assert not {p["status"]["podIP"] for p in now.values()} & {p["status"]["podIP"] for p in pods.values()}
        await main.edit(paused=True)
        await main.says("Progressing", status="False", reason="Paused")
        await asyncio.to_thread(kubectl, "-n", space.name, "delete", "statefulset", "main-zk")
        await eventually(stopped, within_s=180)
        await exchange_volumes(space, "data-main-zk-0", "data-main-zk-1")
        await main.edit(paused=False)
        after = await main.ready(3)
    assert after["configVersion"] == before["configVersion"]
    exchanged = {"data-main-zk-0": first["data-main-zk-1"], "data-main-zk-1": first["data-main-zk-0"]}
    assert await volumes() == first | exchanged
    for volume in exchanged.values():
        await space.api.merge(
            f"/api/v1/persistentvolumes/{volume}", {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
        )


async def test_a_wiped_follower_may_not_vote_before_it_has_synced(space: Space, machine: Machine) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    before = await main.ready(3)
    wiped, held = followers(before)
    pods = await main.pods()

    async def modes() -> list[str]:
        now = await main.pods()
        return [await main.mode(now[name]) for name in (wiped, before["leader"]) if name in now]

    async def nobody_leads() -> bool:
        return await modes() == ["none", "none"]

    async with main.written(patience_s=150):
        async with machine.frozen(pods[held]):
            await main.wipe(int(wiped.rpartition("-")[2]) + 1)
            await eventually(nobody_leads, within_s=180)
            await main.says("Available", status="False", reason="QuorumLost")
            # With the vote of the wiped one the other would be elected within a second.
            for _ in range(40):
                assert set(await modes()) <= {"none", ""}, "somebody serves; without an answer nothing is known"
                await asyncio.sleep(0.2)
        after = await main.ready(3)
    assert after["configVersion"] == before["configVersion"]


async def test_two_of_three_wiped_form_no_new_ensemble_until_a_person_approves_the_third(
    space: Space,
) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    async with main.written() as writer:
        await eventually(lambda: len(writer.report.created) > 20, within_s=180)
    survivor = (await main.status())["leader"]
    wiped = [member for member in (1, 2, 3) if f"main-zk-{member - 1}" != survivor]
    await asyncio.gather(*(main.wipe(member) for member in wiped))
    await main.says("Available", status="False", reason="QuorumLost")
    await main.says("Degraded", reason="MajorityWiped", text="zkoperator.dev/recover=<pod>@<zxid>")
    zxid = next(member["zxid"] for member in (await main.status())["members"] if member["name"] == survivor)
    await main.annotate(recover=f"{survivor}@0x{zxid}")
    await main.ready(3)
    assert (await main.status())["incarnation"]["seed"] == survivor
    await main.read_back(writer)


@asynccontextmanager
async def superuser(main: Ensemble, leader: str) -> AsyncIterator[KazooClient]:
    """Another client with the rights to change the membership, on the member that no change disconnects."""
    secret = await main.space.get("secrets", "main-zk-admin")
    assert secret is not None
    password = base64.b64decode(secret["data"]["password"]).decode()
    host = f"{leader}.main-zk-members.{main.space.name}.svc.cluster.local:2181"
    client = KazooClient(hosts=host, auth_data=[("digest", f"super:{password}")])
    await asyncio.to_thread(client.start, timeout=30)
    try:
        yield client
    finally:
        await asyncio.to_thread(client.stop)
        client.close()


async def test_membership_changed_by_hand_is_changed_back_one_step_at_a_time(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    status = await main.ready(3)
    ids = {member["name"]: member["id"] for member in status["members"]}
    one, other = followers(status)
    pods = await main.pods()
    host = f"{one}.main-zk-members.{space.name}.svc.cluster.local"
    drifts = (
        ("server.9=127.0.0.1:2888:3888:participant;2181", str(ids[one])),
        (f"server.{ids[one]}={host}:2888:3888:observer;0.0.0.0:2181", None),
        (f"server.{ids[other]}={pods[other]['status']['podIP']}:2888:3888:participant;0.0.0.0:2181", None),
    )
    async with superuser(main, status["leader"]) as client, main.written():
        lines = (await asyncio.to_thread(client.get, "/zookeeper/config"))[0].split(b"version=")[0]
        for joining, leaving in drifts:
            await asyncio.to_thread(client.reconfig, joining, leaving, None)
            await main.says("Ready", status="False")
            await main.ready(3)
            now = (await asyncio.to_thread(client.get, "/zookeeper/config"))[0].split(b"version=")[0]
            assert sorted(now.split()) == sorted(lines.split())
    history = await main.configurations(ids[(await main.status())["leader"]] - 1)
    assert all(len(voters & {1, 2, 3}) >= 2 for voters in history), history


async def test_children_that_were_edited_or_deleted_are_repaired_without_a_restart(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    password = (await space.get("secrets", "main-zk-admin") or {})["data"]
    pods = await main.uids()
    lost = (
        ("configmaps", "main-zk-config"),
        ("services", "main-zk-members"),
        ("services", "main-zk"),
        ("networkpolicies", "main-zk"),
        ("poddisruptionbudgets", "main-zk"),
    )

    async def made_again() -> bool:
        return None not in [await space.get(plural, name) for plural, name in lost]

    async def repaired() -> bool:
        service, made = await space.get("services", "main-zk"), await space.get("statefulsets", "main-zk")
        assert service is not None and made is not None
        spec = made["spec"]["template"]["spec"]
        assert "stray" not in service["spec"]["selector"]
        return bool(made["spec"]["replicas"] == 3 and spec["terminationGracePeriodSeconds"] != 1)

    async def complete() -> bool:
        return set(await main.pods()) == set(pods)

    async def adopted() -> bool:
        made = await space.get("statefulsets", "main-zk")
        assert made is not None and "deletionTimestamp" not in made["metadata"]
        owners = [pod["metadata"].get("ownerReferences", [{}])[0].get("uid") for pod in await space.items("pods")]
        return owners == [made["metadata"]["uid"]] * 3

    async def labelled() -> bool:
        return bool(set(LABELS) <= (await main.pods())["main-zk-1"]["metadata"]["labels"].keys())

    async with main.written():
        for plural, name in lost:
            await main.delete(plural, name)
        await eventually(made_again, within_s=180)
        await space.api.merge(space.path("services", "main-zk"), {"spec": {"selector": {"stray": "label"}}})
        edited = {"replicas": 4, "template": {"spec": {"terminationGracePeriodSeconds": 1}}}
        await space.api.merge(space.path("statefulsets", "main-zk"), {"spec": edited})
        await eventually(repaired, within_s=180)
        await asyncio.to_thread(kubectl, "-n", space.name, "delete", "statefulset", "main-zk", "--cascade=orphan")
        await eventually(adopted, within_s=180)
        await space.api.merge(space.path("pods", "main-zk-1"), {"metadata": {"labels": dict.fromkeys(LABELS)}})
        await eventually(labelled, within_s=180)
        await eventually(adopted, within_s=180)
        await main.ready(3)
        after = await main.uids()
        assert {name: after[name] for name in pods} == pods, "a repair restarted a member"
        assert (await space.get("secrets", "main-zk-admin") or {})["data"] == password
        # One pod at most is lost to this before it is taken back.
        await space.api.merge(space.path("statefulsets", "main-zk"), {"spec": {"replicas": 2}})
        await eventually(repaired, within_s=180)
        await eventually(complete, within_s=180)
        await main.ready(3)
        after = await main.uids()
        assert {name for name, uid in pods.items() if after[name] != uid} <= {"main-zk-2"}


async def test_a_deleted_secret_is_made_anew_once_and_the_members_learn_it_by_a_roll(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    leader = (await main.ready(3))["leader"]
    old = await space.get("secrets", "main-zk-admin") or {}

    async def made() -> str:
        found = await space.get("secrets", "main-zk-admin") or {}
        assert found and found["data"] != old["data"]
        return str(found["metadata"]["uid"])

    async def forget() -> None:
        await main.delete("secrets", "main-zk-admin")
        await eventually(made, within_s=180)
        await main.says("Ready", status="False")

    async with main.written():
        order = await restart_order(main, forget)
        first = await made()
        assert (sorted(order), order[-1]) == (["main-zk-0", "main-zk-1", "main-zk-2"], leader)
        # The new password changes the membership, as the old one did.
        await main.edit(replicas=1)
        await main.ready(1)
    assert await made() == first


FOREIGN: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("configmaps", "main-zk-config", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"mine": "yes"}}),
    (
        "services",
        "main-zk",
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
    ),
    ("secrets", "main-zk-admin", {"apiVersion": "v1", "kind": "Secret", "data": {"mine": "eWVz"}}),
)


async def test_foreign_objects_with_our_names_are_refused_one_by_one_and_left_alone(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(*({**body, "metadata": {"name": name}} for _, name, body in FOREIGN))
    left = {(plural, name): await space.get(plural, name) for plural, name, _ in FOREIGN}
    await space.apply(cluster(1))

    async def named() -> tuple[str, str] | None:
        """The one that the condition names and that is still there."""
        message = await main.says("Degraded", reason="ForeignObject")
        return next(((plural, name) for plural, name in left if f" {name} " in message), None)

    while left:
        plural, name = await eventually(named, within_s=180)
        for (other, its_name), before in left.items():
            assert await space.get(other, its_name) == before
        await main.delete(plural, name)
        del left[plural, name]
    await main.ready(1)
