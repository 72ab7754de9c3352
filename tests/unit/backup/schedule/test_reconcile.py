"""A ZooKeeperBackupSchedule through hours and days, against an API server, a Job controller and a clock in memory."""

from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from tests.support.models.seeds import Bug, Seed, replaced, request_without, rewritten
from tests.support.worlds.backup_site import FAILED, NAMESPACE, SPEC, backup
from tests.support.worlds.schedule_site import ScheduleSite
from zkoperator.backup.order import Reason
from zkoperator.backup.schedule import due, observer, plan, reconcile
from zkoperator.kube.port import (
    EVENTS,
    ZOOKEEPER_BACKUP_SCHEDULES,
    ZOOKEEPER_BACKUPS,
)

# When


async def test_a_backup_is_taken_when_it_is_due_and_the_schedule_tells_of_it() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(minutes=29)
    assert site.names() == [] and site.health()[:2] == ("True", "FirstPending")
    assert "2026-11-30T13:00:00Z" in site.health()[2]
    await site.live(minutes=31)
    assert site.names() == ["hourly-202611301300"]
    told = site.told()
    assert (told["lastScheduleTime"], told["nextScheduleTime"]) == ("2026-11-30T13:00:00Z", "2026-11-30T14:00:00Z")
    assert (told["lastBackup"], told["backups"]) == ("hourly-202611301300", 1)
    assert told["lastSuccessTime"] >= "2026-11-30T13:00:00Z" and told["lastVerifiedTime"] >= told["lastSuccessTime"]
    assert site.health()[:2] == ("True", "OnSchedule")
    assert site.health(kind="Reconciling")[0] == site.health(kind="Stalled")[0] == "False"


async def test_each_run_has_one_backup() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(hours=5)
    assert site.names() == [f"hourly-20261130{hour}00" for hour in range(13, 18)]
    assert set(site.storage.taken.values()) == {1}


async def test_a_backup_is_made_from_the_template_and_outlives_its_schedule() -> None:
    site = ScheduleSite()
    site.plan(template={"verification": "None", "deletionPolicy": "Retain"})
    await site.live(hours=1)
    found = site.object("hourly-202611301300")
    assert found is not None
    assert found["spec"] == {**SPEC, "verification": "None", "deletionPolicy": "Retain"}
    assert "ownerReferences" not in found["metadata"]
    site.kube.remove(ZOOKEEPER_BACKUP_SCHEDULES, NAMESPACE, "hourly")
    site.kube.collect_garbage()
    await site.live(hours=1)
    assert site.names() == ["hourly-202611301300"]


async def test_an_ensemble_outside_is_named_in_each_backup() -> None:
    site = ScheduleSite()
    site.plan(clusterRef=None, hosts="a:2181,b:2181", credentialsSecret="them")
    await site.live(hours=1)
    found = site.object("hourly-202611301300")
    assert found is not None
    assert (found["spec"]["hosts"], found["spec"]["credentialsSecret"]) == ("a:2181,b:2181", "them")
    assert "clusterRef" not in found["spec"]


async def test_the_first_one_is_taken_at_once_where_that_is_asked_for_and_only_the_first() -> None:
    site = ScheduleSite()
    site.plan(immediate=True)
    await site.live(minutes=20)
    assert site.names() == ["hourly-202611301230"]
    await site.live(minutes=45)
    assert site.names() == ["hourly-202611301230", "hourly-202611301300"]


async def test_of_many_missed_runs_the_newest_one_is_made_up() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(hours=1)
    with site.away():
        site.wall += timedelta(hours=9)
    await site.live(minutes=5)
    assert site.names() == ["hourly-202611301300", "hourly-202611302200"]


async def test_a_schedule_that_was_made_while_nobody_looked_makes_up_nothing_from_before_it() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(minutes=10)
    assert site.names() == []


async def test_there_is_one_backup_at_a_time_and_what_was_due_meanwhile_follows() -> None:
    site = ScheduleSite()
    site.starts_pods, site.pace_s = False, 300.0
    site.plan()
    await site.live(hours=3)
    assert site.names() == ["hourly-202611301300"]
    site.starts_pods, site.pace_s = True, 0.0
    await site.live(minutes=5)
    assert site.names() == ["hourly-202611301300", "hourly-202611301500"]
    assert site.most_open == 1


async def test_while_it_is_suspended_nothing_is_taken_and_nothing_deleted() -> None:
    site = ScheduleSite()
    site.plan(retention={"last": 3})
    await site.live(hours=3)
    site.change(suspend=True, retention={"last": 1, "daily": 0, "weekly": 0})
    before = site.names()
    await site.live(hours=3)
    assert len(before) == 3 and site.names() == before
    assert site.health()[:2] == ("False", "Suspended") and "nextScheduleTime" not in site.told()
    assert site.health(kind="Reconciling")[0] == site.health(kind="Stalled")[0] == "False"
    site.change(suspend=False)
    await site.live(minutes=5)
    assert site.names() == ["hourly-202611301800"]


async def test_in_the_hour_that_comes_twice_both_runs_are_taken() -> None:
    site = ScheduleSite("2026-10-24T22:30:00+00:00")
    site.plan(timeZone="Europe/Berlin")
    await site.live(hours=3)
    assert site.names() == ["hourly-202610242300", "hourly-202610250000", "hourly-202610250100"]


async def test_a_clock_that_was_ahead_for_a_while_holds_up_nothing() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(hours=1)
    site.wall += timedelta(days=400)
    await site.live(minutes=5)
    site.wall -= timedelta(days=400)
    await site.live(hours=1)
    assert "hourly-202611301400" in site.names()


async def test_a_backup_that_somebody_has_deleted_is_not_taken_again() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(hours=1)
    site.delete("hourly-202611301300")
    await site.live(minutes=20)
    assert site.names() == [] and site.storage.locations == {}
    assert "lastSuccessTime" not in site.told()


# Which are kept


async def test_with_a_backup_that_is_not_kept_goes_its_data() -> None:
    site = ScheduleSite()
    site.plan(retention={"last": 2, "daily": 0, "weekly": 0})
    await site.live(hours=5)
    await site.live(minutes=20)
    assert site.names() == ["hourly-202611301600", "hourly-202611301700"]
    assert len(site.storage.locations) == 2


ONE = {"last": 1, "daily": 0, "weekly": 0}


async def test_backups_of_others_are_never_deleted() -> None:
    site = ScheduleSite()
    site.create("hourly-202611300900")
    made = backup("hourly-202611301000")
    made["metadata"]["labels"] = {"zkoperator.dev/schedule": "hourly", "zkoperator.dev/schedule-uid": "another"}
    site.kube.put(ZOOKEEPER_BACKUPS, made)
    site.create("by-hand")
    site.plan(retention=ONE)
    await site.live(hours=4)
    assert {"by-hand", "hourly-202611300900", "hourly-202611301000"} <= set(site.names())
    assert len(site.names()) == 4


async def test_one_whose_label_was_taken_off_is_kept_for_good() -> None:
    site = ScheduleSite()
    site.plan(retention=ONE)
    await site.live(hours=1)
    label = {"metadata": {"labels": {"zkoperator.dev/schedule": None}}}
    site.kube.edit(ZOOKEEPER_BACKUPS, NAMESPACE, "hourly-202611301300", label)
    await site.live(hours=3)
    assert site.names() == ["hourly-202611301300", "hourly-202611301600"]


async def test_one_that_was_changed_after_it_was_looked_at_is_looked_at_again() -> None:
    site = ScheduleSite()
    site.plan(retention={"last": 2, "daily": 0, "weekly": 0})
    await site.live(hours=2)
    done = False

    def take_off(operation: Any) -> None:
        nonlocal done
        if operation.verb == "delete" and operation.resource == ZOOKEEPER_BACKUPS and not done:
            done = True
            label = {"metadata": {"labels": {"zkoperator.dev/schedule": None}}}
            site.kube.edit(ZOOKEEPER_BACKUPS, NAMESPACE, operation.name, label)

    site.kube.before = take_off
    await site.live(hours=1)
    assert done and site.names() == ["hourly-202611301300", "hourly-202611301400", "hourly-202611301500"]


async def test_copies_are_kept_while_the_newest_backup_has_failed() -> None:
    site = ScheduleSite()
    site.plan(retention={"last": 3, "daily": 0, "weekly": 0})
    await site.live(hours=3)
    copies = site.names()
    site.answers = [FAILED[Reason.STORAGE_FULL]] * 9
    await site.live(hours=6)
    assert set(copies) <= set(site.names()) and len(site.storage.locations) == 3
    assert site.health()[1] in ("BackupFailed", "BackupOverdue")
    site.answers = []
    await site.live(hours=1)
    assert site.names("Failed", "True") == site.names("Complete", "False") == []
    assert len(site.names()) == 3


async def test_what_is_made_and_deleted_is_told_by_events() -> None:
    site = ScheduleSite()
    site.plan(retention=ONE)
    await site.live(hours=2)
    events = [event for event in site.kube.every(EVENTS) if event["regarding"]["name"] == "hourly"]
    told = [(event["reason"], event["note"]) for event in events]
    assert ("BackupStarted", "ZooKeeperBackup hourly-202611301300 was created") in told
    assert any(reason == "BackupExpired" and "hourly-202611301300" in note for reason, note in told)


async def test_between_runs_a_pass_writes_nothing() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(minutes=50)
    site.kube.operations.clear()
    assert 0 < await site.look() <= 2400
    assert [operation.verb for operation in site.kube.operations] == ["get", "list"]


async def test_it_looks_again_when_the_next_one_is_due() -> None:
    site = ScheduleSite()
    site.plan()
    await site.live(minutes=10)
    after_s = await site.look()
    assert site.wall + timedelta(seconds=after_s) == datetime.fromisoformat("2026-11-30T13:00:00+00:00")


async def test_a_name_that_is_taken_costs_its_run_alone() -> None:
    site = ScheduleSite()
    site.create("hourly-202611301300")
    site.plan()
    await site.live(minutes=40)
    assert site.health()[:2] == ("False", "NameTaken") and "hourly-202611301300" in site.health()[2]
    await site.live(hours=1)
    assert site.names() == ["hourly-202611301300", "hourly-202611301400"]
    assert site.health()[1] == "OnSchedule"


async def test_an_immediate_run_whose_name_is_taken_holds_up_nothing() -> None:
    site = ScheduleSite()
    site.create("hourly-202611301230")
    site.plan(immediate=True)
    await site.live(hours=1)
    assert site.names() == ["hourly-202611301230", "hourly-202611301300"]


def entry(module: ModuleType, name: str, old: str, new: str) -> Bug:
    """Return the bug in a function that other modules call by its own name for it."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        whole = getattr(module, name)
        rewritten(module, name, old, new)(patch)
        for user in (observer, plan, reconcile):
            if vars(user).get(name) is whole:
                patch.setattr(user, name, getattr(module, name))

    return bug


SEEDS = (
    Seed(
        "a run that has a backup is not taken again",
        entry(due, "due_run", "run > max(handled, schedule.created) and run not in known", "run > schedule.created"),
        (test_a_backup_that_somebody_has_deleted_is_not_taken_again,),
    ),
    Seed(
        "runs from before the schedule are not made up",
        entry(due, "due_run", "run > max(handled, schedule.created) and", ""),
        (test_a_schedule_that_was_made_while_nobody_looked_makes_up_nothing_from_before_it,),
    ),
    Seed(
        "a time yet to come holds up nothing",
        entry(due, "due_run", "if moment <= now + _SKEW", ""),
        (test_a_clock_that_was_ahead_for_a_while_holds_up_nothing,),
    ),
    Seed(
        "there is one backup at a time",
        entry(plan, "make_plan", " and seen.open is None", ""),
        (test_there_is_one_backup_at_a_time_and_what_was_due_meanwhile_follows,),
    ),
    Seed(
        "a suspended schedule deletes nothing",
        entry(plan, "make_plan", "if schedule.spec.suspend:", "if False:"),
        (test_while_it_is_suspended_nothing_is_taken_and_nothing_deleted,),
    ),
    Seed(
        "a backup is of a schedule by its uid",
        replaced(observer, "labels_of", lambda schedule: {"zkoperator.dev/schedule": schedule.meta.name}),
        (test_backups_of_others_are_never_deleted,),
    ),
    Seed(
        "a backup is deleted as it was seen",
        request_without("delete", "resource_version"),
        (test_one_that_was_changed_after_it_was_looked_at_is_looked_at_again,),
    ),
    Seed(
        "a name that is taken is left out",
        rewritten(observer, "Observer.observe", " and await self._is_taken(schedule, run)", " and False"),
        (test_an_immediate_run_whose_name_is_taken_holds_up_nothing,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
