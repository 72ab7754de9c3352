"""The operator is killed before and after each of its writes: each run has one backup, and what is kept is kept."""

from datetime import timedelta

import pytest

from tests.support.worlds.backup_site import killing
from tests.support.worlds.schedule_site import ScheduleSite, survive

RUNS = ["hourly-202611301300", "hourly-202611301400", "hourly-202611301500"]


def planned() -> ScheduleSite:
    site = ScheduleSite()
    site.plan(retention={"last": 2, "daily": 0, "weekly": 0})
    return site


async def writes() -> int:
    site = planned()
    count = killing(site, 0, after=False)
    await site.live(hours=3)
    return count()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_kill_at_any_write_makes_no_backup_twice_and_deletes_none_too_many(after: bool) -> None:
    total = await writes()
    assert total > 15
    for number in range(1, total + 1):
        site = planned()
        killing(site, number, after=after)
        assert await survive(site, site.wall + timedelta(hours=3)), number
        assert site.names() == RUNS[1:], number
        assert list(site.storage.taken.values()) == [1, 1, 1], number
        assert len(site.storage.locations) == 2, number
        assert site.told()["lastScheduleTime"] == "2026-11-30T15:00:00Z" and site.told()["backups"] == 2, number
