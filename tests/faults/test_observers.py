"""Observers with real servers: they join and leave a busy ensemble, and serve what was written there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.kubelets import grounds
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster, edit_cluster
from tests.support.worlds.kept_writes import lost, progress, written
from tests.support.worlds.site import Plot, Site

pytestmark = pytest.mark.timeout(600)
OBSERVERS = ("main-zk-observers-0", "main-zk-observers-1")


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 3, observers=2) as opened:
        yield opened


async def status(plot: Plot) -> dict[str, object]:
    found = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
    return dict(found["status"])


async def test_observers_join_serve_and_leave_a_busy_ensemble_and_no_write_misses_them(site: Site) -> None:
    cluster = Cluster(replicas=3, within_s=240)
    async with written(site) as (plot, kubelets, writer):
        await edit_cluster(plot, {"observers": {"replicas": 2}})
        await eventually(lambda: _observers(plot, 2), within_s=240)
        await cluster.complete(plot)
        modes = await kubelets.modes()
        assert {pod for pod, mode in modes.items() if mode == "observer"} == set(OBSERVERS)
        assert kubelets.starts["main-zk-0"] == kubelets.starts["main-zk-1"] == kubelets.starts["main-zk-2"] == 1

        await kubelets.hold(OBSERVERS[1])
        await progress(writer, by=20)
        await edit_cluster(plot, {"config": {"snapCount": "20000"}})  # restarts everybody, the held one first
        await cluster.complete(plot)
        await progress(writer)

        members = [kubelets.hosts[pod] for pod in OBSERVERS]
        assert await asyncio.to_thread(lost, site, writer.report, members) == []
        await edit_cluster(plot, {"observers": {"replicas": 0}})
        await eventually(lambda: _observers(plot, 0), within_s=240)
        await cluster.complete(plot)
        assert not set(OBSERVERS) & set(await kubelets.modes())
        await progress(writer)


async def _observers(plot: Plot, count: int) -> bool:
    found = await status(plot)
    return (found.get("observers"), found.get("readyObservers")) == (count, count)
