"""A backup that fails is tried again, told with its reason, and given up when no Job would do better."""

from datetime import timedelta

import pytest

from tests.support.models.backup_seeds import entry
from tests.support.models.seeds import Seed, claim_with, rewritten
from tests.support.worlds.backup_site import (
    CLAIM,
    FAILED,
    NAMESPACE,
    BackupSite,
    site_with_job,
)
from zkoperator.api.reasons import BACKUP_GIVEN_UP, BackupReason
from zkoperator.backup.order import Reason
from zkoperator.backup.plan import plan
from zkoperator.backup.plan.plan import MAX_ATTEMPTS
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_BACKUPS,
)


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


async def test_a_result_that_went_with_its_pod_is_asked_for_again_and_stored_once() -> None:
    site = await site_with_job()
    site.run_jobs()
    site.run_jobs()
    site.kube.remove(PODS, NAMESPACE, "main-1-take1-abcde")
    await site.reconcile()
    assert site.condition("Complete")[1] == "JobLost"
    await site.settle()
    assert site.condition("Complete")[0] == "True"
    assert len(site.storage.locations) == 1


async def test_the_job_of_an_earlier_backup_of_the_name_is_not_taken_for_ours() -> None:
    site = await site_with_job()
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


SEEDS = (
    Seed(
        "the Job of another object is not ours",
        entry(plan, "make_plan", "seen.job.owner_uid != backup.meta.uid", "False"),
        (test_the_job_of_an_earlier_backup_of_the_name_is_not_taken_for_ours,),
    ),
    Seed(
        "attempts are counted in the status",
        rewritten(plan, "_failed", "attempts >= MAX_ATTEMPTS", "False"),
        (test_a_backup_that_keeps_failing_is_given_up_after_some_attempts,),
    ),
    Seed(
        "what no Job would do better is given up",
        rewritten(plan, "_failed", "why.reason in BACKUP_GIVEN_UP or", ""),
        (
            claim_with(
                test_a_failure_is_told_with_its_reason_and_given_up_only_when_no_job_would_do_better,
                Reason.STORAGE_FULL,
            ),
        ),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
