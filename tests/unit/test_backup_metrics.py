"""The times of schedules as metrics: of the one that is furthest behind, and of none that is suspended or gone."""

from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest

from tests.support.models.seeds import Seed, rewritten
from tests.support.worlds.schedule_site import ScheduleSite
from zkoperator import backup_metrics
from zkoperator.backup.schedule.meter import Times
from zkoperator.backup.schedule.reconcile import ScheduleReconciler
from zkoperator.metrics import Metrics
from zkoperator.runtime.keys import Key

NAMES = ("last_success_timestamp_seconds", "schedule_interval_seconds", "last_verified_timestamp_seconds")


def shown(metrics: Metrics) -> list[float | None]:
    return [metrics.registry.get_sample_value(f"zkoperator_backup_{name}") for name in NAMES]


def times(ago: timedelta, interval: timedelta, verified: timedelta | None = None) -> Times:
    now = datetime.now(UTC)
    return Times(now - ago, now - (verified or ago), interval.total_seconds())


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def test_of_several_schedules_the_one_is_shown_that_is_most_intervals_behind() -> None:
    metrics = Metrics()
    late, daily = times(5 * HOUR, HOUR), times(20 * HOUR, DAY, verified=3 * DAY)
    metrics.schedules.timed(Key("demo", "hourly"), late)
    metrics.schedules.timed(Key("demo", "daily"), daily)
    assert shown(metrics) == [late.success.timestamp(), 3600, daily.verified.timestamp()]


def test_without_a_schedule_nothing_is_ever_late() -> None:
    metrics = Metrics()
    assert shown(metrics) == [inf, inf, inf]
    metrics.schedules.timed(Key("demo", "hourly"), times(HOUR, HOUR))
    metrics.schedules.timed(Key("demo", "hourly"), None)
    assert shown(metrics) == [inf, inf, inf]
    metrics.schedules.timed(Key("demo", "hourly"), times(HOUR, HOUR))
    metrics.schedules.object_gone(Key("demo", "hourly"))
    assert shown(metrics) == [inf, inf, inf]


async def test_what_the_reconciler_sees_is_what_is_shown() -> None:
    metrics, site = Metrics(objects=1), ScheduleSite()
    site.schedules = ScheduleReconciler(site.kube, metrics.schedules, wall=lambda: site.wall)
    site.plan()
    await site.live(minutes=10)
    created = datetime(2026, 11, 30, 12, 30, tzinfo=UTC).timestamp()
    assert shown(metrics) == [created, 3600, created]
    await site.live(hours=2)
    success, interval, verified = shown(metrics)
    at_two = datetime(2026, 11, 30, 14, 0, tzinfo=UTC).timestamp()
    assert success is not None and at_two <= success < at_two + 120 and verified == success and interval == 3600
    told: dict[str, Any] = {"condition": "Healthy", "status": "True", "reason": "OnSchedule"}
    assert metrics.registry.get_sample_value("zkoperator_backup_schedule_conditions", told) == 1
    named = {"namespace": "demo", "name": "hourly", **told}
    assert metrics.registry.get_sample_value("zkoperator_backup_schedule_object_condition", named) == 1
    site.change(suspend=True)
    await site.live(minutes=1)
    assert shown(metrics) == [inf, inf, inf]


SEEDS = (
    Seed(
        "an hour late is more for an hourly schedule than for a daily one",
        rewritten(backup_metrics, "ScheduleMetrics._worst", " / times.interval_s", ""),
        (test_of_several_schedules_the_one_is_shown_that_is_most_intervals_behind,),
    ),
    Seed(
        "the oldest verified one is shown, of whichever schedule",
        rewritten(backup_metrics, "ScheduleMetrics._verified_s", "return min(", "return max("),
        (test_of_several_schedules_the_one_is_shown_that_is_most_intervals_behind,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_metrics_without_this_guard_are_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
