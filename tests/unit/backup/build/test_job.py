"""What a backup Job is told, mounts and may do."""

import pytest

from tests.support.models.seeds import Seed, rewritten
from tests.support.worlds.backup_site import (
    BUCKET,
    IMAGE,
    NAMESPACE,
    BackupSite,
    cluster,
    order_of,
    site_with_job,
)
from zkoperator.backup.build import job as jobs
from zkoperator.backup.order import S3, BackupOrder, Folder
from zkoperator.kube.port import (
    SECRETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)


async def test_the_order_names_the_cluster_by_its_uid_and_the_last_backup_beside_it() -> None:
    site = BackupSite()
    uid = site.kube.peek(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")["metadata"]["uid"]  # type: ignore[index]
    site.create("first")
    await site.settle("first")
    made = site.create("second")
    while not site.jobs():
        await site.reconcile("second")
    order = order_of(site.jobs()[0])
    assert isinstance(order, BackupOrder)
    assert order.uid == made["metadata"]["uid"]
    assert order.directory == site.status("second")["directory"] == f"{NAMESPACE}/main/{uid}"
    assert order.previous == site.status("first")["location"]
    assert order.store == Folder("/backup/store")


async def test_a_backup_of_hosts_has_a_directory_of_its_own_and_the_credentials_that_it_names() -> None:
    site = BackupSite()
    made = site.create(clusterRef=None, hosts="a:2181,b:2181", credentialsSecret="them")
    while not site.jobs():
        await site.reconcile()
    order = order_of(site.jobs()[0])
    assert isinstance(order, BackupOrder)
    assert (order.source.hosts, order.source.cluster) == (("a:2181", "b:2181"), None)
    assert order.directory == f"{NAMESPACE}/main-1/{made['metadata']['uid']}"
    volumes = site.jobs()[0]["spec"]["template"]["spec"]["volumes"]
    assert [v["secret"]["secretName"] for v in volumes if "secret" in v] == ["them"]


async def test_a_bucket_is_written_with_the_credentials_and_the_authority_of_the_spec() -> None:
    site = BackupSite()
    site.create(storage={"s3": BUCKET})
    while not site.jobs():
        await site.reconcile()
    order = order_of(site.jobs()[0])
    assert isinstance(order, BackupOrder)
    where = {"credentials": "/backup/s3-credentials", "authority": "/backup/s3-authority/ca.crt"}
    named = {"endpoint": "https://s3.example", "region": "eu-1"}
    assert order.store == S3("copies", "zk", **named, server_side_encryption="aws:kms", kms_key_id="k", **where)
    pod = site.jobs()[0]["spec"]["template"]["spec"]
    mounted = {v["name"]: v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
    assert mounted == {"login": "main-zk-admin", "s3-credentials": "keys", "s3-authority": "s3-ca"}
    assert all(mount["readOnly"] for mount in pod["containers"][0]["volumeMounts"] if mount["name"] in mounted)


# Trust


def tls(authentication: str) -> Manifest:
    made = cluster(tls={"client": {"hosts": "main-zk-0:2281"}, "caBundle": "main-zk-ca"})
    made["spec"]["tls"] = {"client": {"authentication": authentication, "plaintext": "Refused"}}
    return made


async def _order_with_tls(authentication: str) -> tuple[BackupOrder, list[Manifest]]:
    site = BackupSite()
    site.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    site.kube.put(ZOOKEEPER_CLUSTERS, tls(authentication))
    site.create()
    while not site.jobs():
        await site.reconcile()
    order = order_of(site.jobs()[0])
    assert isinstance(order, BackupOrder)
    return order, site.jobs()[0]["spec"]["template"]["spec"]["volumes"]


async def test_a_cluster_with_tls_is_read_over_it() -> None:
    order, volumes = await _order_with_tls("None")
    assert order.source.hosts == ("main-zk-0:2281",)
    assert order.source.tls is not None
    assert (order.source.tls.authorities, order.source.tls.identity) == ("/backup/authorities/ca.crt", None)
    assert {"name": "main-zk-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]} in [
        v.get("configMap") for v in volumes
    ]


async def test_of_the_secret_with_the_keys_of_the_authority_the_job_sees_the_certificate_alone() -> None:
    order, volumes = await _order_with_tls("Required")
    assert order.source.tls is not None
    assert order.source.tls.identity == "/backup/identity/operator.pem"
    (mounted,) = [v["secret"] for v in volumes if v["name"] == "identity"]
    assert (mounted["secretName"], mounted["items"]) == (
        "main-zk-ca",
        [{"key": "operator.pem", "path": "operator.pem"}],
    )


async def _job() -> Manifest:
    site = BackupSite()
    site.create()
    while not site.jobs():
        await site.reconcile()
    return site.jobs()[0]


async def test_the_job_has_no_rights_in_kubernetes_and_is_restricted() -> None:
    pod = (await _job())["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    assert (
        pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    )
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert [v["emptyDir"]["sizeLimit"] for v in pod["volumes"] if "emptyDir" in v] == ["20Gi"]


async def test_the_job_runs_the_operator_s_own_image_once_and_ends_in_time() -> None:
    job = await _job()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["args"]) == (IMAGE, ["backup-job"])
    assert (job["spec"]["backoffLimit"], job["spec"]["template"]["spec"]["restartPolicy"]) == (0, "Never")
    order = order_of(job)
    assert 0 < order.deadline_s < job["spec"]["activeDeadlineSeconds"]


async def test_no_service_or_budget_of_the_ensemble_selects_the_pod() -> None:
    labels = (await _job())["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] != "zookeeper"
    assert "app.kubernetes.io/instance" not in labels


async def test_no_secret_is_read_for_the_job() -> None:
    assert SECRETS not in [operation.resource for operation in (await site_with_job()).kube.operations]


SEEDS = (
    Seed(
        "the directory has the uid of the cluster",
        rewritten(jobs, "directory", "cluster.name, cluster.uid", 'cluster.name, ""'),
        (test_the_order_names_the_cluster_by_its_uid_and_the_last_backup_beside_it,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
