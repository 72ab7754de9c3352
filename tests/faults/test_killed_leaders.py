"""The leader is killed while the operator is at work on the ensemble; nothing that was acknowledged is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import Recorder
from tests.support.machines.kubelets import grounds
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster, edit_cluster
from tests.support.worlds.kept_writes import one, progress, written
from tests.support.worlds.site import Site

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 3) as opened:
        yield opened


async def test_a_leader_that_is_killed_during_a_roll_delays_it_and_loses_nothing(site: Site) -> None:
    async with written(site) as (plot, kubelets, writer), Recorder(site.kube, f"{plot.core}/pods") as recorder:
        leader = await one(kubelets, "leader")
        await edit_cluster(plot, {"config": {"snapCount": "20000"}})

        def deleted() -> list[str]:
            return [event["object"]["metadata"]["name"] for event in recorder.events if event["type"] == "DELETED"]

        await eventually(deleted, within_s=90)
        assert leader not in deleted(), "a roll begins with the followers"
        await kubelets.kill(leader)
        await Cluster(replicas=3, within_s=240).complete(plot)
        await progress(writer)
        assert sorted(deleted()) == ["main-zk-0", "main-zk-1", "main-zk-2"], "each is restarted once by the roll"


@pytest.mark.exhaustive
async def test_a_leader_that_is_killed_while_the_ensemble_shrinks_delays_it_and_loses_nothing(site: Site) -> None:
    async with written(site) as (plot, kubelets, writer):
        leader = await one(kubelets, "leader")
        await edit_cluster(plot, {"replicas": 1})

        async def shrinking() -> bool:
            cluster = await site.kube.get(f"{plot.custom}/zookeeperclusters/main")
            reasons = {one["type"]: one["reason"] for one in cluster["status"]["conditions"]}
            return bool(reasons["Progressing"] == "ScalingDown")

        await eventually(shrinking, within_s=90, every_s=0.02)
        await kubelets.kill(leader)
        await Cluster(replicas=1, within_s=240).complete(plot)
        await progress(writer)
        await edit_cluster(plot, {"replicas": 3})
        await Cluster(replicas=3, within_s=240).complete(plot)
