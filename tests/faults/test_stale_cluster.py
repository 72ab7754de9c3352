"""A cluster is deleted and created again while the operator is shown what was there before.

Claims go with their cluster (`whenDeleted: Delete`), so an operator that takes the new claims for those of the old
cluster would have them collected, with all data: nothing of the new cluster may be deleted, stopped or scaled.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.faults.crash import quiet, unexpected
from tests.support.faults.proxies.rules import FreezeWatch, Kube, Rule, ServeSnapshot
from tests.support.machines.api_client import Recorder
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.site import API, Plot, Site

STALE = "zookeeperclusters|statefulsets|persistentvolumeclaims"
# Everything that says whose the children are; what tells of new pods and claims goes on.
OWNED = "zookeeperclusters|statefulsets|configmaps|services|poddisruptionbudgets|networkpolicies"
LISTS = (f"{API}/zookeeperclusters", "/apis/apps/v1/statefulsets", "/api/v1/persistentvolumeclaims")


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 1) as opened:
        yield opened


class Watchman:
    """Follows the claims, pods and StatefulSets of a plot from now on."""

    def __init__(self, plot: Plot) -> None:
        sets = f"/apis/apps/v1/namespaces/{plot.namespace}/statefulsets"
        paths = (f"{plot.core}/persistentvolumeclaims", f"{plot.core}/pods", sets)
        self._recorders = [Recorder(plot.site.kube, path) for path in paths]

    async def __aenter__(self) -> "Watchman":
        for recorder in self._recorders:
            await recorder.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for recorder in self._recorders:
            await recorder.__aexit__(*error)

    @property
    def losses(self) -> list[str]:
        """What was deleted, is to be deleted, or was scaled down."""
        events = [event for recorder in self._recorders for event in recorder.events]
        return [
            f"{event['object']['metadata']['name']} {event['type']}"
            for event in events
            if event["type"] == "DELETED"
            or "deletionTimestamp" in event["object"]["metadata"]
            or event["object"]["spec"].get("replicas", 1) < 1
        ]


async def _delete(plot: Plot, cluster: Cluster) -> None:
    await plot.site.kube.delete(f"{plot.custom}/zookeeperclusters/main")
    await eventually(lambda: cluster.is_gone(plot), within_s=90)


async def test_an_operator_that_starts_on_a_stale_api_server_takes_nothing_from_the_new_cluster(site: Site) -> None:
    """Lists and watches show the old cluster with its StatefulSet and claims; a read by name is never stale."""
    cluster = Cluster()
    async with site.plot() as plot, Kubelets(plot):
        await cluster.create(plot)
        with site.operator(plot.settings) as operator:
            await cluster.complete(plot)
            old = await site.kube_proxy.take_snapshot(*LISTS)
            await _delete(plot, cluster)
            await cluster.create(plot)
            await cluster.complete(plot)
            async with Watchman(plot) as watchman:
                stale = Rule(Kube("list|watch", STALE), ServeSnapshot(old))
                with site.kube_proxy.rules.active(stale):
                    operator.kill()
                    operator.start()
                    # Each of three kinds is listed and watched, and kopf and the slow list do the same for one.
                    await eventually(lambda: site.kube_proxy.rules.fired(stale) >= 6, within_s=90)
                    await asyncio.sleep(8)
                    assert watchman.losses == []
                site.kube_proxy.cut()
                await cluster.complete(plot)
                await quiet(site)
                assert watchman.losses == []
            assert unexpected(operator.log.read_text()) is None


async def test_an_operator_whose_watches_have_stopped_takes_nothing_from_the_new_cluster(site: Site) -> None:
    """It still sees the old cluster at rest, and new claims and pods; somebody else's operator looks after the new."""
    cluster = Cluster()
    async with site.plot() as plot, Kubelets(plot):
        await cluster.create(plot)
        with site.operator(plot.settings) as sleepy:
            await cluster.complete(plot)
            frozen = Rule(Kube("watch", OWNED), FreezeWatch())
            with site.kube_proxy.rules.active(frozen):
                site.kube_proxy.cut()
                await eventually(lambda: site.kube_proxy.rules.fired(frozen) >= 8, within_s=60)
            await _delete(plot, cluster)
            with site.operator(plot.settings) as awake:
                await awake.ready(within_s=90)
                await cluster.create(plot)
                async with Watchman(plot) as watchman:
                    await cluster.complete(plot)
                    await asyncio.sleep(5)
                    assert watchman.losses == []
                    site.kube_proxy.cut()
                    await cluster.complete(plot)
                    assert watchman.losses == []
                assert unexpected(awake.log.read_text()) is None
            assert unexpected(sleepy.log.read_text()) is None
