"""ZooKeeperBackupSchedule: backups of one ensemble by the calendar. Its spec and its status."""

from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.backup import MAX_NAME_LENGTH as MAX_BACKUP_NAME_LENGTH
from zkoperator.api.backup import BackupSource, one_ensemble
from zkoperator.api.backup_storage import BackupTemplate
from zkoperator.api.meta import Conditions, Model, ObjectMeta
from zkoperator.api.rules import Rule, Rules, matching

STAMP_LENGTH = 12
"""Digits at the end of the name of a backup: year, month, day, hour and minute of its run, in UTC."""
MAX_NAME_LENGTH = MAX_BACKUP_NAME_LENGTH - STAMP_LENGTH - 1
"""Longest name of a ZooKeeperBackupSchedule: the names of its backups begin with it."""

_MONTHS = "(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
_DAYS = "(?i:SUN|MON|TUE|WED|THU|FRI|SAT)"


def _field(value: str) -> str:
    """Return the pattern of one field of a cron expression: values, ranges and steps, separated by commas."""
    item = rf"(\*|({value})(-({value}))?)(/[1-9][0-9]?)?"
    return f"{item}(,{item})*"


_CRON = " +".join(
    map(
        _field,
        (
            "[0-5]?[0-9]",
            "2[0-3]|[01]?[0-9]",
            "3[01]|[12][0-9]|0?[1-9]",
            f"1[0-2]|0?[1-9]|{_MONTHS}",
            f"[0-7]|{_DAYS}",
        ),
    )
)

Cron = Annotated[
    str,
    Field(min_length=9, max_length=120),
    Rules(matching(_CRON, "write five fields: minute, hour, day of the month, month, day of the week, as 0 * * * *")),
]
TimeZone = Annotated[
    str,
    Field(min_length=1, max_length=64),
    Rules(matching(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", "write a time zone as Europe/Berlin or UTC")),
]

_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class BackupRetention(Model):
    """Which backups of the schedule are kept. One that any of the three numbers asks for is kept."""

    last: Annotated[int, Field(ge=1, le=1000)] = 24
    """Number of newest backups that are kept."""
    daily: Annotated[int, Field(ge=0, le=1000)] = 7
    """Number of days of which the newest backup is kept, in the time zone of the schedule. Days without one do not
    count."""
    weekly: Annotated[int, Field(ge=0, le=1000)] = 4
    """Number of weeks of which the newest backup is kept. A week begins on Monday. Weeks without one do not count."""


def _same(field: str) -> str:
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


class ZooKeeperBackupScheduleSpec(BackupSource):
    """Which ensemble is copied when, and which copies are kept."""

    rules: ClassVar = (
        *one_ensemble(),
        Rule(
            "clusterRef and hosts cannot be changed: a schedule has the backups of one ensemble; create another one",
            cel=f"{_same('clusterRef')} && {_same('hosts')}",
        ),
    )

    schedule: Cron
    """When backups are taken: minute, hour, day of the month, month and day of the week, as of a CronJob. Where neither
    minute nor hour begins with `*`, a time that a change of the clocks skips is made up right after it, and one that it
    repeats counts once. Where one does, a skipped hour has no runs, and a repeated one has them twice."""
    time_zone: TimeZone = "UTC"
    """The time zone of `schedule` and of the days and weeks of `retention`."""
    suspend: bool = False
    """Take no further backups, and delete none."""
    immediate: bool = False
    """Take the first backup at once, and not only when it is due."""
    retention: BackupRetention = BackupRetention()
    """Which backups are kept. The others are deleted, and with `deletionPolicy: Delete` their data with them; never the
    newest verified one, and none while the newest one has failed."""
    drill: Cron | None = None
    """When the next backup is one with `verification: Drill`, as `0 3 * * 0` for the first one from Sunday at three on.
    The default is that of the template alone."""
    template: BackupTemplate
    """The ZooKeeperBackups: where the data goes, how it is checked, and what becomes of it. A change applies to later
    backups."""


class ZooKeeperBackupScheduleStatus(Model):
    """What became of the backups, as the operator observed them."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """Generation of the spec that this status describes; -1 before the operator has seen the object."""
    operator: Annotated[str, Field(max_length=512)] | None = None
    """The operator that wrote this status last, named by its Lease: `namespace/name`."""
    last_schedule_time: _Time | None = None
    """When the newest backup was due."""
    last_success_time: _Time | None = None
    """When the newest complete backup that is there was stored."""
    last_verified_time: _Time | None = None
    """When the newest verified backup that is there was checked."""
    last_drill_time: _Time | None = None
    """For when the newest complete backup with a drill was due."""
    next_schedule_time: _Time | None = None
    """When the next backup is due. Absent while the schedule is suspended."""
    zxid: Annotated[str, Field(max_length=253)] = ""
    """The moment that the newest complete backup shows. Hexadecimal."""
    last_backup: Annotated[str, Field(max_length=253)] = ""
    """Name of the newest ZooKeeperBackup of this schedule that is there."""
    backups: Annotated[int, Field(ge=0)] = 0
    """Number of complete backups of this schedule that are there."""
    conditions: Conditions = ()
    """Healthy; Reconciling and Stalled, which repeat it for other tools."""


class ZooKeeperBackupSchedule(Model):
    """Backups of one ensemble by the calendar, and which of them are kept."""

    rules: ClassVar = (
        Rule(
            f"write a shorter name, at most {MAX_NAME_LENGTH} characters: the names of its backups begin with it",
            field="metadata.name",
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            holds=lambda schedule: len(schedule.metadata.name) <= MAX_NAME_LENGTH,
        ),
    )

    metadata: ObjectMeta
    spec: ZooKeeperBackupScheduleSpec
    """Which ensemble is copied when, and which copies are kept."""
    status: ZooKeeperBackupScheduleStatus = ZooKeeperBackupScheduleStatus()
    """What became of the backups, as the operator observed them."""
