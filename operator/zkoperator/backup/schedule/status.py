"""Computes the status of a ZooKeeperBackupSchedule. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import SCHEDULE_RESTING, SCHEDULE_STALLED, ScheduleCondition, ScheduleReason
from zkoperator.backup.schedule.health import Health, newest_success, time_of
from zkoperator.backup.schedule.seen import Seen
from zkoperator.backup.schedule.validate import ValidatedSchedule
from zkoperator.controller.conditions import ConditionBuilder
from zkoperator.controller.kstatus import standard_conditions
from zkoperator.errors import FieldError


def status_of(schedule: ValidatedSchedule, seen: Seen, health: Health, now: str) -> dict[str, Any]:
    """Return the status after a pass. `now` is RFC 3339 in seconds."""
    builder = ConditionBuilder(schedule.status.conditions, schedule.meta.generation, now)
    verified = max((view.verified_at for view in seen.complete if view.verified_at is not None), default=None)
    own = (view.run for view in seen.backups)
    runs = (*own, *([schedule.handled] if schedule.handled is not None else []))
    next_run = None if schedule.spec.suspend else schedule.timetable.next_after(seen.now)
    changes = {
        "observed_generation": schedule.meta.generation,
        "last_schedule_time": _text(max((run for run in runs if run <= seen.now), default=None)),
        "last_success_time": _text(newest_success(seen)),
        "last_verified_time": _text(verified),
        "last_drill_time": _text(max(filter(None, (schedule.drilled, seen.last_drill_of_a_copy)), default=None)),
        "next_schedule_time": _text(next_run),
        "zxid": seen.complete[-1].zxid if seen.complete else "",
        "last_backup": seen.backups[-1].name if seen.backups else "",
        "backups": len(seen.complete),
        "conditions": _conditions(health, builder),
    }
    return schedule.status.model_copy(update=changes).manifest()


def status_of_errors(
    raw: dict[str, Any], errors: Iterable[FieldError], previous: tuple[Condition, ...], now: str
) -> dict[str, Any]:
    """Return the status of a schedule whose spec is invalid: the message lists every error with its field."""
    generation = int(raw["metadata"].get("generation", 0))
    health = Health(ScheduleReason.INVALID_SPEC, "; ".join(map(str, errors)))
    conditions = [each.manifest() for each in _conditions(health, ConditionBuilder(previous, generation, now))]
    return {**(raw.get("status") or {}), "observedGeneration": generation, "conditions": conditions}


def _conditions(health: Health, builder: ConditionBuilder) -> tuple[Condition, ...]:
    truth = Truth.TRUE if health.is_well else Truth.FALSE
    healthy = builder.build(ScheduleCondition.HEALTHY, truth, health.reason, health.message)
    return healthy, *standard_conditions((healthy,), builder, stalled=SCHEDULE_STALLED, resting=SCHEDULE_RESTING)


def _text(moment: datetime | None) -> str | None:
    return time_of(moment) if moment is not None else None
