"""Decides for one schedule: make the backup that is due, delete one that is not kept, or wait. Pure."""

from dataclasses import dataclass
from datetime import datetime

from zkoperator.backup.schedule.due import due_run
from zkoperator.backup.schedule.health import GRACE
from zkoperator.backup.schedule.retention import superfluous
from zkoperator.backup.schedule.seen import BackupView, Seen
from zkoperator.backup.schedule.validate import ValidatedSchedule


@dataclass(frozen=True, slots=True)
class TakeBackup:
    """Create the ZooKeeperBackup of a run. Its name is taken when it was created before, so that there is only one."""

    run: datetime


@dataclass(frozen=True, slots=True)
class DeleteBackup:
    """Delete exactly this ZooKeeperBackup, as it was seen; its data goes by its own policy."""

    backup: BackupView


Step = TakeBackup | DeleteBackup


@dataclass(frozen=True, slots=True)
class Plan:
    """At most one write, and when to look again."""

    step: Step | None
    look_again_s: float


def make_plan(schedule: ValidatedSchedule, seen: Seen) -> Plan:
    """Return what follows from one look at a schedule."""
    if schedule.spec.suspend:
        return Plan(None, float("inf"))
    run = due_run(schedule, seen.runs, seen.now)
    if run is not None and seen.open is None:
        return Plan(TakeBackup(run), 0.0)
    goes = superfluous(seen, schedule.spec.retention, schedule.timetable.zone)
    if goes is not None:
        return Plan(DeleteBackup(goes), 0.0)
    return Plan(None, _quiet_s(schedule, seen.now))


def _quiet_s(schedule: ValidatedSchedule, now: datetime) -> float:
    """Return the seconds until the next run, or until the last one has had its time. The end of a backup wakes."""
    timetable = schedule.timetable
    ends = (timetable.next_after(now), timetable.last_until(now) + GRACE)
    return min((end - now).total_seconds() for end in ends if end > now)
