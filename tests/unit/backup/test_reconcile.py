"""A ZooKeeperBackup from its creation to its end, against an API server and a Job controller in memory."""

from typing import Any

import pytest

from tests.support.models.seeds import Seed, rewritten
from tests.support.worlds.backup_site import (
    CLAIM,
    FAILED,
    NAMESPACE,
    BackupSite,
    cluster,
)
from zkoperator.backup.order import Reason
from zkoperator.backup.plan import plan
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import (
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_CLUSTERS,
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


async def test_a_spec_that_an_older_definition_let_through_is_refused_with_its_errors() -> None:
    site = BackupSite()
    site.create(hosts="a:2181")
    await site.settle()
    assert site.condition("Failed")[:2] == ("True", "InvalidSpec")
    assert "spec: write exactly one of clusterRef" in site.condition("Failed")[2]
    assert site.jobs() == []


SEEDS = (
    Seed(
        "a cluster that was made anew is another one",
        rewritten(plan, "_with_needs", 'not in ("", place)', "is None"),
        (test_a_cluster_that_was_made_anew_is_not_taken_for_the_one_of_the_backup,),
    ),
    Seed(
        "the Job of a complete backup goes when the status has its result",
        rewritten(plan, "_tidy", "Plan(RemoveJob(job.name, job.uid), look_again_s=POLL_S)", "Plan()"),
        (test_the_job_of_a_complete_backup_is_deleted_and_that_of_a_failed_one_stays_for_its_log,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
