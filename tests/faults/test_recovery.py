"""A quorum that is lost for good: real members begin again from the disk of one of them, with newer disks beside it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.retry import KazooRetry

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import Manifest
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_writer import connected
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.workloads import Cluster

pytestmark = pytest.mark.timeout(900)
PODS = ["main-zk-0", "main-zk-1", "main-zk-2"]
ROOT = "/kept"


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
            client = await asyncio.to_thread(_connect, site, kubelets)
            await asyncio.to_thread(_write, client, "both", 20)

            survivor = "main-zk-1"
            await kubelets.hold(survivor)
            await asyncio.to_thread(_write, client, "lost", 20)
            newer = [pod for pod in PODS if pod != survivor]
            for pod in newer:
                await kubelets.hold(pod)
            kubelets.release(survivor)
            await _approve(plot, survivor)
            await _completed(plot, 1, cluster)
            assert await _names(site, kubelets) == [_numbered("both", 20)] * 3, "every member has what the survivor had"
            assert all(list(kubelets.disk(pod).glob("aside/*/version-2/log.*")) for pod in newer), (
                "put aside, not erased"
            )
            await asyncio.to_thread(_write, client, "after", 20)

            for pod in newer:
                await kubelets.hold(pod)
                await asyncio.to_thread(_wipe, kubelets, pod)
                kubelets.release(pod)
            await _approve(plot, survivor)
            await _completed(plot, 2, cluster)
            kept = _numbered("after", 20) + _numbered("both", 20)
            assert await _names(site, kubelets) == [kept] * 3, "nothing was lost that the survivor had"
            await asyncio.to_thread(_write, client, "last", 1)
            await asyncio.to_thread(_end, client)


def _connect(site: Site, kubelets: Kubelets) -> KazooClient:
    assert site.network is not None
    with site.network.on_hub():  # its threads stay where they were started
        client = connected(",".join(kubelets.hosts.values()))
    client.ensure_path(ROOT)
    return client


def _end(client: KazooClient) -> None:
    client.stop()
    client.close()


def _write(client: KazooClient, name: str, count: int) -> None:
    """Write with a client that has seen all that any member ever had; it goes on where it is let."""
    for each in _numbered(name, count):
        KazooRetry(max_tries=600, delay=0.2, backoff=1)(client.ensure_path, f"{ROOT}/{each}")


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}-{number:03}" for number in range(count)]


def _wipe(kubelets: Kubelets, pod: str) -> None:
    for file in sorted((kubelets.disk(pod) / "data").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()


async def _names(site: Site, kubelets: Kubelets) -> list[list[str]]:
    return await asyncio.to_thread(_read, site, [kubelets.hosts[pod] for pod in PODS])


def _read(site: Site, hosts: Sequence[str]) -> list[list[str]]:
    assert site.network is not None
    found = []
    with site.network.on_hub():
        for host in hosts:
            client = connected(host)
            client.sync(ROOT)
            found.append(sorted(client.get_children(ROOT)))
            _end(client)
    return found


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
