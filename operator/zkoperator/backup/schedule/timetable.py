"""When a schedule is due: a cron expression in a time zone. Pure: the present is an argument."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from zkoperator.errors import FieldError

_REPEATED: Final = timedelta(hours=3)
"""Longer than clocks are changed by: so much later a search backwards begins, and leaves out what is to come."""
_SECOND: Final = timedelta(seconds=1)
_ANY_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Timetable:
    """The runs of a schedule, as moments in UTC.

    Where neither minute nor hour begins with `*`, a run at a time that a change of the clocks skips is made up right
    after it, and one at a time that it repeats is there once. Where one does, the hours count as they pass.

    Args:
        cron: five fields.
        zone: in which they are meant.
    """

    cron: str
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime:
        """Return the first run after a moment."""
        runs = CronSim(self.cron, moment.replace(microsecond=0).astimezone(self.zone))
        # In an hour that is repeated the library knows the local time alone, and may give a run that has been.
        return next(found for run in runs if (found := run.astimezone(UTC)) > moment)

    def last_until(self, moment: datetime) -> datetime:
        """Return the last run at a moment or before it."""
        begin = moment.replace(microsecond=0) + _REPEATED
        runs = CronSim(self.cron, begin.astimezone(self.zone), reverse=True)
        return next(found for run in runs if (found := run.astimezone(UTC)) <= moment)

    def last_before(self, moment: datetime) -> datetime:
        """Return the last run before a moment."""
        return self.last_until(moment.replace(microsecond=0) - _SECOND)


def read_timetable(cron: str, zone: str, field: str = "spec.schedule") -> Timetable | tuple[FieldError, ...]:
    """Return the timetable, or what is wrong with `field` and with the time zone."""
    errors = []
    try:
        found = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        errors.append(FieldError("spec.timeZone", f"there is no time zone {zone}; write one as Europe/Berlin or UTC"))
        found = None
    if problem := _problem_of(cron):
        errors.append(FieldError(field, problem))
    return Timetable(cron, found) if found is not None and not errors else tuple(errors)


def _problem_of(cron: str) -> str:
    try:
        first = next(CronSim(cron, _ANY_DAY), None)
    except CronSimError as error:
        return f"{str(error).lower()}: write values from the lowest to the highest, and only days that the months have"
    return "" if first is not None else "no day is ever such a one; change the day or the month"
