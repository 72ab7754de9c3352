"""Whether the backups of a schedule are as they should be, by the condition Healthy: true to what was observed."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.backup_site import CLAIM, FAILED, NAMESPACE
from tests.support.worlds.schedule_site import ScheduleSite
from zkoperator.backup.order import Reason
from zkoperator.backup.schedule import health
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, ZOOKEEPER_BACKUPS, ZOOKEEPER_CLUSTERS


async def test_a_failed_backup_is_told_with_its_reason() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(hours=1)
    site.answers = [FAILED[Reason.STORAGE_FULL]]
    await site.live(hours=1)
    status, reason, message = site.health()
    assert (status, reason) == ("False", "BackupFailed")
    assert message.startswith("hourly-202611301400 has failed: StorageFull: words about StorageFull")
    await site.live(hours=1)
    assert site.health()[:2] == ("True", "OnSchedule")


async def test_two_runs_without_a_backup_are_overdue_and_one_is_not() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(hours=1)
    site.answers = [FAILED[Reason.STORAGE_FULL]] * 9
    await site.live(minutes=90)
    assert site.health()[1] == "BackupFailed"
    await site.live(minutes=14)
    assert site.health()[1] == "BackupFailed", site.wall
    await site.live(minutes=2)
    status, reason, message = site.health()
    assert (status, reason) == ("False", "BackupOverdue")
    assert "since 2026-11-30T13:00" in message and "hourly-202611301500 has failed" in message


async def test_a_schedule_that_never_had_a_backup_is_overdue_after_two_runs() -> None:
    site = ScheduleSite()
    site.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    site.plan()
    await site.live(minutes=90)
    assert site.health()[:2] == ("True", "FirstPending")
    await site.live(minutes=16)
    assert site.health()[1] == "BackupOverdue"
    assert "ClusterNotFound" in site.health()[2] and "kubectl delete zkb hourly-202611301300" in site.health()[2]


async def test_a_quiet_weekend_is_not_overdue() -> None:
    site = ScheduleSite("2026-11-26T12:00:00+00:00")  # a Thursday
    site.plan(schedule="0 9-17 * * 1-5")
    await site.live(days=1)
    for _ in range(36):
        await site.live(hours=2)
        assert site.health()[1] == "OnSchedule", site.wall


async def test_what_waits_for_a_claim_of_the_old_template_is_named_and_given_up_by_hand() -> None:
    site = ScheduleSite()
    site.kube.remove(PERSISTENT_VOLUME_CLAIMS, NAMESPACE, CLAIM)
    site.plan()
    await site.live(hours=2)
    site.kube.put(PERSISTENT_VOLUME_CLAIMS, {"metadata": {"name": "other", "namespace": NAMESPACE}, "spec": {}})
    site.change(template={"storage": {"persistentVolumeClaim": {"claimName": "other"}}})
    assert "kubectl delete zkb hourly-202611301300" in site.health()[2]
    site.delete("hourly-202611301300")
    await site.live(minutes=10)
    assert site.names("Complete", "True") == ["hourly-202611301400"] and site.health()[1] == "OnSchedule"


async def test_without_a_verified_backup_for_eight_days_that_is_told() -> None:
    site = ScheduleSite()
    site.plan(schedule="0 3 * * *")
    await site.live(days=1)
    site.verifies = False
    for number in range(9):
        await site.live(days=1)
        assert (site.health()[1] == "VerificationOverdue") == (number >= 7), number


async def test_backups_that_are_not_to_be_verified_are_not_missed() -> None:
    site = ScheduleSite()
    site.plan(schedule="0 3 * * *", template={"verification": "None"})
    await site.live(days=12)
    assert site.health()[1] == "OnSchedule"


async def test_half_the_znodes_are_told_with_how_to_keep_the_older_copy() -> None:
    site = ScheduleSite()
    site.znodes = 1000
    site.plan()
    await site.live(hours=1)
    site.znodes = 501
    await site.live(hours=1)
    assert site.health()[1] == "OnSchedule"
    site.znodes = 250
    await site.live(hours=1)
    assert site.health()[:2] == ("False", "ZnodesFell")
    assert "kubectl label zkb hourly-202611301400 zkoperator.dev/schedule-" in site.health()[2]
    await site.live(hours=1)
    assert site.health()[1] == "OnSchedule"


async def test_without_the_right_to_make_backups_it_is_told_what_to_install() -> None:
    site = ScheduleSite()

    def refuse(operation: Any) -> None:
        if operation.resource == ZOOKEEPER_BACKUPS and operation.verb == "create":
            raise ForbiddenError("may not create zookeeperbackups.zkoperator.dev")

    site.kube.before = refuse
    site.plan()
    await site.live(hours=1)
    assert site.health()[:2] == ("False", "Forbidden") and "manifests/backup" in site.health()[2]
    assert site.health(kind="Stalled")[0] == "True"
    site.kube.before = lambda _: None
    await site.live(minutes=5)
    assert site.names() == ["hourly-202611301300"]


async def test_a_time_that_never_comes_is_told_and_what_is_there_stays() -> None:
    site = ScheduleSite()
    site.plan(retention={"last": 2, "daily": 0, "weekly": 0})
    await site.live(hours=2)
    site.change(schedule="0 0 31 2 *", retention={"last": 1, "daily": 0, "weekly": 0})
    await site.live(hours=2)
    assert site.health()[:2] == ("False", "InvalidSpec") and "spec.schedule" in site.health()[2]
    assert site.health(kind="Stalled")[0] == "True" and len(site.names()) == 2
    site.change(schedule="30 * * * *")
    await site.live(hours=1)
    assert site.health()[1] == "OnSchedule"


SEEDS = (
    Seed(
        "a run has a quarter of an hour",
        replaced(health, "GRACE", timedelta(0)),
        (test_two_runs_without_a_backup_are_overdue_and_one_is_not,),
    ),
    Seed(
        "a calendar with pauses is not late in them",
        replaced(health, "needed_since", lambda _, now: now - timedelta(hours=3)),
        (test_a_quiet_weekend_is_not_overdue,),
    ),
    Seed(
        "a fall is measured from the backup before",
        rewritten(health, "_fallen", "now.znodes * 2 > before.znodes", "now.znodes > before.znodes"),
        (test_half_the_znodes_are_told_with_how_to_keep_the_older_copy,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_schedule_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
