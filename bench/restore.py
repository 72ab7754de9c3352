"""Restores, a recovery and a new volume, by the operator on real members: `python -m bench restore`.

API server, operator, members and Jobs are processes, and the pods are theirs, so no image is pulled and no volume is
attached. Volumes that grow or get another storage class need a whole cluster and are not measured. `BENCH_ZNODES` makes
the tree smaller.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.backup import SIZE, Size
from bench.backup_load import fill
from bench.figures import Figure
from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import Manifest
from tests.support.machines.job_pods import JobPods
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.site import Plot, Site
from zkoperator.zk.session import connect

RESTORE_GOAL_S, RECOVERY_GOAL_S = 15.0, 30.0
PODS, SURVIVOR = ("main-zk-0", "main-zk-1", "main-zk-2"), "main-zk-1"
BACKUP = "night"
_LIMIT_S, _LOOK_S = 900.0, 0.1


async def run() -> Sequence[Figure]:
    """Measure with 100,000 znodes of 900 bytes each."""
    return await figures(SIZE)


async def figures(size: Size) -> list[Figure]:
    """Measure everything for one size."""
    async with _site() as site, site.plot() as plot, Kubelets(plot, heap_mib=size.heap_mib) as kubelets:
        store = site.directory / "store"
        store.mkdir()
        async with JobPods(plot, kubelets, store):
            await plot.site.kube.create(f"{plot.core}/persistentvolumeclaims", _claim())
            await _cluster().create(plot)
            with site.operator(plot.settings | _settings(site)):
                return await _measure(plot, kubelets, size)


async def _measure(plot: Plot, kubelets: Kubelets, size: Size) -> list[Figure]:
    what = f"{size.znodes:,} znodes"
    await _cluster().complete(plot)
    await asyncio.to_thread(_filled, plot.site, [*kubelets.hosts.values()], size)
    await _back_up(plot)
    in_place_s = await _timed(lambda: _begin_again(plot, 1, restore=f"{BACKUP}@0"))
    zxid = await _lose_two_disks(plot, kubelets)
    recovered_s = await _timed(lambda: _begin_again(plot, 2, recover=f"{SURVIVOR}@0x{zxid}"))
    replaced_s = await _timed(lambda: _new_volume(plot))
    await _delete(plot)
    new_s = await _timed(lambda: _create_from_backup(plot))
    return [
        Figure(f"restore of {what} into a new cluster, to three voters", new_s, "s", goal=RESTORE_GOAL_S),
        Figure(f"restore of {what} in place, after a backup of the present", in_place_s, "s", goal=RESTORE_GOAL_S),
        Figure(f"recovery of {what} from a survivor, approval to three voters", recovered_s, "s", goal=RECOVERY_GOAL_S),
        Figure(f"a new volume for a member, {what}", replaced_s, "s"),
    ]


@asynccontextmanager
async def _site() -> AsyncIterator[Site]:
    with Ensemble(1) as zookeeper, ApiServer() as api_server, tempfile.TemporaryDirectory() as directory:
        await asyncio.to_thread(zookeeper.start)
        await asyncio.to_thread(api_server.start)
        async with grounds(api_server, zookeeper, Path(directory), len(PODS)) as site:
            yield site


def _settings(site: Site) -> dict[str, str]:
    assert site.network is not None
    members = ",".join(site.network.address(host) for host in site.network.hosts("member-"))
    return {"ZKOPERATOR_BACKUP_IMAGE": "operator:1", "ZKOPERATOR_ALLOWED_HOSTS": members}


def _cluster(**spec: Any) -> Cluster:
    return Cluster(replicas=len(PODS), within_s=_LIMIT_S, spec=spec)


def _claim() -> Manifest:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": "backups"}, "spec": spec}


def _filled(site: Site, hosts: Sequence[str], size: Size) -> None:
    assert site.network is not None

    async def write() -> None:
        zk = connect(hosts)
        await fill(zk, size.znodes, size.value_bytes)
        await zk.close()

    with site.network.on_hub():
        asyncio.run(write())


async def _timed(action: Callable[[], Awaitable[None]]) -> float:
    began_s = time.monotonic()
    await action()
    return time.monotonic() - began_s


async def _back_up(plot: Plot) -> None:
    kind = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperBackup", "metadata": {"name": BACKUP}}
    storage = {"persistentVolumeClaim": {"claimName": "backups"}}
    path = f"{plot.custom}/zookeeperbackups"
    await plot.site.kube.create(path, {**kind, "spec": {"clusterRef": {"name": "main"}, "storage": storage}})

    async def complete() -> bool:
        status = (await plot.site.kube.get(f"{path}/{BACKUP}")).get("status") or {}
        return any((c["type"], c["status"]) == ("Complete", "True") for c in status.get("conditions", ()))

    await eventually(complete, within_s=_LIMIT_S, every_s=_LOOK_S)


async def _begin_again(plot: Plot, number: int, **approval: str) -> None:
    """Give the word, wait until all members serve in the incarnation with this number, and take the word back."""
    await _annotate(plot, approval)

    async def completed() -> bool:
        incarnation = (await _status(plot)).get("incarnation", {})
        return incarnation.get("number") == number and "completedAt" in incarnation

    await eventually(completed, within_s=_LIMIT_S, every_s=_LOOK_S)
    await _annotate(plot, dict.fromkeys(approval))
    await _cluster().complete(plot)


async def _lose_two_disks(plot: Plot, kubelets: Kubelets) -> str:
    """Have one member alone, and return its zxid once the operator proposes to go on from there."""
    for pod in PODS:
        await kubelets.hold(pod)
        if pod != SURVIVOR:
            await asyncio.to_thread(kubelets.wipe, pod)
    kubelets.release(SURVIVOR)

    async def proposed() -> bool:
        messages = [each["message"] for each in (await _status(plot))["conditions"] if each["type"] == "Degraded"]
        return any("zkoperator.dev/recover=" in message for message in messages)

    await eventually(proposed, within_s=_LIMIT_S, every_s=_LOOK_S)
    return next(str(member["zxid"]) for member in (await _status(plot))["members"] if member["name"] == SURVIVOR)


async def _new_volume(plot: Plot) -> None:
    path = f"{plot.core}/persistentvolumeclaims/data-{SURVIVOR}"
    former = (await plot.site.kube.get(path))["metadata"]["uid"]
    await _annotate(plot, {"replace-volume": f"{SURVIVOR}={former}"})

    async def replaced() -> bool:
        claim = await plot.site.kube.find(path)
        return claim is not None and claim["metadata"]["uid"] != former

    await eventually(replaced, within_s=_LIMIT_S, every_s=_LOOK_S)
    await _cluster().complete(plot)


async def _delete(plot: Plot) -> None:
    await plot.site.kube.delete(f"{plot.custom}/zookeeperclusters/main")
    await eventually(lambda: _cluster().is_gone(plot), within_s=_LIMIT_S, every_s=_LOOK_S)


async def _create_from_backup(plot: Plot) -> None:
    cluster = _cluster(bootstrap={"fromBackup": {"name": BACKUP}})
    await cluster.create(plot)
    await cluster.complete(plot)


async def _annotate(plot: Plot, notes: Mapping[str, str | None]) -> None:
    notes = {f"zkoperator.dev/{name}": value for name, value in notes.items()}
    await plot.site.kube.merge(f"{plot.custom}/zookeeperclusters/main", {"metadata": {"annotations": notes}})


async def _status(plot: Plot) -> Manifest:
    found = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
    status: Manifest = found.get("status") or {}
    return status
