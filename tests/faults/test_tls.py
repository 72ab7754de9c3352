"""TLS is turned on and off under a client that writes all the while; real servers decide whether they understand it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.waiting import eventually
from tests.support.worlds.kept_writes import progress, written
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.workloads import edit_cluster

pytestmark = pytest.mark.timeout(900)
SELF_SIGNED: dict[str, Any] = {"certificate": {"selfSigned": {}}}


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 3) as opened:
        yield opened


def client(plaintext: str) -> dict[str, Any]:
    return {"client": {**SELF_SIGNED, "plaintext": plaintext}}


async def turned(plot: Plot, tls: dict[str, Any] | None) -> None:
    """Edit `spec.tls`, and wait until the cluster is Ready with it."""
    await edit_cluster(plot, {"tls": tls})

    async def is_there() -> bool:
        cluster = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
        conditions = {one["type"]: one for one in cluster["status"]["conditions"]}
        assert conditions["Ready"]["status"] == "True", conditions
        assert conditions["Ready"]["observedGeneration"] == cluster["metadata"]["generation"]
        return True

    await eventually(is_there, within_s=300)


async def open_ports(site: Site, kubelets: Kubelets) -> set[tuple[str, int]]:
    """The ports for clients that a host outside of the pods reaches, by pod."""
    assert site.network is not None
    found = set()
    for pod, address in kubelets.hosts.items():
        for port in (2180, 2181, 2281):
            if await asyncio.to_thread(_is_open, site, address.rpartition(":")[0], port):
                found.add((pod, port))
    return found


def _is_open(site: Site, host: str, port: int) -> bool:
    assert site.network is not None
    with site.network.on_hub():
        try:
            socket.create_connection((host, port), 2).close()
        except OSError:
            return False
    return True


async def test_clients_move_to_tls_and_back_and_lose_nothing(site: Site) -> None:
    async with written(site) as (plot, kubelets, writer):
        await turned(plot, client("Allowed"))
        assert await open_ports(site, kubelets) == {(pod, port) for pod in kubelets.hosts for port in (2181, 2281)}
        await progress(writer)
        await turned(plot, client("Refused"))
        await progress(writer)
        assert await open_ports(site, kubelets) == {(pod, 2281) for pod in kubelets.hosts}
        await turned(plot, {"client": client("Allowed")["client"], "quorum": {}})
        await turned(plot, None)
        assert await open_ports(site, kubelets) == {(pod, 2181) for pod in kubelets.hosts}
