"""A real API server takes the CRDs, judges objects as the operator does, and shows them at a summary."""

import asyncio
import json
import random
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from testbed.api import ApiServer
from tests.support.machines.api_client import ApiClient
from tests.support.models.bad import Bad
from tests.support.models.bad_objects import BAD_OBJECTS
from tests.support.models.documents import objects_in
from tests.support.waiting import eventually
from tests.support.worlds.kube_contract import client_of
from zkoperator.api.backup import ZooKeeperBackup
from zkoperator.api.backup_schedule import ZooKeeperBackupSchedule
from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.meta import Model
from zkoperator.api.parse import parse, parse_strict
from zkoperator.api.sync import ConfigSync
from zkoperator.api.znode import ZNode
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import (
    CONFIG_SYNCS,
    ZNODES,
    ZOOKEEPER_BACKUP_SCHEDULES,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
    Resource,
)

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
RESOURCES: dict[str, tuple[Resource, type[Model]]] = {
    "ZooKeeperCluster": (ZOOKEEPER_CLUSTERS, ZooKeeperCluster),
    "ConfigSync": (CONFIG_SYNCS, ConfigSync),
    "ZooKeeperBackup": (ZOOKEEPER_BACKUPS, ZooKeeperBackup),
    "ZooKeeperBackupSchedule": (ZOOKEEPER_BACKUP_SCHEDULES, ZooKeeperBackupSchedule),
    "ZNode": (ZNODES, ZNode),
}

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def kubectl(api_server: ApiServer) -> Kubectl:
    """kubectl of the same server, with our CRDs applied as users apply them."""

    def run(*arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(api_server.kubectl), f"--kubeconfig={api_server.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done

    run("apply", "-f", str(ROOT / "crds"))
    run("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    return run


@pytest.fixture
async def api(api_server: ApiServer, kubectl: Kubectl) -> AsyncIterator[KubeClient]:
    async with client_of(api_server) as client:
        yield client


@pytest.fixture
async def user(api_server: ApiServer, kubectl: Kubectl) -> AsyncIterator[ApiClient]:
    """Somebody who writes objects, without any code of the operator."""
    async with ApiClient(api_server.kubeconfig) as client:
        yield client


def cluster(name: str = "main", **spec: Any) -> Manifest:
    return {"metadata": {"name": name}, "spec": spec}


def sync(name: str = "shop", **spec: Any) -> Manifest:
    return {"metadata": {"name": name}, "spec": {"zookeeper": {"clusterRef": {"name": "a"}, "path": "/a"}, **spec}}


def several(*paths: str) -> dict[str, Any]:
    """The fields that differ in a ConfigSync of several subtrees."""
    sources = [{"path": path} for path in paths]
    side = {"clusterRef": {"name": "a"}, "sources": sources}
    return {"zookeeper": side, "direction": "ZooKeeperToConfigMap"}


def backup(name: str = "main-1", **spec: Any) -> Manifest:
    storage = {"persistentVolumeClaim": {"claimName": "backups"}}
    return {"metadata": {"name": name}, "spec": {"clusterRef": {"name": "main"}, "storage": storage, **spec}}


def schedule(name: str = "hourly", **spec: Any) -> Manifest:
    template = {"storage": {"persistentVolumeClaim": {"claimName": "backups"}}}
    source = {} if "hosts" in spec else {"clusterRef": {"name": "main"}}
    return {"metadata": {"name": name}, "spec": {**source, "schedule": "0 * * * *", "template": template, **spec}}


async def refusal(user: ApiClient, kind: str, namespace: str, manifest: Manifest) -> list[FieldError]:
    """What the server says to somebody who creates the object; empty when it takes it."""
    resource = RESOURCES[kind][0]
    path = f"/apis/{resource.api_version}/namespaces/{namespace}/{resource.plural}?dryRun=All"
    body = {"apiVersion": resource.api_version, "kind": kind, **manifest}
    try:
        await user.create(path, body)
    except aiohttp.ClientResponseError as error:
        if error.status != 422:
            raise
        causes = json.loads(error.message)["details"]["causes"]
        return [FieldError(cause.get("field", ""), cause["message"]) for cause in causes]
    return []


async def test_the_server_takes_the_definitions_as_structural(kubectl: Kubectl) -> None:
    listed = yaml.safe_load(kubectl("get", "crd", "-l", "app.kubernetes.io/name=zkoperator", "-o", "yaml").stdout)
    conditions = {c["type"]: c["status"] for item in listed["items"] for c in item["status"]["conditions"]}
    assert len(listed["items"]) == len(RESOURCES)
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("bad", BAD_OBJECTS, ids=str)
async def test_the_server_refuses_a_bad_object_with_the_field_and_the_fix(bad: Bad, user: ApiClient) -> None:
    errors = await refusal(user, bad.kind, "default", bad.manifest)
    field, says = bad.server_field or bad.field, bad.server_says or bad.says
    assert [e for e in errors if field.strip() in e.path and says in e.message], errors


JSON = {"type": "Json", "key": "a"}
CHANGES: tuple[tuple[Resource, Manifest, dict[str, Any], str, str], ...] = (
    (ZOOKEEPER_CLUSTERS, cluster(), {"storage": {"type": "Ephemeral"}}, "spec.storage.type", "without their data"),
    (ZOOKEEPER_CLUSTERS, cluster(), {"storage": {"size": "9Gi"}}, "spec.storage.size", "volumes do not shrink"),
    (
        ZOOKEEPER_CLUSTERS,
        cluster(storage={"storageClassName": "a"}),
        {"storage": {"storageClassName": None}},
        "spec.storage.storageClassName",
        "write the name of a class",
    ),
    (
        ZOOKEEPER_CLUSTERS,
        cluster(),
        {"bootstrap": {"fromBackup": {"name": "a"}}},
        "spec.bootstrap",
        "zkoperator.dev/restore=<backup>@<incarnation>",
    ),
    (
        ZOOKEEPER_CLUSTERS,
        cluster(bootstrap={"fromBackup": {"name": "a"}}),
        {"bootstrap": {"fromBackup": {"name": "b"}}},
        "spec.bootstrap",
        "how the ensemble began",
    ),
    (CONFIG_SYNCS, sync(), {"zookeeper": {"path": "/b"}}, "spec.zookeeper.path", "create another ConfigSync"),
    (
        CONFIG_SYNCS,
        sync(direction="ZooKeeperToConfigMap"),
        {"zookeeper": {"path": None, "sources": [{"path": "/a"}]}},
        "spec.zookeeper.path",
        "into sources, or back",
    ),
    (
        CONFIG_SYNCS,
        sync(**several("/a")),
        {"zookeeper": {"path": "/a", "sources": None}},
        "spec.zookeeper.path",
        "into sources, or back",
    ),
    (ZOOKEEPER_BACKUPS, backup(), {"deletionPolicy": "Retain"}, "spec", "create another ZooKeeperBackup"),
    (ZOOKEEPER_BACKUPS, backup(), {"verification": "None"}, "spec", "create another ZooKeeperBackup"),
    (ZOOKEEPER_BACKUP_SCHEDULES, schedule(), {"clusterRef": {"name": "b"}}, "spec", "cannot be changed"),
    (ZOOKEEPER_BACKUP_SCHEDULES, schedule(hosts="a:2181"), {"hosts": "b:2181"}, "spec", "cannot be changed"),
    (ZOOKEEPER_BACKUP_SCHEDULES, schedule(), {"clusterRef": None, "hosts": "b"}, "spec", "cannot be changed"),
    (CONFIG_SYNCS, sync(), {"configMap": {"name": "other"}}, "spec.configMap.name", "create another ConfigSync"),
    (CONFIG_SYNCS, sync(), {"format": {"type": "Yaml", "key": "a"}}, "spec.format", "create another ConfigSync"),
    (CONFIG_SYNCS, sync(format=JSON), {"format": None}, "spec.format", "create another ConfigSync"),
    (CONFIG_SYNCS, sync(format=JSON), {"format": {"key": "b"}}, "spec.format", "create another ConfigSync"),
    (CONFIG_SYNCS, sync(format=JSON), {"keys": {"separator": "."}}, "spec.keys.separator", "with format Json or Yaml"),
    (
        CONFIG_SYNCS,
        sync(configMap={"name": "other"}),
        {"configMap": {"name": None}},
        "spec.configMap.name",
        "create another",
    ),
)


@pytest.mark.parametrize(("resource", "before", "change", "field", "says"), CHANGES)
async def test_what_cannot_be_changed_says_why_and_what_to_do_instead(
    resource: Resource,
    before: Manifest,
    change: dict[str, Any],
    field: str,
    says: str,
    api: KubeClient,
    namespace: str,
) -> None:
    await api.apply(resource, namespace, before)
    with pytest.raises(InvalidError) as caught:
        await api.patch(resource, namespace, before["metadata"]["name"], {"spec": change})
    assert [e for e in caught.value.errors if e.path == field and says in e.message], caught.value.errors


@pytest.mark.parametrize(
    ("resource", "before", "change"),
    [
        (ZOOKEEPER_CLUSTERS, cluster(), {"replicas": 5, "image": "zookeeper:3.9.4", "paused": True}),
        (ZOOKEEPER_CLUSTERS, cluster(), {"storage": {"retention": {"whenScaled": "Delete"}}}),
        (ZOOKEEPER_CLUSTERS, cluster(), {"storage": {"size": "10.5Gi"}}),
        (ZOOKEEPER_CLUSTERS, cluster(), {"storage": {"storageClassName": "a"}}),
        (ZOOKEEPER_CLUSTERS, cluster(storage={"storageClassName": "a"}), {"storage": {"storageClassName": "b"}}),
        (CONFIG_SYNCS, sync(), {"zookeeper": {"clusterRef": None, "hosts": "a:2181"}}),
        (CONFIG_SYNCS, sync(**several("/a", "/b")), {"zookeeper": {"sources": [{"path": "/b", "prefix": "b."}]}}),
        (CONFIG_SYNCS, sync(), {"direction": "ZooKeeperToConfigMap", "keys": {"ephemerals": "Include"}}),
        (CONFIG_SYNCS, sync(), {"configMap": {"name": "shop"}}),
        (CONFIG_SYNCS, sync(format={**JSON, "type": "Dotenv"}), {"keys": {"separator": "."}}),
        (ZOOKEEPER_BACKUP_SCHEDULES, schedule(), {"schedule": "0 3 * * SUN", "retention": {"last": 1}}),
        (ZOOKEEPER_BACKUP_SCHEDULES, schedule(hosts="a:2181"), {"template": {"verification": "None"}}),
    ],
)
async def test_what_can_be_changed_is_changed(
    resource: Resource, before: Manifest, change: dict[str, Any], api: KubeClient, namespace: str
) -> None:
    await api.apply(resource, namespace, before)
    changed = await api.patch(resource, namespace, before["metadata"]["name"], {"spec": change})
    assert changed is not None
    assert changed["metadata"]["generation"] == 2 or change == {"configMap": {"name": "shop"}}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_works_as_it_is(sample: Path, kubectl: Kubectl, namespace: str) -> None:
    """What becomes of it on a whole cluster is in tests/e2e/test_samples.py."""
    kubectl("apply", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", str(sample))
    for document in objects_in(sample):
        if document["kind"] in RESOURCES:
            model = RESOURCES[document["kind"]][1]
            assert isinstance(parse_strict(model, document), model)


async def test_the_server_fills_in_the_defaults_that_the_operator_has(api: KubeClient, namespace: str) -> None:
    for resource, model, manifest in (
        (ZOOKEEPER_CLUSTERS, ZooKeeperCluster, cluster()),
        (CONFIG_SYNCS, ConfigSync, sync()),
        (ZOOKEEPER_BACKUPS, ZooKeeperBackup, backup()),
        (ZOOKEEPER_BACKUP_SCHEDULES, ZooKeeperBackupSchedule, schedule()),
    ):
        stored = await api.apply(resource, namespace, manifest)
        filled, ours = parse(model, stored), parse(model, manifest)
        assert isinstance(filled, model) and isinstance(ours, model)
        assert vars(filled)["spec"] == vars(ours)["spec"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [({"replica": 3}, "spec.replica"), ({"pod": {"affinity": {"host": 1}}}, "spec.pod.affinity.host")],
)
def test_a_typo_is_named_by_kubectl(spec: dict[str, Any], field: str, kubectl: Kubectl, namespace: str) -> None:
    manifest = {**cluster(**spec), "apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster"}
    done = kubectl("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest), check=False)
    assert (done.returncode != 0, f'unknown field "{field}"' in done.stderr) == (True, True), done.stderr


async def test_what_is_nested_without_end_is_not_stored(api: KubeClient, user: ApiClient, namespace: str) -> None:
    """One such object would otherwise hide those of all namespaces from the operator."""
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"a": deep}
    constraint = {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": deep}
    pod = {"affinity": {"podAffinity": deep}, "topologySpreadConstraints": [constraint]}
    manifest = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **cluster(pod=pod)}
    await user.create(f"/apis/{ZOOKEEPER_CLUSTERS.api_version}/namespaces/{namespace}/zookeeperclusters", manifest)
    stored = await api.get(ZOOKEEPER_CLUSTERS, namespace, "main")
    assert stored is not None
    assert stored["spec"]["pod"]["affinity"] == {"podAffinity": {}}
    assert stored["spec"]["pod"]["topologySpreadConstraints"] == [{**constraint, "labelSelector": {}}]


TEXTS = "ab/.-_:,0 9\t\n'\"\\é*"


async def test_the_server_and_the_operator_agree_on_any_text(user: ApiClient) -> None:
    """The rules are written once and executed by two engines: the verdicts on random texts must be the same."""
    seed = random.Random(20261122)

    def text() -> str:
        return "".join(seed.choices(TEXTS, k=seed.randint(1, 9)))

    manifests: list[tuple[str, Manifest]] = []
    for _ in range(60):
        source = {"hosts": "zk" + text(), "path": "/" + text()}
        manifests.append(("ConfigSync", sync(zookeeper=source, keys={"include": [text()]})))
        manifests.append(("ConfigSync", sync(zookeeper={**source, "hosts": "a:1"}, configMap={"name": text()})))
        manifests.append(("ConfigSync", sync(zookeeper={"hosts": "a:1", "path": "/a" + text()})))
        key = seed.choice(["tickTime", "snapCount", "leaderServes", "autopurge.purgeInterval", "server.1", text()])
        value = seed.choice(["yes", "2000", str(seed.randint(-9, 99999)), text()])
        manifests.append(("ZooKeeperCluster", cluster(config={key: value})))
        flag = seed.choice(["-Xss", "-Xmx", "-XX:G1", "-Xlog:gc", "-D", ""]) + text()
        manifests.append(
            ("ZooKeeperCluster", cluster(jvm={"flags": [flag]}, image="z" + text(), storage={"size": text()}))
        )
        manifests.append(("ZooKeeperCluster", cluster(image="z" + text(), resources={"limits": {"cpu": text()}})))
    refusals = await asyncio.gather(*(refusal(user, kind, "default", manifest) for kind, manifest in manifests))
    verdicts = [errors == [] for errors in refusals]
    ours = [isinstance(parse(RESOURCES[kind][1], manifest), RESOURCES[kind][1]) for kind, manifest in manifests]
    disagreed = [
        m["spec"] for (_, m), server, operator in zip(manifests, verdicts, ours, strict=True) if server != operator
    ]
    assert disagreed == []
    assert 20 < sum(ours) < len(ours) - 20, "the texts must try both verdicts"


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    since = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


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
    names = set(kubectl("get", "all", "-n", namespace, "-o", "name").stdout.split())
    assert {"zookeepercluster.zkoperator.dev/main", "configsync.zkoperator.dev/shop"} <= names
    assert "zookeeperbackup.zkoperator.dev/main-1" in names


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
