"""A real API server takes the CRDs, and judges objects as the operator does."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from testbed.api import ApiServer
from tests.support.machines.api_client import ApiClient
from tests.support.machines.kubectl import Kubectl, with_our_kinds
from tests.support.models.bad import Bad
from tests.support.models.bad_objects import BAD_OBJECTS
from tests.support.models.documents import objects_in
from tests.support.models.least_objects import backup, cluster, schedule, several, sync
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


@pytest.fixture(scope="module")
def kubectl(api_server: ApiServer) -> Kubectl:
    return with_our_kinds(api_server)


@pytest.fixture
async def api(api_server: ApiServer, kubectl: Kubectl) -> AsyncIterator[KubeClient]:
    async with client_of(api_server) as client:
        yield client


@pytest.fixture
async def user(api_server: ApiServer, kubectl: Kubectl) -> AsyncIterator[ApiClient]:
    """Somebody who writes objects, without any code of the operator."""
    async with ApiClient(api_server.kubeconfig) as client:
        yield client


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
        cluster(storage={"volumeAttributesClassName": "a"}),
        {"storage": {"volumeAttributesClassName": None}},
        "spec.storage.volumeAttributesClassName",
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
