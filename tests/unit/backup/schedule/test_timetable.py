"""When a schedule is due, by the clocks of its time zone, which are changed twice a year."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.models.seeds import Seed, replaced, rewritten
from zkoperator.backup.schedule import timetable
from zkoperator.backup.schedule.timetable import Timetable, read_timetable

BERLIN = "Europe/Berlin"
"""On 2026-03-29 it skips 02:00 to 03:00 (01:00 in UTC), on 2026-10-25 it repeats 02:00 to 03:00 (00:00 and 01:00)."""


def table(cron: str, zone: str = BERLIN) -> Timetable:
    found = read_timetable(cron, zone)
    assert isinstance(found, Timetable)
    return found


def runs(found: Timetable, begin: str, end: str) -> list[str]:
    """All runs in a time, in UTC."""
    moment, last, told = datetime.fromisoformat(begin), datetime.fromisoformat(end), []
    while (moment := found.next_after(moment)) <= last:
        told.append(moment.strftime("%d %H:%M"))
    return told


SPRING = ("2026-03-28T12:00:00+00:00", "2026-03-30T12:00:00+00:00")
AUTUMN = ("2026-10-24T12:00:00+00:00", "2026-10-26T12:00:00+00:00")


def test_a_run_at_a_time_that_is_skipped_is_made_up_right_after_it() -> None:
    assert runs(table("30 2 * * *"), *SPRING) == ["29 01:00", "30 00:30"]


def test_two_runs_that_are_made_up_at_the_same_time_are_one() -> None:
    assert runs(table("0,30 2 * * *"), *SPRING) == ["29 01:00", "30 00:00", "30 00:30"]


def test_a_run_at_a_time_that_comes_twice_is_there_once() -> None:
    assert runs(table("30 2 * * *"), *AUTUMN) == ["25 00:30", "26 01:30"]


@pytest.mark.parametrize(("season", "count"), [(SPRING, 48), (AUTUMN, 48)])
def test_every_hour_is_every_hour_whatever_the_clocks_say(season: tuple[str, str], count: int) -> None:
    found = table("0 * * * *")
    assert len(runs(found, *season)) == count


def test_with_any_minute_of_one_hour_the_skipped_hour_has_no_runs_and_the_repeated_one_has_them_twice() -> None:
    found = table("*/30 2 * * *")
    assert [run for run in runs(found, *SPRING) if run.startswith("29")] == []
    assert [run for run in runs(found, *AUTUMN) if run.startswith("25")] == [
        "25 00:00",
        "25 00:30",
        "25 01:00",
        "25 01:30",
    ]


def test_the_last_run_is_found_from_within_the_second_of_two_equal_hours() -> None:
    moment = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)  # 02:15 for the second time
    assert table("30 2 * * *").last_until(moment) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_next_run_is_never_one_that_has_been() -> None:
    moment = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    assert table("30 2 * * *").next_after(moment) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_run_is_the_last_one_until_its_own_moment_and_not_the_next_one_after_it() -> None:
    run = datetime(2026, 11, 30, 13, 0, tzinfo=UTC)
    found = table("0 * * * *", "UTC")
    assert found.last_until(run) == run and found.last_before(run) == run - timedelta(hours=1)
    assert found.next_after(run) == run + timedelta(hours=1)
    assert found.next_after(run - timedelta(microseconds=1)) == run


@pytest.mark.parametrize(
    ("cron", "zone", "field", "says"),
    [
        ("5-3 * * * *", "UTC", "spec.schedule", "from the lowest to the highest"),
        ("0 0 31 2 *", "UTC", "spec.schedule", "only days that the months have"),
        ("0 0 * * *", "Europe/Nowhere", "spec.timeZone", "there is no time zone Europe/Nowhere"),
        ("0 0 * * *", "Europe", "spec.timeZone", "there is no time zone Europe"),
    ],
)
def test_what_is_no_time_is_named_with_its_field(cron: str, zone: str, field: str, says: str) -> None:
    found = read_timetable(cron, zone)
    assert isinstance(found, tuple)
    assert [error.path for error in found] == [field] and says in found[0].message


# Against a second reading of the rules, written without the library.

ZONES = ("UTC", BERLIN, "America/St_Johns", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca")
FIXED = [("30 2 * * *", (30,), (2,)), ("0,30 1-3 * * *", (0, 30), (1, 2, 3)), ("15 0,23 * * *", (15,), (0, 23))]
OTHERS = ("0 * * * *", "*/20 2,3 * * *", "7 */5 * * 1-5", "0 3 1 * *", "45 23 29 2 *")


def expected(zone: ZoneInfo, minutes: tuple[int, ...], hours: tuple[int, ...], day: datetime) -> Iterator[datetime]:
    """The runs of one day: each at the first of two equal times, or at the first time that there is after it."""
    for hour in hours:
        for minute in minutes:
            local = day.replace(hour=hour, minute=minute)
            while local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
                local += timedelta(minutes=1)
            yield local.replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("cron", "minutes", "hours"), FIXED, ids=[cron for cron, _, _ in FIXED])
def test_all_runs_of_a_year_are_those_of_a_second_reading(
    cron: str, minutes: tuple[int, ...], hours: tuple[int, ...], zone: str
) -> None:
    days = [datetime(2026, 1, 1) + timedelta(days=number) for number in range(80, 310)]
    due = sorted({run for day in days for run in expected(ZoneInfo(zone), minutes, hours, day)})
    found = table(cron, zone)
    assert [found.next_after(run) for run in due[:-1]] == due[1:]
    assert [found.last_before(run) for run in due[1:]] == due[:-1]


@given(
    cron=st.sampled_from([*(cron for cron, _, _ in FIXED), *OTHERS]),
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_between_the_last_run_and_the_next_one_there_is_none(cron: str, zone: str, moment: datetime) -> None:
    found = table(cron, zone)
    last, following = found.last_until(moment), found.next_after(moment)
    assert last <= moment < following
    assert found.next_after(last) == following
    assert found.last_before(following) == last
    assert all(run.tzinfo is UTC and (run.second, run.microsecond) == (0, 0) for run in (last, following))


def test_the_names_of_the_runs_of_a_repeated_hour_differ() -> None:
    told = runs(table("0 * * * *"), *AUTUMN)
    assert all(first != second for first, second in pairwise(told))


SEEDS = (
    Seed(
        "the search backwards begins after the repeated hour",
        replaced(timetable, "_REPEATED", timedelta(seconds=1)),
        (test_the_last_run_is_found_from_within_the_second_of_two_equal_hours,),
    ),
    Seed(
        "a run that has been is left out",
        rewritten(timetable, "Timetable.next_after", ":= run.astimezone(UTC)) > moment", ":= run.astimezone(UTC))"),
        (test_the_next_run_is_never_one_that_has_been,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_timetable_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
