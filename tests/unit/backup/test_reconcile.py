"""A ZooKeeperBackup from its creation to its end, against an API server and a Job controller in memory."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.worlds.backup_site import (
    CLAIM,
    FAILED,
    IMAGE,
    NAMESPACE,
    BackupSite,
    cluster,
    order_of,
)
from zkoperator.api.reasons import BACKUP_GIVEN_UP, BackupReason
from zkoperator.backup.order import S3, BackupOrder, DeleteOrder, Folder, Reason
from zkoperator.backup.plan.plan import MAX_ATTEMPTS
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import (
    EVENTS,
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)


async def test_a_backup_is_taken_by_a_job_and_its_facts_are_told() -> None:
    site = BackupSite()
    made = site.create()
    await site.settle()
    status = site.status()
    assert [site.condition(kind)[:2] for kind in ("Complete", "Verified", "Failed")] == [
        ("True", "Complete"),
        ("True", "Verified"),
        ("False", "NotFailed"),
    ]
    assert (status["zxid"], status["znodes"], status["storedBytes"]) == ("0x10000002a", 30, 1024)
    assert status["location"] == site.storage.locations[made["metadata"]["uid"]]
    assert site.condition("Reconciling")[0] == site.condition("Stalled")[0] == "False"
    assert status["observedGeneration"] == 1


async def test_what_the_copy_does_not_keep_is_in_the_status() -> None:
    site = BackupSite()
    site.create()
    await site.settle()
    assert (site.status()["typesKept"], site.status()["ephemeralsLeftOut"]) == (False, 2)


async def test_without_verification_nothing_says_that_the_data_is_sound() -> None:
    site = BackupSite()
    site.create(verification="None")
    await site.settle()
    assert site.condition("Complete")[0] == "True"
    assert site.condition("Verified") == ("False", "NotVerified", "spec.verification is None")


async def test_the_job_of_a_complete_backup_is_deleted_and_that_of_a_failed_one_stays_for_its_log() -> None:
    site = BackupSite()
    site.create("good")
    await site.settle("good")
    site.answers = [FAILED[Reason.STORAGE_FULL]]
    site.create("bad")
    await site.settle("bad")
    assert [job["metadata"]["name"] for job in site.jobs()] == ["bad-take1"]
    assert (site.status("good").get("job", ""), site.status("bad")["job"]) == ("", "bad-take1")


async def test_a_complete_backup_costs_one_read_a_pass() -> None:
    site = BackupSite()
    site.create()
    await site.settle()
    site.kube.operations.clear()
    assert await site.reconcile() == float("inf")
    assert [operation.verb for operation in site.kube.operations] == ["get"]


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


async def test_a_cluster_that_was_made_anew_is_not_taken_for_the_one_of_the_backup() -> None:
    site = BackupSite()
    site.create()
    site.answers = [FAILED[Reason.UNREACHABLE]]
    await site.settle(seconds=20)
    place = site.status()["directory"]
    site.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    site.kube.put(ZOOKEEPER_CLUSTERS, cluster())
    await site.settle(seconds=120)
    assert site.storage.locations == {}
    assert site.condition("Complete")[1] == "ClusterNotFound"
    assert "made anew" in site.condition("Complete")[2]
    assert site.status()["directory"] == place


BUCKET = {
    "bucket": "copies",
    "prefix": "zk",
    "endpoint": "https://s3.example",
    "region": "eu-1",
    "credentialsSecret": "keys",
    "caSecret": "s3-ca",
    "serverSideEncryption": "aws:kms",
    "kmsKeyId": "k",
}


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


async def test_data_in_a_bucket_is_deleted_with_the_same_credentials() -> None:
    site = BackupSite()
    site.create(storage={"s3": BUCKET})
    await site.settle()
    site.delete()
    while not site.jobs():
        await site.reconcile()
    volumes = site.jobs()[0]["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["s3-credentials", "s3-authority", "scratch"]
    await site.settle()
    assert site.object() is None and site.storage.locations == {}


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


# The Job


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
    assert SECRETS not in [operation.resource for operation in (await _site_with_job()).kube.operations]


async def _site_with_job() -> BackupSite:
    site = BackupSite()
    site.create()
    while not site.jobs():
        await site.reconcile()
    return site


# What is missing


@pytest.mark.parametrize(
    ("resource", "name", "reason"),
    [
        (ZOOKEEPER_CLUSTERS, "main", "ClusterNotFound"),
        (PERSISTENT_VOLUME_CLAIMS, CLAIM, "ClaimNotFound"),
    ],
)
async def test_what_is_missing_is_named_and_waited_for(resource: Any, name: str, reason: str) -> None:
    site = BackupSite()
    kept = site.kube.peek(resource, NAMESPACE, name)
    assert kept is not None
    site.kube.remove(resource, NAMESPACE, name)
    site.create()
    await site.settle(seconds=60)
    status, why, message = site.condition("Complete")
    assert (status, why) == ("False", reason) and name in message
    assert site.condition("Reconciling")[0] == "True" and site.condition("Failed")[0] == "False"
    assert site.jobs() == []
    site.kube.put(
        resource, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {}, "status": kept.get("status", {})}
    )
    await site.settle()
    assert site.condition("Complete")[0] == "True"


async def test_a_cluster_without_members_is_waited_for() -> None:
    site = BackupSite()
    site.kube.edit(ZOOKEEPER_CLUSTERS, NAMESPACE, "main", {"status": {"hosts": ""}}, subresource="status")
    site.create()
    await site.settle(seconds=40)
    assert site.condition("Complete")[1] == "ClusterNotReady"
    assert site.jobs() == []


async def test_an_image_that_is_not_known_is_asked_for() -> None:
    site = BackupSite()
    for pod in site.kube.every(PODS):
        site.kube.remove(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
    site.create()
    await site.settle(seconds=40)
    assert site.condition("Complete")[1] == "ImageUnknown" and "--backup-image" in site.condition("Complete")[2]
    assert site.condition("Stalled")[0] == "True"


async def test_missing_rights_for_jobs_are_told_with_what_to_install() -> None:
    site = BackupSite()

    def refuse(operation: Any) -> None:
        if operation.resource == JOBS:
            raise ForbiddenError('may not get jobs.batch: User "x" cannot get resource "jobs" in API group "batch"')

    site.kube.before = refuse
    site.create()
    await site.settle(seconds=60)
    assert site.condition("Complete")[1] == "Forbidden"
    assert "manifests/backup" in site.condition("Complete")[2] and "backup.enabled" in site.condition("Complete")[2]
    assert site.condition("Stalled")[0] == "True"
    site.kube.before = lambda _: None
    await site.settle()
    assert site.condition("Complete")[0] == "True"


async def test_a_job_that_gets_no_pod_is_told_with_the_words_of_its_controller() -> None:
    site = await _site_with_job()
    job = site.jobs()[0]
    site.kube.put(EVENTS, warning(job, "Job", "FailedCreate", "pods is forbidden: exceeded quota: pods=10"))
    await site.reconcile()
    assert site.condition("Complete")[1] == "JobNotStarted"
    assert "FailedCreate: pods is forbidden: exceeded quota" in site.condition("Complete")[2]


async def test_a_pod_that_cannot_be_scheduled_or_mounted_is_told_with_the_words_of_the_scheduler_or_kubelet() -> None:
    site = await _site_with_job()
    site.starts_pods = False
    site.run_jobs()
    pod = site.pod_of(site.jobs()[0])
    assert pod is not None
    name = pod["metadata"]["name"]
    site.kube.put(EVENTS, warning(pod, "Pod", "FailedMount", 'secret "main-zk-admin" not found'))
    await site.reconcile()
    assert 'FailedMount: secret "main-zk-admin" not found' in site.condition("Complete")[2]
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    status: Manifest = {"conditions": [unscheduled], "containerStatuses": []}
    site.kube.edit(PODS, NAMESPACE, name, {"status": status}, subresource="status")
    await site.reconcile()
    assert "Unschedulable: 0/3 nodes" in site.condition("Complete")[2]
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    status = {"conditions": [], "containerStatuses": [{"name": "backup", "state": waiting}]}
    site.kube.edit(PODS, NAMESPACE, name, {"status": status}, subresource="status")
    await site.reconcile()
    assert "ErrImagePull: no such image" in site.condition("Complete")[2]


def warning(about: Manifest, kind: str, reason: str, note: str) -> Manifest:
    meta = about["metadata"]
    return {
        "metadata": {"name": f"{meta['name']}.{reason}".lower(), "namespace": NAMESPACE},
        "regarding": {"kind": kind, "name": meta["name"], "uid": meta["uid"]},
        "type": "Warning",
        "reason": reason,
        "note": note,
        "eventTime": "2026-11-30T12:00:00.000000Z",
    }


# Failures


@pytest.mark.parametrize("reason", Reason)
async def test_a_failure_is_told_with_its_reason_and_given_up_only_when_no_job_would_do_better(reason: Reason) -> None:
    site = BackupSite()
    site.answers = [FAILED[reason]]
    site.create()
    await site.settle()
    if BackupReason(reason.value) in BACKUP_GIVEN_UP:
        assert site.condition("Failed")[:2] == ("True", reason.value)
        assert f"words about {reason}" in site.condition("Failed")[2]
        assert site.condition("Stalled")[:2] == ("True", reason.value)
        assert site.storage.locations == {}
    else:
        assert site.condition("Complete")[0] == "True"
        assert site.status()["attempts"] == 2


async def test_a_backup_that_keeps_failing_is_given_up_after_some_attempts() -> None:
    site = BackupSite()
    site.answers = [FAILED[Reason.UNREACHABLE]] * 10
    site.create()
    await site.settle()
    assert site.condition("Failed")[:2] == ("True", "Unreachable")
    assert site.status()["attempts"] == MAX_ATTEMPTS == 10 - len(site.answers)
    jobs = len(site.jobs())
    site.start()
    await site.settle()
    assert len(site.jobs()) == jobs


async def test_between_two_attempts_the_status_says_when_the_next_one_is() -> None:
    site = BackupSite()
    site.answers = [FAILED[Reason.NO_SYNCED_MEMBER]]
    site.create()
    await site.settle(seconds=10)
    assert site.condition("Complete")[:2] == ("False", "NoSyncedMember")
    assert "attempt 1 of 3, the next at 12:00:" in site.condition("Complete")[2]
    assert site.condition("Failed")[0] == "False" and site.condition("Reconciling")[0] == "True"
    assert site.status()["retryAt"].startswith("2026-11-30T12:00:")


async def test_a_clock_that_was_set_back_holds_no_attempt() -> None:
    site = BackupSite()
    site.answers = [FAILED[Reason.UNREACHABLE]]
    site.create()
    await site.settle(seconds=10)
    site.wall -= timedelta(days=30)
    await site.settle(seconds=30)
    assert site.condition("Complete")[0] == "True"


@pytest.mark.parametrize(
    ("end", "reason", "words"),
    [
        ({"reason": "DeadlineExceeded"}, "DeadlineExceeded", "deadline"),
        ({"exitCode": 137}, "JobLost", "exit code 137"),
    ],
)
async def test_a_container_that_leaves_no_result_is_told_by_how_it_ended(
    end: dict[str, Any], reason: str, words: str
) -> None:
    site = await _site_with_job()
    site.run_jobs()
    site.finish("main-1-take1", None, **end)
    await site.reconcile()
    assert site.condition("Complete")[1] == reason
    assert words in site.condition("Complete")[2]


async def test_a_result_that_went_with_its_pod_is_asked_for_again_and_stored_once() -> None:
    site = await _site_with_job()
    site.run_jobs()
    site.run_jobs()
    site.kube.remove(PODS, NAMESPACE, "main-1-take1-abcde")
    await site.reconcile()
    assert site.condition("Complete")[1] == "JobLost"
    await site.settle()
    assert site.condition("Complete")[0] == "True"
    assert len(site.storage.locations) == 1


async def test_the_job_of_an_earlier_backup_of_the_name_is_not_taken_for_ours() -> None:
    site = await _site_with_job()
    site.run_jobs()
    site.run_jobs()
    site.kube.edit(ZOOKEEPER_BACKUPS, NAMESPACE, "main-1", {"metadata": {"finalizers": []}})
    site.delete()
    site.create()
    site.kube.edit(PERSISTENT_VOLUME_CLAIMS, NAMESPACE, CLAIM, {"metadata": {"labels": {"a": "b"}}})
    for _ in range(5):
        await site.reconcile()
    assert site.condition("Complete")[:2] == ("False", "JobNotStarted")
    assert "belongs to another object" in site.condition("Complete")[2]
    await site.settle()  # the garbage collector deletes it
    assert site.condition("Complete")[0] == "True"


async def test_a_spec_that_an_older_definition_let_through_is_refused_with_its_errors() -> None:
    site = BackupSite()
    site.create(hosts="a:2181")
    await site.settle()
    assert site.condition("Failed")[:2] == ("True", "InvalidSpec")
    assert "spec: write exactly one of clusterRef" in site.condition("Failed")[2]
    assert site.jobs() == []


# The end


async def test_with_the_object_goes_its_data() -> None:
    site = BackupSite()
    site.create()
    await site.settle()
    assert len(site.storage.locations) == 1
    site.delete()
    await site.settle()
    assert site.object() is None and site.storage.locations == {}


async def test_data_that_is_to_be_retained_stays_and_holds_no_object() -> None:
    site = BackupSite()
    site.create(deletionPolicy="Retain")
    await site.settle()
    assert "finalizers" not in site.object()["metadata"]  # type: ignore[index]
    site.delete()
    assert site.object() is None and len(site.storage.locations) == 1


async def test_a_backup_that_is_deleted_while_it_is_taken_leaves_nothing_behind() -> None:
    site = await _site_with_job()
    site.run_jobs()
    site.delete()
    await site.reconcile()
    assert [job["metadata"]["name"] for job in site.jobs()] == []
    await site.reconcile()
    assert site.jobs() == [], "the pod that takes it has not ended yet"
    assert "has to end first" in site.condition("Complete")[2]
    await site.settle()
    assert site.object() is None and site.storage.locations == {}


async def test_a_storage_that_does_not_answer_holds_the_object_and_says_how_to_let_go() -> None:
    site = BackupSite()
    site.create()
    await site.settle()
    site.deletions = [FAILED[Reason.UNREACHABLE]] * 3
    site.delete()
    await site.settle(seconds=60)
    assert site.condition("Complete")[:2] == ("False", "DeletionFailed")
    assert "words about Unreachable" in site.condition("Complete")[2]
    command = """kubectl patch zookeeperbackup main-1 --type=merge -p '{"metadata":{"finalizers":null}}'"""
    assert command in site.condition("Complete")[2]
    await site.settle()
    assert site.object() is None and site.storage.locations == {}


async def test_without_the_rights_for_jobs_a_deletion_says_how_to_let_go() -> None:
    site = BackupSite()
    site.create()
    await site.settle()

    def refuse(operation: Any) -> None:
        if operation.resource == JOBS:
            raise ForbiddenError('may not get jobs.batch: User "x" cannot get resource "jobs" in API group "batch"')

    site.kube.before = refuse
    site.delete()
    await site.settle(seconds=60)
    assert "manifests/backup" in site.condition("Complete")[2] and "to let go" in site.condition("Complete")[2]


async def test_when_the_claim_is_gone_so_is_the_data_and_nothing_holds_the_object() -> None:
    site = BackupSite()
    site.create()
    await site.settle()
    site.kube.remove(PERSISTENT_VOLUME_CLAIMS, NAMESPACE, CLAIM)
    site.delete()
    await site.settle()
    assert site.object() is None


async def test_a_namespace_that_is_being_deleted_is_not_held() -> None:
    site = BackupSite()
    site.create()
    await site.settle()
    site.kube.terminating.add(NAMESPACE)
    site.delete()
    await site.settle()
    assert site.object() is None
    assert len(site.storage.locations) == 1


async def test_a_backup_that_never_had_a_job_goes_at_once() -> None:
    site = BackupSite()
    site.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    site.create()
    await site.settle(seconds=40)
    site.delete()
    await site.settle()
    assert site.object() is None and site.jobs() == []


async def test_the_job_that_deletes_needs_neither_ensemble_nor_credentials() -> None:
    site = BackupSite()
    site.create()
    await site.settle()
    site.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    site.delete()
    while not site.jobs():
        await site.reconcile()
    order = order_of(site.jobs()[0])
    assert isinstance(order, DeleteOrder)
    assert order.directory == site.status()["directory"]
    volumes = site.jobs()[0]["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["store", "scratch"]


async def test_pods_of_an_earlier_job_tell_nothing_of_this_one() -> None:
    site = BackupSite()
    site.answers = [FAILED[Reason.UNREACHABLE]]
    site.create()
    await site.settle(seconds=10)
    while len(site.jobs()) < 2:
        site.wall += timedelta(seconds=await site.reconcile())
    assert site.pod_of(site.jobs()[1]) is None
    await site.reconcile()
    assert "take2 is starting" in site.condition("Complete")[2]
