"""A raw ZooKeeperBackupSchedule becomes one frozen value, or all of its errors. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zkoperator.api.backup_schedule import (
    ZooKeeperBackupSchedule,
    ZooKeeperBackupScheduleSpec,
    ZooKeeperBackupScheduleStatus,
)
from zkoperator.api.backup_storage import Verification
from zkoperator.api.meta import ObjectMeta
from zkoperator.api.parse import parse
from zkoperator.backup.schedule.timetable import Timetable, read_timetable
from zkoperator.errors import InvalidError


@dataclass(frozen=True, slots=True)
class ValidatedSchedule:
    """A ZooKeeperBackupSchedule with a valid spec, and its status as it was last written."""

    meta: ObjectMeta
    spec: ZooKeeperBackupScheduleSpec
    status: ZooKeeperBackupScheduleStatus
    created: datetime
    timetable: Timetable
    drills: Timetable | None

    @property
    def is_verified(self) -> bool:
        """Whether its backups are checked after they were stored."""
        return self.spec.template.verification is not Verification.NONE

    @property
    def drilled(self) -> datetime | None:
        """Return the newest run with a drill that the status knows."""
        text = self.status.last_drill_time
        return datetime.fromisoformat(text) if text is not None else None

    @property
    def handled(self) -> datetime | None:
        """Return the newest run that the status knows."""
        text = self.status.last_schedule_time
        return datetime.fromisoformat(text) if text is not None else None


def validate(raw: Mapping[str, Any]) -> ValidatedSchedule:
    """Return the typed ZooKeeperBackupSchedule.

    Raises:
        InvalidError: with every error, paths as in the manifest.
    """
    parsed = parse(ZooKeeperBackupSchedule, raw)
    if isinstance(parsed, tuple):
        raise InvalidError(parsed)
    timetable = read_timetable(parsed.spec.schedule, parsed.spec.time_zone)
    drills = read_timetable(parsed.spec.drill, parsed.spec.time_zone, "spec.drill") if parsed.spec.drill else None
    if isinstance(timetable, tuple) or isinstance(drills, tuple):
        errors = (each for each in (timetable, drills) if isinstance(each, tuple))
        raise InvalidError(tuple(dict.fromkeys(error for found in errors for error in found)))
    created = datetime.fromisoformat(raw["metadata"]["creationTimestamp"]).astimezone(UTC)
    return ValidatedSchedule(parsed.metadata, parsed.spec, parsed.status, created, timetable, drills)
