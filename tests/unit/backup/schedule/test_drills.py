"""Which backups of a schedule have a drill, and what becomes of one that fails."""

import pytest

from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.backup_site import FAILED
from tests.support.worlds.schedule_site import ScheduleSite
from zkoperator.backup.order import Reason
from zkoperator.backup.schedule import health, plan, retention
from zkoperator.backup.schedule.validate import ValidatedSchedule

ONE = {"last": 1, "daily": 0, "weekly": 0}


def drilled(site: ScheduleSite) -> list[str]:
    found = [(name, site.object(name)) for name in site.names()]
    return [name for name, each in found if each is not None and each["spec"]["verification"] == "Drill"]


async def test_the_first_backup_after_each_time_for_a_drill_has_one() -> None:
    site = ScheduleSite()
    site.plan(drill="30 14,18 * * *", retention={"last": 50})
    await site.live(hours=8)
    assert drilled(site) == ["hourly-202611301500", "hourly-202611301900"]
    assert site.condition("Verified", "hourly-202611301500")[:2] == ("True", "Drilled")
    assert site.told()["lastDrillTime"] == "2026-11-30T19:00:00Z"


async def test_a_drill_is_not_repeated_when_its_backup_is_gone() -> None:
    site = ScheduleSite()
    site.plan(drill="30 13 * * *")
    await site.live(hours=2)
    assert drilled(site) == ["hourly-202611301400"]
    site.delete("hourly-202611301400")
    await site.live(hours=3)
    assert drilled(site) == []


async def test_a_backup_that_has_failed_had_no_drill() -> None:
    site = ScheduleSite()
    site.plan(drill="30 13 * * *", retention={"last": 50})
    await site.live(hours=1)
    site.answers = [FAILED[Reason.STORAGE_FULL]]
    await site.live(hours=2)
    assert drilled(site) == ["hourly-202611301500"]


async def test_the_newest_copy_from_which_a_server_has_started_is_kept() -> None:
    site = ScheduleSite()
    site.plan(drill="30 13 * * *", retention=ONE)
    await site.live(hours=6)
    assert site.names() == ["hourly-202611301400", "hourly-202611301800"]


async def test_a_failed_drill_is_told_until_one_passes() -> None:
    site = ScheduleSite()
    site.plan(drill="30 * * * *", retention={"last": 50})
    await site.live(hours=1)
    site.drills = [FAILED[Reason.DIGEST_DIFFERS]]
    await site.live(hours=1)
    status, reason, message = site.health()
    assert (status, reason) == ("False", "DrillFailed") and message.startswith("the drill of hourly-202611301400 has")
    await site.live(hours=1)
    assert site.health()[1] == "OnSchedule"


async def test_a_time_for_drills_that_never_comes_is_told() -> None:
    site = ScheduleSite()
    site.plan(drill="0 0 31 2 *")
    await site.live(minutes=5)
    assert site.health()[:2] == ("False", "InvalidSpec") and "spec.drill" in site.health()[2]


def without_drilled(patch: pytest.MonkeyPatch) -> None:
    rewritten(retention, "superfluous", "not in (seen.verified, seen.drilled)", "!= seen.verified")(patch)
    patch.setattr(plan, "superfluous", retention.superfluous)


SEEDS = (
    Seed(
        "a drill is known when its backup is gone",
        replaced(ValidatedSchedule, "drilled", None),
        (test_a_drill_is_not_repeated_when_its_backup_is_gone,),
    ),
    Seed("a drilled copy is kept", without_drilled, (test_the_newest_copy_from_which_a_server_has_started_is_kept,)),
    Seed(
        "a failed drill is told",
        replaced(health, "_drill_failed", lambda _: None),
        (test_a_failed_drill_is_told_until_one_passes,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_schedule_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
