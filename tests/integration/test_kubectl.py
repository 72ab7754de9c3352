"""What kubectl shows of the kinds at a summary, and what it does with them, on a real API server."""

import json
from collections.abc import AsyncIterator

import pytest

from testbed.api import ApiServer
from tests.support.machines.kubectl import Kubectl, with_our_kinds
from tests.support.models.least_objects import backup, cluster, condition, several, sync
from tests.support.waiting import eventually
from tests.support.worlds.kube_contract import client_of
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_BACKUPS, ZOOKEEPER_CLUSTERS


@pytest.fixture(scope="module")
def kubectl(api_server: ApiServer) -> Kubectl:
    return with_our_kinds(api_server)


@pytest.fixture
async def api(api_server: ApiServer, kubectl: Kubectl) -> AsyncIterator[KubeClient]:
    async with client_of(api_server) as client:
        yield client


async def test_one_look_says_whether_a_cluster_is_fine_and_if_not_why(
    api: KubeClient, kubectl: Kubectl, namespace: str
) -> None:
    await api.apply(ZOOKEEPER_CLUSTERS, namespace, cluster())
    conditions = [
        condition("Ready", "False", "MemberDown", "main-zk-2 does not answer; see its log"),
        condition("Available", "True", "QuorumServes"),
    ]
    status = {"replicas": 3, "readyReplicas": 2, "leader": "main-zk-0", "version": "3.9.4", "conditions": conditions}
    await api.patch(ZOOKEEPER_CLUSTERS, namespace, "main", {"status": status}, subresource="status")
    head, row = kubectl("get", "zk", "-n", namespace).stdout.splitlines()
    columns = ["NAME", "REPLICAS", "SERVING", "LEADER", "VERSION", "AVAILABLE", "READY", "REASON", "AGE", "MESSAGE"]
    assert head.split() == columns
    assert row.split()[:8] == ["main", "3", "2", "main-zk-0", "3.9.4", "True", "False", "MemberDown"]
    assert row.endswith("main-zk-2 does not answer; see its log")


async def test_one_look_says_whether_a_sync_is_fine_and_if_not_why(
    api: KubeClient, kubectl: Kubectl, namespace: str
) -> None:
    await api.apply(CONFIG_SYNCS, namespace, sync())
    conditions = [condition("Ready", "False", "Conflict", "db__pool_size was edited on both sides")]
    status = {"configMap": "shop", "keys": 7, "zxid": "0x100000a2b", "conditions": conditions}
    await api.patch(CONFIG_SYNCS, namespace, "shop", {"status": status}, subresource="status")
    head, row = kubectl("get", "zksync", "-n", namespace).stdout.splitlines()
    head_names = "NAME PATH CONFIGMAP DIRECTION READY REASON KEYS ZXID AGE MESSAGE"
    assert head.split() == head_names.split()
    assert "db__pool_size was edited on both sides" in row
    assert row.split()[:8] == ["shop", "/a", "shop", "TwoWay", "False", "Conflict", "7", "0x100000a2b"]


async def test_one_look_says_which_subtrees_are_pulled_together(
    api: KubeClient, kubectl: Kubectl, namespace: str
) -> None:
    await api.apply(CONFIG_SYNCS, namespace, {"metadata": {"name": "shop"}, "spec": several("/common", "/shop")})
    _, row = kubectl("get", "zksync", "-n", namespace).stdout.splitlines()
    name, paths, _ = row.split(maxsplit=2)
    assert name == "shop"
    assert [part["path"] for part in json.loads(paths)] == ["/common", "/shop"]


async def test_one_look_says_whether_there_is_a_backup_and_if_not_why(
    api: KubeClient, kubectl: Kubectl, namespace: str
) -> None:
    await api.apply(ZOOKEEPER_BACKUPS, namespace, backup())
    conditions = [condition("Complete", "False", "NoSyncedMember", "no member is synced; attempt 1 of 3")]
    status = {"zxid": "0x100000a2b", "znodes": 7, "storedBytes": 900, "conditions": conditions}
    await api.patch(ZOOKEEPER_BACKUPS, namespace, "main-1", {"status": status}, subresource="status")
    head, row = kubectl("get", "zkb", "-n", namespace).stdout.splitlines()
    assert head.split() == ["NAME", "CLUSTER", "STATE", "VERIFIED", "ZXID", "ZNODES", "SIZE", "AGE", "MESSAGE"]
    assert row.split()[:3] == ["main-1", "main", "NoSyncedMember"]
    assert row.endswith("no member is synced; attempt 1 of 3") and " 0x100000a2b " in row


async def test_every_kind_is_in_all(api: KubeClient, kubectl: Kubectl, namespace: str) -> None:
    await api.apply(ZOOKEEPER_CLUSTERS, namespace, cluster())
    await api.apply(CONFIG_SYNCS, namespace, sync())
    await api.apply(ZOOKEEPER_BACKUPS, namespace, backup())
    wanted = {
        "zookeepercluster.zkoperator.dev/main",
        "configsync.zkoperator.dev/shop",
        "zookeeperbackup.zkoperator.dev/main-1",
    }

    def listed() -> bool:
        kubectl("api-resources")  # asks the server again; `get all` is content with what kubectl has kept
        return wanted <= set(kubectl("get", "all", "-n", namespace, "-o", "name").stdout.split())

    await eventually(listed, within_s=60)


async def test_kubectl_scales_a_cluster_within_its_bounds(api: KubeClient, kubectl: Kubectl, namespace: str) -> None:
    await api.apply(ZOOKEEPER_CLUSTERS, namespace, cluster())
    kubectl("scale", "zk/main", "--replicas=5", "-n", namespace)
    stored = await api.get(ZOOKEEPER_CLUSTERS, namespace, "main")
    assert stored is not None
    assert stored["spec"]["replicas"] == 5
    refused = kubectl("scale", "zk/main", "--replicas=10", "-n", namespace, check=False)
    assert "less than or equal to 9" in refused.stderr


async def test_kubectl_waits_for_a_condition(api: KubeClient, kubectl: Kubectl, namespace: str) -> None:
    await api.apply(ZOOKEEPER_CLUSTERS, namespace, cluster())
    status = {"observedGeneration": 1, "conditions": [condition("Ready", "True", "InSync")]}
    await api.patch(ZOOKEEPER_CLUSTERS, namespace, "main", {"status": status}, subresource="status")
    kubectl("wait", "--for=condition=Ready", "zk/main", "-n", namespace, "--timeout=30s")


async def test_kubectl_explains_a_field(api: KubeClient, kubectl: Kubectl) -> None:
    """The API server offers a new kind to kubectl a moment after it has taken its definition."""
    await eventually(lambda: "Number of voters" in kubectl("explain", "zk.spec.replicas").stdout)
