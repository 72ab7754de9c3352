"""Which backups a retention keeps: properties of the rule, and what no rule may delete."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.models.seeds import Seed, rewritten
from zkoperator.api.backup_schedule import BackupRetention
from zkoperator.backup.schedule import retention as rules
from zkoperator.backup.schedule.retention import FAILED_KEPT
from zkoperator.backup.schedule.seen import BackupView, Seen, State

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

RUNS = st.lists(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 4, 1), timezones=st.just(UTC)),
    max_size=60,
    unique=True,
)
RETENTIONS = st.builds(BackupRetention, last=st.integers(1, 10), daily=st.integers(0, 10), weekly=st.integers(0, 10))


def asked(last: int = 1, daily: int = 0, weekly: int = 0) -> BackupRetention:
    return BackupRetention(last=last, daily=daily, weekly=weekly)


def hours(*ago: float) -> list[datetime]:
    return [NOW - timedelta(hours=number) for number in ago]


# The rule.


@given(RUNS, RETENTIONS)
def test_what_is_kept_was_there_and_is_no_more_than_was_asked_for(
    runs: list[datetime], retention: BackupRetention
) -> None:
    found = rules.kept(runs, retention, BERLIN)
    assert found <= set(runs)
    assert len(found) <= retention.last + retention.daily + retention.weekly
    assert set(sorted(runs)[-retention.last :]) <= found


@given(RUNS, RETENTIONS)
def test_the_three_numbers_are_a_union(runs: list[datetime], retention: BackupRetention) -> None:
    newest = rules.kept(runs, asked(retention.last), BERLIN)
    daily = rules.kept(runs, asked(1, daily=retention.daily), BERLIN)
    weekly = rules.kept(runs, asked(1, weekly=retention.weekly), BERLIN)
    assert rules.kept(runs, retention, BERLIN) == newest | daily | weekly


@given(RUNS, RETENTIONS)
def test_what_is_kept_is_kept_again_so_that_the_order_of_deletions_does_not_matter(
    runs: list[datetime], retention: BackupRetention
) -> None:
    found = rules.kept(runs, retention, BERLIN)
    assert rules.kept(found, retention, BERLIN) == found
    for gone in set(runs) - found:
        assert rules.kept(set(runs) - {gone}, retention, BERLIN) == found


@given(RUNS, RETENTIONS, st.sampled_from(["last", "daily", "weekly"]))
def test_whoever_asks_for_more_loses_nothing(runs: list[datetime], retention: BackupRetention, field: str) -> None:
    more = retention.model_copy(update={field: getattr(retention, field) + 1})
    assert rules.kept(runs, retention, BERLIN) <= rules.kept(runs, more, BERLIN)


@given(RUNS, RETENTIONS)
def test_of_each_of_the_newest_days_that_have_a_backup_the_newest_one_stays(
    runs: list[datetime], retention: BackupRetention
) -> None:
    by_day: dict[Any, datetime] = {}
    for run in sorted(runs):
        by_day[run.astimezone(BERLIN).date()] = run
    newest = [by_day[day] for day in sorted(by_day)]
    assert set(newest[-retention.daily :] if retention.daily else []) <= rules.kept(runs, retention, BERLIN)


def test_days_begin_in_the_time_zone_of_the_schedule() -> None:
    runs = [datetime(2026, 6, 1, 21, 30, tzinfo=UTC), datetime(2026, 6, 1, 22, 30, tzinfo=UTC)]
    assert rules.kept(runs, asked(daily=2), BERLIN) == set(runs)
    assert rules.kept(runs, asked(daily=2), ZoneInfo("UTC")) == {runs[1]}


def test_weeks_begin_on_monday() -> None:
    sunday, monday, tuesday = (datetime(2026, 6, day, 12, tzinfo=UTC) for day in (7, 8, 9))
    assert rules.kept([sunday, monday, tuesday], asked(weekly=2), ZoneInfo("UTC")) == {sunday, tuesday}


def test_days_without_a_backup_do_not_count() -> None:
    runs = hours(0, 240, 480)
    assert rules.kept(runs, asked(daily=3), BERLIN) == set(runs)


def test_a_year_of_hours_leaves_days_and_weeks_as_far_back_as_asked_for() -> None:
    retention, there = BackupRetention(), set[datetime]()
    for number in range(24 * 60):
        there.add(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number))
        there = set(rules.kept(there, retention, BERLIN))
    last = max(there)
    assert len(there) <= 24 + 7 + 4
    assert {(last - timedelta(days=number)).date() for number in range(6)} <= {run.date() for run in there}
    assert min(there) <= last - timedelta(weeks=2), "this week is one of the four"


# What is deleted.


def backup(run: datetime, state: State = State.COMPLETE, **more: Any) -> BackupView:
    name = f"hourly-{run:%Y%m%d%H%M}"
    done = run if state is State.COMPLETE else None
    told = {"completed_at": done, "verified_at": done, **more}
    return BackupView(name, name, "1", run, state, **told)


def goes(*backups: BackupView, retention: BackupRetention | None = None) -> list[datetime]:
    """What is deleted, one after another, until nothing is any more."""
    there, gone = sorted(backups, key=lambda view: view.run), []
    while (found := rules.superfluous(Seen(NOW, tuple(there)), retention or asked(), BERLIN)) is not None:
        there.remove(found)
        gone.append(found.run)
    return gone


def test_the_oldest_ones_go_first() -> None:
    assert goes(*(backup(run) for run in hours(3, 2, 1, 0))) == hours(3, 2, 1)


def test_nothing_goes_while_the_newest_one_has_failed() -> None:
    assert goes(*(backup(run) for run in hours(3, 2, 1)), backup(NOW, State.FAILED)) == []


def test_one_that_is_still_being_taken_neither_counts_nor_goes() -> None:
    assert goes(backup(hours(2)[0]), backup(hours(1)[0]), backup(NOW, State.OPEN)) == hours(2)


def test_the_newest_verified_one_never_goes() -> None:
    verified, other = backup(hours(9)[0]), [backup(run, verified_at=None) for run in hours(3, 2, 1)]
    assert goes(verified, *other) == hours(3, 2)


def test_one_that_is_going_already_neither_counts_nor_is_deleted_again() -> None:
    assert goes(backup(hours(2)[0]), backup(hours(1)[0]), backup(NOW, deleting=True)) == hours(2)


def test_a_failed_one_that_is_going_holds_up_nothing() -> None:
    assert goes(backup(hours(2)[0]), backup(hours(1)[0]), backup(NOW, State.FAILED, deleting=True)) == hours(2)


def test_failed_ones_go_once_a_newer_one_is_complete() -> None:
    assert goes(backup(hours(3)[0]), backup(hours(2)[0], State.FAILED), backup(NOW), retention=asked(5)) == hours(2)


def test_of_many_failed_ones_in_a_row_some_stay_to_be_looked_at() -> None:
    copy, failed = backup(hours(9)[0]), [backup(run, State.FAILED) for run in hours(*range(8, -1, -1))]
    gone = goes(copy, *failed)
    assert copy.run not in gone
    assert len(failed) - len(gone) == FAILED_KEPT and NOW not in gone


STATES = st.sampled_from([State.COMPLETE, State.COMPLETE, State.FAILED, State.OPEN])


@given(RUNS, st.data(), RETENTIONS)
def test_whatever_became_of_backups_the_newest_verified_copy_stays(
    runs: list[datetime], data: st.DataObject, retention: BackupRetention
) -> None:
    views = [
        backup(run, data.draw(STATES), **({} if data.draw(st.booleans()) else {"verified_at": None})) for run in runs
    ]
    gone = goes(*views, retention=retention)
    seen = Seen(NOW, tuple(sorted(views, key=lambda view: view.run)))
    assert seen.verified is None or seen.verified.run not in gone
    ended = [view for view in seen.backups if view.state is not State.OPEN]
    copies = {view.run for view in seen.complete}
    if ended and ended[-1].state is State.FAILED:
        assert not copies & set(gone)
    assert not {view.run for view in seen.backups if view.state is State.OPEN} & set(gone)


SEEDS = (
    Seed(
        "nothing goes while the newest one has failed",
        rewritten(rules, "superfluous", "if ended[-1].state is State.FAILED:", "if False:"),
        (test_nothing_goes_while_the_newest_one_has_failed,),
    ),
    Seed(
        "the newest verified one stays",
        rewritten(rules, "superfluous", " and view not in (seen.verified, seen.drilled)", ""),
        (test_the_newest_verified_one_never_goes,),
    ),
    Seed(
        "one that is going does not count",
        rewritten(rules, "superfluous", "is not State.OPEN and not view.deleting", "is not State.OPEN"),
        (test_a_failed_one_that_is_going_holds_up_nothing,),
    ),
    Seed(
        "days are those of the time zone",
        rewritten(rules, "kept", "run.astimezone(zone).date()", "run.date()"),
        (test_days_begin_in_the_time_zone_of_the_schedule,),
    ),
    Seed(
        "a week begins on Monday",
        rewritten(rules, "kept", "day(run).weekday()", "day(run).isoweekday() % 7"),
        (test_weeks_begin_on_monday,),
    ),
    Seed(
        "days that have no backup do not count",
        rewritten(rules, "_newest_of_each", "len(known) == number", "newest_first[0] - run > timedelta(days=number)"),
        (test_days_without_a_backup_do_not_count,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_retention_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
