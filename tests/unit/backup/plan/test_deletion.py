"""With the object of a backup goes its data, and nothing holds an object whose data cannot be deleted for ever."""

from typing import Any

import pytest

from tests.support.models.backup_seeds import entry
from tests.support.models.seeds import Seed, rewritten
from tests.support.worlds.backup_site import (
    BUCKET,
    CLAIM,
    FAILED,
    NAMESPACE,
    BackupSite,
    order_of,
    site_with_job,
)
from zkoperator.backup.order import DeleteOrder, Reason
from zkoperator.backup.plan import deletion, plan
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import (
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    ZOOKEEPER_CLUSTERS,
)


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
    site = await site_with_job()
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


SEEDS = (
    Seed(
        "the finalizer is there before there is a Job",
        rewritten(plan, "_next_job", "if backup.deletes_data and not backup.has_finalizer:", "if False:"),
        (test_with_the_object_goes_its_data,),
    ),
    Seed(
        "nothing is deleted while a pod may still write",
        entry(deletion, "deletion_plan", "if seen.busy:", "if False:"),
        (test_a_backup_that_is_deleted_while_it_is_taken_leaves_nothing_behind,),
    ),
    Seed(
        "a Job that has failed to delete does not let the object go",
        rewritten(deletion, "_at_job", "if not isinstance(outcome, Waiting):", "if True:"),
        (test_a_storage_that_does_not_answer_holds_the_object_and_says_how_to_let_go,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
