"""Disks that are slow or full, under members of an ensemble that an operator looks after and a client writes to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.faults import slow_disk
from tests.support.machines.api_client import Recorder
from tests.support.machines.kubelets import grounds
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster, edit_cluster
from tests.support.worlds.kept_writes import one, progress, written
from tests.support.worlds.site import Plot, Site

pytestmark = pytest.mark.timeout(600)
SLOW_S = 3.0


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 3) as opened:
        yield opened


async def condition(plot: Plot, kind: str) -> dict[str, str]:
    cluster = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
    return next((one for one in cluster["status"]["conditions"] if one["type"] == kind), {})


@pytest.mark.parametrize("mode", ["follower", pytest.param("leader", marks=pytest.mark.exhaustive)])
async def test_a_member_with_a_slow_disk_costs_no_acknowledged_write_and_no_second_member(
    site: Site, mode: str
) -> None:
    """While its disk is slow the configuration is changed: every member is restarted, one at a time, in its turn."""
    async with (
        written(site) as (plot, kubelets, writer),
        Recorder(site.kube, f"{plot.core}/pods") as recorder,
    ):
        slow = await one(kubelets, mode)
        before = {event["object"]["metadata"]["uid"] for event in recorder.events}
        kubelets.slow_down(slow, SLOW_S)
        await eventually(lambda: "fsync-ing the write ahead log" in kubelets.log(slow), within_s=60)
        await progress(writer)
        await edit_cluster(plot, {"config": {"snapCount": "20000"}})
        await eventually(lambda: len(_restarts(recorder, before)) == 3, within_s=240)
        await Cluster(replicas=3).complete(plot)
        assert slow in _restarts(recorder, before)
        kubelets.slow_down(slow, 0)
        await progress(writer)
        assert sorted(_restarts(recorder, before)) == ["main-zk-0", "main-zk-1", "main-zk-2"], "each exactly once"


def _restarts(recorder: Recorder, before: set[str]) -> list[str]:
    """The pods that were deleted, in this order; one whose predecessor did not run again yet is a failure.

    Whether it serves, the operator asks the member itself, and may know before the kubelet does.
    """
    order: list[str] = []
    back: set[str] = set()
    for event in recorder.events:
        meta, status = event["object"]["metadata"], event["object"].get("status", {})
        if event["type"] == "DELETED":
            assert set(order) <= back, f"{meta['name']} was deleted while one of {order} was still away"
            order.append(meta["name"])
        if meta["uid"] not in before and status.get("phase") == "Running":
            back.add(meta["name"])
    return order


@pytest.mark.parametrize("mode", [pytest.param("follower", marks=pytest.mark.exhaustive), "leader"])
async def test_a_member_with_a_full_disk_is_named_and_comes_back_with_everything(site: Site, mode: str) -> None:
    async with written(site, disk_mib=24) as (plot, kubelets, writer):
        full = await one(kubelets, mode)
        await asyncio.to_thread(slow_disk.fill, kubelets.disk(full))

        async def named() -> bool:
            told = await condition(plot, "Degraded")
            ready = await condition(plot, "Ready")
            assert told["status"] == "True" and full in told["message"], (told, ready)
            assert ready["status"] == "False", ready
            return True

        await eventually(named, within_s=120)
        await progress(writer)
        assert (await condition(plot, "Available"))["status"] == "True"
        await asyncio.to_thread(slow_disk.free, kubelets.disk(full))
        await progress(writer)
