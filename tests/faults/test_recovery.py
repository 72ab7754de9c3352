"""A quorum that is lost for good: real members begin again from the disk of one of them, with newer disks beside it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import Manifest
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.numbered_znodes import PODS, connect, end, names, numbered, write
from tests.support.worlds.site import Plot, Site
from zkoperator.api.cluster import Member
from zkoperator.cli.view.survivors import seed_among, survivors_of

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 3) as opened:
        yield opened


async def test_an_ensemble_begins_again_from_a_survivor_whatever_the_other_disks_hold(site: Site) -> None:
    cluster = Cluster(replicas=3, within_s=300)
    async with site.plot() as plot, Kubelets(plot) as kubelets:
        await cluster.create(plot)
        with site.operator(plot.settings):
            await cluster.complete(plot)
            client = await asyncio.to_thread(connect, site, kubelets)
            await asyncio.to_thread(write, client, "both", 20)

            survivor = "main-zk-1"
            await kubelets.hold(survivor)
            await asyncio.to_thread(write, client, "lost", 20)
            newer = [pod for pod in PODS if pod != survivor]
            for pod in newer:
                await kubelets.hold(pod)
            kubelets.release(survivor)
            await _approve(plot, survivor)
            await _completed(plot, 1, cluster)
            assert await names(site, kubelets) == [numbered("both", 20)] * 3, "every member has what the survivor had"
            assert all(list(kubelets.disk(pod).glob("aside/*/version-2/log.*")) for pod in newer), (
                "put aside, not erased"
            )
            await asyncio.to_thread(write, client, "after", 20)

            for pod in newer:
                await kubelets.hold(pod)
                await asyncio.to_thread(kubelets.wipe, pod)
                kubelets.release(pod)
            await _approve(plot, survivor)
            assert await _seed(plot, kubelets) == survivor, "not one of those with an empty disk"
            await _completed(plot, 2, cluster)
            kept = numbered("after", 20) + numbered("both", 20)
            assert await names(site, kubelets) == [kept] * 3, "nothing was lost that the survivor had"
            await asyncio.to_thread(write, client, "last", 1)
            await asyncio.to_thread(end, client)


async def _approve(plot: Plot, pod: str) -> None:
    """Do what the condition says as soon as it says so, for this pod."""

    async def proposed() -> bool:
        status = (await _cluster(plot))["status"]
        messages = [each["message"] for each in status["conditions"] if each["type"] == "Degraded"]
        assert any("zkoperator.dev/recover=" in message for message in messages), status
        return True

    await eventually(proposed, within_s=120)
    status = (await _cluster(plot))["status"]
    zxid = next(member["zxid"] for member in status["members"] if member["name"] == pod)
    notes = {"annotations": {"zkoperator.dev/recover": f"{pod}@0x{zxid}"}}
    await plot.site.kube.merge(f"{plot.custom}/zookeeperclusters/main", {"metadata": notes})


async def _seed(plot: Plot, kubelets: Kubelets) -> str:
    """The member that `kubectl zk recover` proposes."""
    members = (await _cluster(plot))["status"]["members"]
    known = [Member(id=member["id"], name=member["name"], zxid=member.get("zxid", "")) for member in members]
    seed = seed_among(survivors_of(known, {pod: kubelets.log(pod) for pod in PODS}))
    return seed.pod if seed is not None else ""


async def _completed(plot: Plot, number: int, cluster: Cluster) -> None:
    async def done() -> bool:
        incarnation = (await _cluster(plot))["status"].get("incarnation", {})
        assert incarnation.get("number") == number, (incarnation, await _condition(plot, "Progressing"))
        return "completedAt" in incarnation

    await eventually(done, within_s=300)
    await cluster.complete(plot)


async def _condition(plot: Plot, kind: str) -> dict[str, str]:
    return next((one for one in (await _cluster(plot))["status"]["conditions"] if one["type"] == kind), {})


async def _cluster(plot: Plot) -> Manifest:
    found: Manifest = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
    return found
