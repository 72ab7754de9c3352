"""A real client from outside, by a port of a node, to an ensemble of real servers behind a real API server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.machines.node_ports import NodePorts
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster, edit_cluster
from tests.support.worlds.ensemble_writer import connected
from tests.support.worlds.site import Plot, Site

pytestmark = pytest.mark.timeout(600)
ON_NODES: dict[str, Any] = {"type": "NodePort", "plaintext": "Allowed"}


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 1) as opened:
        yield opened


async def status(plot: Plot) -> dict[str, Any]:
    found = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
    return dict(found["status"])


async def service(plot: Plot, name: str = "main-zk-external") -> dict[str, Any] | None:
    found: dict[str, Any] | None = await plot.site.kube.find(f"{plot.core}/services/{name}")
    return found


def write_from_outside(site: Site, hosts: str, path: str) -> bytes:
    assert site.network is not None
    with site.network.on_hub():
        client = connected(hosts)
        try:
            client.create(path, b"from outside")
            return bytes(client.get(path)[0])
        finally:
            client.stop()
            client.close()


async def test_a_client_comes_in_by_a_port_of_a_node_for_as_long_as_the_spec_asks_for_it(site: Site) -> None:
    cluster = Cluster(replicas=1, within_s=240)
    async with site.plot() as plot, Kubelets(plot) as kubelets, NodePorts(plot) as node:
        await cluster.create(plot)
        with site.operator(plot.settings):
            await cluster.complete(plot)
            assert not node.open
            await edit_cluster(plot, {"externalAccess": ON_NODES})
            hosts = await eventually(lambda: _hosts(plot), within_s=120)
            port = int(hosts.rpartition(":")[2])
            await eventually(lambda: port in node.open, within_s=60)
            assert await asyncio.to_thread(write_from_outside, site, hosts, "/a") == b"from outside"

            await edit_cluster(plot, {"externalAccess": {**ON_NODES, "perMember": True}})
            await cluster.complete(plot)
            assert await service(plot) is None and await service(plot, "main-zk-external-0") is not None
            each = await eventually(lambda: _hosts(plot), within_s=120)
            await eventually(lambda: int(each.rpartition(":")[2]) in node.open, within_s=60)
            assert await asyncio.to_thread(write_from_outside, site, each, "/b") == b"from outside"

            await _a_port_that_is_taken_is_told_and_taken_once_it_is_free(plot, cluster)

            await edit_cluster(plot, {"externalAccess": None})
            await eventually(lambda: _is_closed(plot, node), within_s=120)
            await cluster.complete(plot)
            assert "externalHosts" not in await status(plot)
        assert kubelets.starts["main-zk-0"] == 1, "a member was restarted for it"


async def _a_port_that_is_taken_is_told_and_taken_once_it_is_free(plot: Plot, cluster: Cluster) -> None:
    theirs = {"metadata": {"name": "theirs"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    made = await plot.site.kube.create(f"{plot.core}/services", theirs)
    port = made["spec"]["ports"][0]["nodePort"]
    await edit_cluster(plot, {"externalAccess": {"nodePorts": {"plaintext": port}}})

    async def is_told() -> bool:
        conditions = {each["type"]: each for each in (await status(plot))["conditions"]}
        ready = conditions["Ready"]
        return ready["reason"] == "Blocked" and "write other spec.externalAccess.nodePorts" in ready["message"]

    await eventually(is_told, within_s=120)
    await plot.site.kube.delete(f"{plot.core}/services/theirs")
    await cluster.complete(plot)
    assert (await _hosts(plot)).endswith(f":{port}")


async def _hosts(plot: Plot) -> str:
    return str((await status(plot)).get("externalHosts") or "")


async def _is_closed(plot: Plot, node: NodePorts) -> bool:
    return await service(plot, "main-zk-external-0") is None and not node.open
