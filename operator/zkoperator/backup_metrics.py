"""The metrics of backups and of their schedules. The values of labels are bounded, as those of all metrics."""

from collections.abc import Mapping
from datetime import datetime
from math import inf
from typing import Any

from prometheus_client import CollectorRegistry

from zkoperator.backup.order import Facts
from zkoperator.backup.schedule.meter import Meter as ScheduleMeter
from zkoperator.backup.schedule.meter import Times
from zkoperator.backup.status.meter import Meter as BackupMeter
from zkoperator.object_metrics import (
    CONDITION,
    SLOW,
    ObjectConditions,
    SummedGauge,
    conditions_of,
    counter,
    gauge,
    histogram,
)
from zkoperator.runtime.keys import Key
from zkoperator.runtime.wall_clock import utc_now


class BackupMetrics(BackupMeter):
    """The metrics of all ZooKeeperBackups together."""

    def __init__(self, registry: CollectorRegistry, objects: int = 0) -> None:
        prefix = "zkoperator_backup"
        self._objects = ObjectConditions(registry, f"{prefix}_object_condition", objects)
        self._conditions = SummedGauge(
            gauge(registry, f"{prefix}_conditions", "ZooKeeperBackups by condition", *CONDITION)
        )
        self._failures = counter(registry, f"{prefix}_failures_total", "Failed Jobs of backups by reason", "reason")
        self._seconds = histogram(
            registry, f"{prefix}_duration_seconds", "From the begin of a Job's work to the stored copy", buckets=SLOW
        )
        self._sums = {
            "znodes": SummedGauge(gauge(registry, f"{prefix}_znodes", "Znodes in the copies of all backups together")),
            "storedBytes": SummedGauge(gauge(registry, f"{prefix}_bytes", "Stored bytes of all backups together")),
        }

    def status_known(self, key: Key, status: Mapping[str, Any]) -> None:
        """Count the backup under its conditions, and its size into the sums."""
        conditions = conditions_of(status)
        self._conditions.put(key, conditions)
        self._objects.put(key, conditions)
        for field, sums in self._sums.items():
            sums.put(key, {(): float(status.get(field, 0))})

    def object_gone(self, key: Key) -> None:
        """Remove the backup from all sums."""
        for sums in (self._conditions, *self._sums.values()):
            sums.put(key, {})
        self._objects.put(key, {})

    def completed(self, facts: Facts) -> None:
        """A backup was stored."""
        began, ended = (datetime.fromisoformat(text) for text in (facts.started_at, facts.completed_at))
        self._seconds.observe((ended - began).total_seconds())

    def failed(self, reason: str) -> None:
        """A Job has failed."""
        self._failures.labels(reason).inc()


class ScheduleMetrics(ScheduleMeter):
    """The metrics of all ZooKeeperBackupSchedules together."""

    def __init__(self, registry: CollectorRegistry, objects: int = 0) -> None:
        prefix = "zkoperator_backup"
        self._objects = ObjectConditions(registry, f"{prefix}_schedule_object_condition", objects)
        self._conditions = SummedGauge(
            gauge(registry, f"{prefix}_schedule_conditions", "ZooKeeperBackupSchedules by condition", *CONDITION)
        )
        self._times: dict[Key, Times] = {}
        for name, meaning, read in (
            (
                "last_success_timestamp_seconds",
                "When the newest complete backup was stored, of the schedule for which that is most intervals ago",
                self._success_s,
            ),
            ("schedule_interval_seconds", "From the last run of that schedule to its next one", self._interval_s),
            (
                "last_verified_timestamp_seconds",
                "When the newest verified backup was checked, of the schedule for which that is longest ago",
                self._verified_s,
            ),
        ):
            gauge(registry, f"{prefix}_{name}", meaning).set_function(read)

    def status_known(self, key: Key, status: Mapping[str, Any]) -> None:
        """Count the schedule under its conditions."""
        conditions = conditions_of(status)
        self._conditions.put(key, conditions)
        self._objects.put(key, conditions)

    def object_gone(self, key: Key) -> None:
        """Remove the schedule from all sums."""
        self._conditions.put(key, {})
        self._objects.put(key, {})
        self._times.pop(key, None)

    def timed(self, key: Key, times: Times | None) -> None:
        """Replace what is known of the times of a schedule."""
        if times is None:
            self._times.pop(key, None)
        else:
            self._times[key] = times

    def _success_s(self) -> float:
        worst = self._worst()
        return worst.success.timestamp() if worst is not None else inf

    def _interval_s(self) -> float:
        worst = self._worst()
        return worst.interval_s if worst is not None else inf

    def _verified_s(self) -> float:
        # A copy, because this runs in the thread of the scrape.
        return min((times.verified.timestamp() for times in tuple(self._times.values())), default=inf)

    def _worst(self) -> Times | None:
        """Return the times of the schedule whose newest backup is most intervals old."""
        now = utc_now()
        known = tuple(self._times.values())
        return max(known, key=lambda times: (now - times.success).total_seconds() / times.interval_s, default=None)
