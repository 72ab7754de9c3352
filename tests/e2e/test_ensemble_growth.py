"""Growing and shrinking with a writer running: no acknowledged write is lost, whatever the order."""

import asyncio
from typing import Any

from kazoo.client import KazooClient

from tests.e2e.conftest import Space, cluster, kubectl
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_story import Ensemble, Watchman, restart_order


def sizes(configurations: list[set[int]]) -> list[int]:
    return [len(voters) for voters in configurations]


async def test_three_become_five_in_the_very_second_of_being_ready_roll_and_become_one(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    fewest: list[int] = [5]

    def see(pods: dict[str, Any]) -> None:
        fewest[0] = min(fewest[0], len(pods))

    await main.ready(3)
    await asyncio.to_thread(kubectl, "-n", space.name, "scale", "zk/main", "--replicas=5")
    async with main.written():
        leader = (await main.ready(5))["leader"]
        async with Watchman(main, see):
            order = await restart_order(main, lambda: main.edit(jvm={"heapPercent": 40}))
        assert (len(order), order[-1]) == (5, leader)
        assert fewest == [4], "more than one member was away, or none"
        await main.edit(replicas=3)
        await main.ready(3)
        claims = await main.uids("persistentvolumeclaims")
        assert {"data-main-zk-3", "data-main-zk-4"} <= set(claims), (
            "claims are retained unless the policy says otherwise"
        )
        await main.lead_from(lambda ordinal: ordinal > 0)
        await main.edit(replicas=1)
        status = await main.ready(1)
    assert status["leader"] == "main-zk-0"
    assert set(await main.pods()) == {"main-zk-0"}
    assert await main.configurations() == [{1, 2, 3}, {1, 2, 3, 4, 5}, {1, 2, 3}, {1}], "one reconfiguration each time"
    await reads_are_served_by_an_observer_that_comes_and_goes(main)
    await a_client_from_outside_comes_by_a_port_of_a_node(main)


async def test_one_becomes_three_without_a_phase_of_two_and_who_left_comes_back(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(space.cluster(1))
    await main.ready(1)
    async with main.written():
        await main.edit(replicas=3)
        grown = await main.ready(3)
        assert [member["role"] for member in grown["members"]].count("leader") == 1
        await main.lead_from(lambda ordinal: ordinal > 0)
        await main.edit(replicas=1)
        assert (await main.ready(1))["leader"] == "main-zk-0"
        # On kept volumes.
        await main.edit(replicas=3)
        await main.ready(3)
        await main.edit(replicas=1, storage={"retention": {"whenScaled": "Delete"}})
        await main.ready(1)

        async def deleted() -> bool:
            return set(await main.uids("persistentvolumeclaims")) == {"data-main-zk-0"}

        await eventually(deleted, within_s=180)
        # On empty ones.
        await main.edit(replicas=3)
        await main.ready(3)
    assert await main.configurations() == [{1}, {1, 2, 3}, {1}, {1, 2, 3}, {1}, {1, 2, 3}]


async def reads_are_served_by_an_observer_that_comes_and_goes(main: Ensemble) -> None:
    """Needs real pods for a Service that finds the observer, an id that its container gets, and a volume of its own."""
    voters = await main.uids()
    await main.edit(observers={"replicas": 1})
    await counted(main, 1)
    assert await main.mode((await main.pods())["main-zk-observers-0"]) == "observer"
    ask = "exec 3<>/dev/tcp/main-zk-read/2181; printf srvr >&3; cat <&3"
    assert "Mode: observer" in await main.space.run("main-zk-0", f"bash -c '{ask}'")
    await main.edit(observers={"replicas": 0})
    await counted(main, 0)
    assert await main.uids() == voters, "no voter was started again"


async def a_client_from_outside_comes_by_a_port_of_a_node(main: Ensemble) -> None:
    """Needs a kube-proxy, and roles that let the operator delete a Service."""

    async def address() -> str:
        return str((await main.status()).get("externalHosts") or "")

    async def is_gone() -> bool:
        return await main.space.get("services", "main-zk-external") is None and not await address()

    await main.edit(externalAccess={"type": "NodePort", "plaintext": "Allowed"})
    client = KazooClient(hosts=await eventually(address, within_s=120))
    await asyncio.to_thread(client.start, timeout=60)
    try:
        assert await asyncio.to_thread(client.exists, "/zookeeper")
    finally:
        await asyncio.to_thread(client.stop)
        client.close()
    await main.edit(externalAccess=None)
    await eventually(is_gone, within_s=120)


async def counted(main: Ensemble, observers: int) -> None:
    async def holds() -> bool:
        status, pods = await main.status(), await main.pods()
        listed = [name for name in pods if "observers" in name]
        return (status.get("observers"), status.get("readyObservers"), len(listed)) == (observers,) * 3

    await eventually(holds, within_s=180)
    await main.ready(1)


async def test_a_change_of_mind_at_any_point_converges(space: Space) -> None:
    main = Ensemble(space)

    async def made() -> bool:
        return {"main-zk-3", "main-zk-4"} <= set(await main.pods())

    async def voting(replicas: int) -> None:
        async def committed() -> bool:
            return bool((await main.status())["replicas"] == replicas)

        await eventually(committed, within_s=300)

    await space.apply(cluster(3))
    await main.ready(3)
    async with main.written():
        # While the joiners start.
        await main.edit(replicas=5)
        await eventually(made, within_s=180)
        await main.edit(replicas=4)
        await voting(4)
        await main.edit(replicas=1)
        await main.ready(1)
        # In the moment of each commit, with everything that follows it still to be done.
        await main.edit(replicas=3)
        for committed, wanted in ((3, 5), (5, 4), (4, 1)):
            await voting(committed)
            await main.edit(replicas=wanted)
        await main.ready(1)
    assert sizes(await main.configurations()) == [3, 4, 1, 3, 5, 4, 1], "a phase that nobody asked for"
    assert set(await main.pods()) == {"main-zk-0"}


async def test_a_joiner_that_never_starts_leaves_the_voters_alone_and_is_named(space: Space) -> None:
    main = Ensemble(space)
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "main"}},
                    "topologyKey": "kubernetes.io/hostname",
                }
            ]
        }
    }
    await space.apply(cluster(3, pod={"affinity": apart}))
    before = await main.ready(3)
    async with main.written():
        await main.edit(replicas=4)
        await main.says("Progressing", reason="ScalingUp", text="Unschedulable")
        await main.says("Degraded", reason="Unschedulable", text="main-zk-3")
        status = await main.status()
        assert (status["replicas"], status["configVersion"]) == (3, before["configVersion"])
        await main.edit(replicas=3)
        await main.ready(3)
    assert set(await main.pods()) == {"main-zk-0", "main-zk-1", "main-zk-2"}
