"""A backup that is put back: real members begin with it whatever their disks hold, and a damaged one is refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import Manifest
from tests.support.machines.job_pods import JobPods
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.numbered_znodes import PODS, ROOT, connect, end, names, numbered, write
from tests.support.worlds.site import Plot, Site

pytestmark = pytest.mark.timeout(900)
STORAGE: Manifest = {"persistentVolumeClaim": {"claimName": "backups"}}


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 3) as opened:
        yield opened


async def test_members_with_newer_disks_begin_again_with_a_backup_and_a_config_map_loses_nothing(
    site: Site, tmp_path: Path
) -> None:
    cluster, store = Cluster(replicas=3, within_s=300), tmp_path / "store"
    store.mkdir()
    async with site.plot() as plot, Kubelets(plot) as kubelets, JobPods(plot, kubelets, store) as jobs:
        await cluster.create(plot)
        await _create(plot, "persistentvolumeclaims", "backups", _claim(), core=True)
        with site.operator(plot.settings | _settings(site)):
            await cluster.complete(plot)
            client = await asyncio.to_thread(connect, site, kubelets)
            await asyncio.to_thread(write, client, "kept", 20)
            await _create(plot, "zookeeperbackups", "night", {"clusterRef": {"name": "main"}, "storage": STORAGE})
            await _complete(plot, "night")

            await asyncio.to_thread(write, client, "later", 20)
            for pod in PODS:
                await kubelets.kill(pod)  # each writes a snapshot when it starts again
                await cluster.complete(plot)
            await asyncio.to_thread(write, client, "latest", 20)
            await plot.sync(zookeeper={"hosts": ",".join(kubelets.hosts.values()), "path": ROOT})
            written = {*numbered("kept", 20), *numbered("later", 20), *numbered("latest", 20)}
            await eventually(lambda: _has(plot, written), within_s=120)

            await _restore(plot, "night@0")
            await _killing_the_seed(plot, kubelets)
            await _restored(plot, 1)
            await cluster.complete(plot)
            assert await names(site, kubelets) == [numbered("kept", 20)] * 3, "all of the backup, nothing later"
            assert all(list(kubelets.disk(pod).glob("aside/*/version-2/log.*")) for pod in PODS), (
                "put aside, not erased"
            )
            await asyncio.to_thread(write, client, "after", 20)
            assert await names(site, kubelets) == [numbered("after", 20) + numbered("kept", 20)] * 3

            async def is_held() -> bool:
                return (await plot.condition())[1] == "SourceRegressed"

            await eventually(is_held, within_s=120)
            assert written <= (await plot.data()).keys(), "nothing is deleted before somebody approves"

            ran = len(jobs.ran)
            _flip_a_byte(store, await _status_of(plot, "night"))
            before = await _uids(plot)
            await _restore(plot, "night@1")
            message = await eventually(lambda: _refused(plot), within_s=120)
            assert "DigestDiffers" in message
            assert len(jobs.ran) == ran + 1, "it was read, and nothing else was done"
            assert await _uids(plot) == before, "nobody was stopped"

            copy = next(each for each in await _backups(plot) if each != "night")
            await _restore(plot, f"{copy}@1")
            await _restored(plot, 2)
            await cluster.complete(plot)
            assert await names(site, kubelets) == [sorted(written)] * 3, "the copy that was taken first is whole"
            await asyncio.to_thread(end, client)


async def _killing_the_seed(plot: Plot, kubelets: Kubelets) -> None:
    """Kill the seed again and again while it prepares its volume and before it leads."""

    async def runs_in_a_new_incarnation() -> bool:
        pod = await plot.site.kube.find(f"{plot.core}/pods/{PODS[0]}")
        notes = ((pod or {}).get("metadata") or {}).get("annotations") or {}
        return "zkoperator.dev/incarnation" in notes and PODS[0] in kubelets.hosts

    await eventually(runs_in_a_new_incarnation, within_s=240)
    for pause_s in (0.0, 0.02, 0.1, 0.4, 1.0):
        await asyncio.sleep(pause_s)
        await kubelets.kill(PODS[0])
        await _started_again(kubelets, kubelets.starts[PODS[0]])


async def _started_again(kubelets: Kubelets, starts: int) -> None:
    await eventually(lambda: kubelets.starts[PODS[0]] > starts, within_s=60)


def _settings(site: Site) -> dict[str, str]:
    assert site.network is not None
    members = ",".join(site.network.address(host) for host in site.network.hosts("member-"))
    return {"ZKOPERATOR_BACKUP_IMAGE": "operator:1", "ZKOPERATOR_ALLOWED_HOSTS": members}


def _claim() -> Manifest:
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


async def _create(plot: Plot, plural: str, name: str, spec: Manifest, *, core: bool = False) -> None:
    path = f"{plot.core if core else plot.custom}/{plural}"
    await plot.site.kube.create(path, {"metadata": {"name": name}, "spec": spec} | ({} if core else _kind()))


def _kind() -> Manifest:
    return {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperBackup"}


async def _complete(plot: Plot, name: str) -> None:
    async def done() -> bool:
        status = await _status_of(plot, name)
        return any((c["type"], c["status"]) == ("Complete", "True") for c in status.get("conditions", ()))

    await eventually(done, within_s=120)


async def _status_of(plot: Plot, name: str) -> Manifest:
    found = await plot.site.kube.get(f"{plot.custom}/zookeeperbackups/{name}")
    status: Manifest = found.get("status") or {}
    return status


async def _backups(plot: Plot) -> list[str]:
    return [each["metadata"]["name"] for each in (await plot.site.kube.get(f"{plot.custom}/zookeeperbackups"))["items"]]


async def _restore(plot: Plot, text: str) -> None:
    notes = {"annotations": {"zkoperator.dev/restore": text}}
    await plot.site.kube.merge(f"{plot.custom}/zookeeperclusters/main", {"metadata": notes})


async def _restored(plot: Plot, number: int) -> None:
    async def done() -> bool:
        status = (await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main"))["status"]
        incarnation = status.get("incarnation", {})
        assert incarnation.get("number") == number, (incarnation, _progressing(status))
        return "completedAt" in incarnation

    await eventually(done, within_s=300)


async def _refused(plot: Plot) -> str:
    status = (await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main"))["status"]
    found = _progressing(status)
    return str(found["message"]) if found["reason"] == "RestoreRefused" else ""


def _progressing(status: Manifest) -> Manifest:
    found: Manifest = next(each for each in status["conditions"] if each["type"] == "Progressing")
    return found


async def _uids(plot: Plot) -> list[str]:
    return [(await plot.site.kube.get(f"{plot.core}/pods/{pod}"))["metadata"]["uid"] for pod in PODS]


async def _has(plot: Plot, keys: set[str]) -> bool:
    return keys <= (await plot.data()).keys()


def _flip_a_byte(store: Path, status: Manifest) -> None:
    (file,) = (store / status["location"]).glob("*.snapshot.gz")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
