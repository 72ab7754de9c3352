"""Whether the backups of a schedule are as they should be, in a reason and a sentence. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from zkoperator.api.reasons import ScheduleReason
from zkoperator.backup.model.names import SCHEDULE_LABEL, scheduled_backup
from zkoperator.backup.schedule.seen import BackupView, Seen, State
from zkoperator.backup.schedule.validate import ValidatedSchedule

GRACE: Final = timedelta(minutes=15)
"""Time that a run has before it counts as one that brought nothing."""
VERIFIED_WITHIN: Final = timedelta(days=8)
"""Older than this, and than two runs, the newest verified backup is too old."""
_FEW: Final = 20
"""With fewer znodes than this a fall of their number is no evidence."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the condition Healthy says. The reason decides whether it is true."""

    reason: ScheduleReason
    message: str

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return self.reason in (ScheduleReason.ON_SCHEDULE, ScheduleReason.FIRST_PENDING)


def health_of(schedule: ValidatedSchedule, seen: Seen) -> Health:
    """Return what is wrong with the backups of a schedule, the gravest first, or that all is well."""
    if schedule.spec.suspend:
        return Health(ScheduleReason.SUSPENDED, "spec.suspend is true: no backup is taken, and none is deleted")
    found = (
        _overdue(schedule, seen),
        _taken(schedule, seen),
        _failed(seen),
        _drill_failed(seen),
        _unverified(schedule, seen),
        _fallen(seen),
    )
    return next((health for health in found if health is not None), None) or _well(schedule, seen)


def needed_since(schedule: ValidatedSchedule, now: datetime) -> datetime:
    """Return the time since which there has to be a success: two runs have had their time by now."""
    timetable = schedule.timetable
    return timetable.last_before(timetable.last_until(now - GRACE))


def time_of(moment: datetime) -> str:
    """Return a moment as in a manifest."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def newest_success(seen: Seen) -> datetime | None:
    """Return when the newest complete backup was stored."""
    return max((view.completed_at for view in seen.complete if view.completed_at is not None), default=None)


def _overdue(schedule: ValidatedSchedule, seen: Seen) -> Health | None:
    success = newest_success(seen)
    if max(success or schedule.created, schedule.created) >= needed_since(schedule, seen.now):
        return None
    since = f"since {time_of(success)}" if success is not None else "yet"
    cause = _cause(seen)
    message = f"no backup has been stored {since}, although two were due" + (f": {cause}" if cause else "")
    return Health(ScheduleReason.BACKUP_OVERDUE, message)


def _cause(seen: Seen) -> str:
    """Return what keeps the backups from coming about, as far as their objects say it."""
    if seen.open is not None:
        return (
            f"{seen.open.name} has not ended ({seen.open.words or 'no operator has looked at it'}), and there is one "
            f"backup at a time; to give it up: kubectl delete zkb {seen.open.name}"
        )
    ended = seen.ended
    return f"{ended.name} has failed ({ended.words})" if ended is not None and ended.state is State.FAILED else ""


def _taken(schedule: ValidatedSchedule, seen: Seen) -> Health | None:
    if seen.taken is None:
        return None
    name = scheduled_backup(schedule.meta.name, seen.taken)
    message = f"there is a ZooKeeperBackup {name} that is not of this schedule, so that this run was left out"
    return Health(ScheduleReason.NAME_TAKEN, message)


def _failed(seen: Seen) -> Health | None:
    ended = seen.ended
    if ended is None or ended.state is not State.FAILED:
        return None
    message = f"{ended.name} has failed: {ended.words}; no copy is deleted until one succeeds"
    return Health(ScheduleReason.BACKUP_FAILED, message)


def _drill_failed(seen: Seen) -> Health | None:
    newest = next((view for view in reversed(seen.complete) if view.is_drill), None)
    if newest is None or not newest.drill_failure:
        return None
    return Health(ScheduleReason.DRILL_FAILED, f"the drill of {newest.name} has failed: {newest.drill_failure}")


def _unverified(schedule: ValidatedSchedule, seen: Seen) -> Health | None:
    if not schedule.is_verified or seen.ended is None:
        return None
    known = max((view.verified_at for view in seen.complete if view.verified_at is not None), default=None)
    base = known or schedule.created
    if base >= min(seen.now - VERIFIED_WITHIN, needed_since(schedule, seen.now)):
        return None
    since = f"since {time_of(known)}" if known is not None else "yet"
    message = f"no backup has been verified {since}; the condition Verified of each says why"
    return Health(ScheduleReason.VERIFICATION_OVERDUE, message)


def _fallen(seen: Seen) -> Health | None:
    if len(seen.complete) < 2:
        return None
    before, now = seen.complete[-2:]
    if before.znodes < _FEW or now.znodes * 2 > before.znodes:
        return None
    message = (
        f"{now.name} has {now.znodes} znodes, {before.name} before it has {before.znodes}; to keep that one whatever "
        f"the retention says: kubectl label zkb {before.name} {SCHEDULE_LABEL}-"
    )
    return Health(ScheduleReason.ZNODES_FELL, message)


def _well(schedule: ValidatedSchedule, seen: Seen) -> Health:
    newest: BackupView | None = seen.complete[-1] if seen.complete else None
    if newest is not None:
        return Health(ScheduleReason.ON_SCHEDULE, f"{newest.name} has {newest.znodes} znodes at zxid {newest.zxid}")
    if seen.open is not None:
        return Health(ScheduleReason.FIRST_PENDING, f"{seen.open.name} is the first backup; kubectl get zkb has more")
    first = time_of(schedule.timetable.next_after(seen.now))
    return Health(ScheduleReason.FIRST_PENDING, f"the first backup is due at {first}")
