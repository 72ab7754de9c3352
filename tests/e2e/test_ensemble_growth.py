"""Growing and shrinking with a writer running: no acknowledged write is lost, whatever the order."""

import asyncio

import pytest

from tests.e2e.conftest import Space, cluster, kubectl
from tests.support.ensemble_story import Ensemble
from tests.support.waiting import eventually


async def test_three_become_five_and_three_again_in_the_very_second_of_being_ready(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    first = await main.ready(3)
    await asyncio.to_thread(kubectl, "-n", space.name, "scale", "zk/main", "--replicas=5")
    async with main.written():
        grown = await main.ready(5)
        await main.edit(replicas=3)
        shrunk = await main.ready(3)
    versions = [int(status["configVersion"], 16) for status in (first, grown, shrunk)]
    assert versions == sorted(set(versions)), "one reconfiguration each way"
    assert set(await main.pods()) == {"main-zk-0", "main-zk-1", "main-zk-2"}
    claims = await main.uids("persistentvolumeclaims")
    assert {"data-main-zk-3", "data-main-zk-4"} <= set(claims), "claims are retained unless the policy says otherwise"


async def test_one_becomes_three_in_one_step_and_one_again(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(1))
    await main.ready(1)
    async with main.written():
        await main.edit(replicas=3)
        grown = await main.ready(3)
        assert [member["role"] for member in grown["members"]].count("leader") == 1
        await main.edit(replicas=1)
        await main.ready(1)


async def test_members_that_left_come_back_on_kept_and_on_wiped_volumes(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    async with main.written():
        await main.edit(replicas=1)
        await main.ready(1)
        await main.edit(replicas=3)
        await main.ready(3)
        await main.edit(replicas=1, storage={"retention": {"whenScaled": "Delete"}})
        await main.ready(1)

        async def deleted() -> bool:
            return set(await main.uids("persistentvolumeclaims")) == {"data-main-zk-0"}

        await eventually(deleted, within_s=60)
        await main.edit(replicas=3)
        await main.ready(3)


async def test_a_change_of_mind_at_any_point_converges(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    async with main.written():
        for replicas, pause_s in ((5, 1.5), (4, 0.5), (2, 0.3), (5, 3.0), (1, 0.2), (3, 0)):
            await main.edit(replicas=replicas)
            await asyncio.sleep(pause_s)
        await main.ready(3)


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


@pytest.mark.exhaustive
async def test_five_become_one_though_the_leader_leaves(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(5))
    await main.ready(5)
    async with main.written():
        await main.edit(replicas=1)
        status = await main.ready(1)
    assert status["leader"] == "main-zk-0"
