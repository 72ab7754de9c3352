"""Backups against a real API server and its Job controller; the kubelet's part is played by the test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from testbed.api import ApiServer
from tests.support.machines.api_client import ApiClient
from tests.support.waiting import eventually
from tests.support.worlds.backup_site import CLAIM, SPEC, facts
from tests.support.worlds.kube_contract import client_of, install
from zkoperator.backup.order import Complete, result_to_json
from zkoperator.backup.reconcile import BackupReconciler, OperatorPod
from zkoperator.errors import ConflictError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import (
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)
from zkoperator.runtime.keys import Key

CRDS = Path(__file__).parents[2] / "crds"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


class Site:
    """One namespace under Pod Security `restricted`, with an operator and a user."""

    def __init__(self, api: KubeClient, user: ApiClient, namespace: str) -> None:
        self.api = api
        self.user = user
        self.namespace = namespace
        self.operator = BackupReconciler(api, OperatorPod("home", "", "registry.example/zkoperator:dev"))

    async def look(self) -> None:
        try:
            await self.operator.reconcile(Key(self.namespace, "main-1"))
        except ConflictError:
            return

    async def create(self) -> None:
        await self.api.create(ZOOKEEPER_BACKUPS, self.namespace, _object("main-1", SPEC))

    async def status(self) -> Manifest:
        found = await self.api.get(ZOOKEEPER_BACKUPS, self.namespace, "main-1")
        assert found is not None
        status: Manifest = found["status"]
        return status

    async def condition(self, kind: str) -> tuple[str, str]:
        conditions = {each["type"]: each for each in (await self.status()).get("conditions", ())}
        return conditions.get(kind, {}).get("status", ""), conditions.get(kind, {}).get("message", "")

    async def pod(self) -> Manifest | None:
        await self.look()
        pods = (await self.api.list(PODS, self.namespace, labels="zkoperator.dev/backup=main-1")).items
        return next((pod for pod in pods if (pod.get("status") or {}).get("phase") == "Pending"), None)

    async def end(self, pod: Manifest, message: str) -> None:
        """What the kubelet reports when the container has done its work."""
        terminated = {"exitCode": 0, "reason": "Completed", "message": message}
        container = {"name": "backup", "image": "a", "imageID": "a", "ready": False, "restartCount": 0}
        status = {"phase": "Succeeded", "containerStatuses": [{**container, "state": {"terminated": terminated}}]}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        await self.user.merge(path, {"status": status})


def _object(name: str, spec: Manifest) -> Manifest:
    return {"metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def site(api_server: ApiServer, namespace: str) -> AsyncIterator[Site]:
    async with client_of(api_server) as api, ApiClient(api_server.kubeconfig) as user:
        for name in ("zookeeperclusters", "zookeeperbackups"):
            await install(user, yaml.safe_load((CRDS / f"{name}.yaml").read_text()))
        await user.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": RESTRICTED}})
        await api.create(ZOOKEEPER_CLUSTERS, namespace, _object("main", {}))
        hosts = {"status": {"hosts": "main-zk-0.main-zk-members:2181"}}
        await api.patch(ZOOKEEPER_CLUSTERS, namespace, "main", hosts, subresource="status")
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await api.create(PERSISTENT_VOLUME_CLAIMS, namespace, _object(CLAIM, claim))
        yield Site(api, user, namespace)


async def test_a_job_is_taken_by_the_server_its_pod_by_pod_security_and_its_result_by_the_status(site: Site) -> None:
    await site.create()
    pod = await eventually(site.pod)
    await site.end(pod, result_to_json(Complete(facts("demo/main/uid/20261130T120001-10000002a"))))

    async def is_complete() -> bool:
        await site.look()
        return (await site.condition("Complete"))[0] == "True"

    await eventually(is_complete)
    status = await site.status()
    assert (status["zxid"], status["znodes"], status["typesKept"]) == ("0x10000002a", 30, False)

    async def is_tidy() -> bool:
        await site.look()
        jobs = (await site.api.list(JOBS, site.namespace)).items
        pods = (await site.api.list(PODS, site.namespace, labels="zkoperator.dev/backup=main-1")).items
        return not jobs and not pods

    await eventually(is_tidy)
    # With the object goes its data, by a Job that the same policy accepts.
    await site.api.delete(ZOOKEEPER_BACKUPS, site.namespace, "main-1")
    deleting = await eventually(site.pod)
    await site.end(deleting, result_to_json(Complete()))

    async def is_gone() -> bool:
        await site.look()
        return await site.api.get(ZOOKEEPER_BACKUPS, site.namespace, "main-1") is None

    await eventually(is_gone)


async def test_a_quota_that_admits_no_pod_is_told_in_the_words_of_the_job_controller(site: Site) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", **_object("none", {"hard": {"pods": "0"}})}
    created = await site.user.create(f"/api/v1/namespaces/{site.namespace}/resourcequotas", quota)
    path = f"/api/v1/namespaces/{site.namespace}/resourcequotas/none"
    await eventually(lambda: _is_counted(site.user, path))
    assert created["metadata"]["name"] == "none"
    await site.create()

    async def is_told() -> bool:
        await site.look()
        return "exceeded quota: none" in (await site.condition("Complete"))[1]

    await eventually(is_told, within_s=60)


async def _is_counted(user: ApiClient, path: str) -> bool:
    return bool((await user.get(path)).get("status", {}).get("hard"))


async def test_two_operators_at_once_make_one_job(site: Site) -> None:
    await site.create()
    others = [BackupReconciler(site.api, OperatorPod("home", "", "registry.example/zkoperator:dev")) for _ in range(4)]
    key = Key(site.namespace, "main-1")
    for _ in range(6):
        await asyncio.gather(*(other.reconcile(key) for other in others), return_exceptions=True)
    assert [job["metadata"]["name"] for job in (await site.api.list(JOBS, site.namespace)).items] == ["main-1-take1"]
