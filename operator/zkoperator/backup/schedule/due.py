"""Which backup of a schedule is due. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from zkoperator.backup.schedule.validate import ValidatedSchedule

_SKEW: Final = timedelta(minutes=1)
"""A run that lies further ahead was made by a wrong clock. It does not hold up the schedule."""


def due_run(schedule: ValidatedSchedule, taken: Iterable[datetime], now: datetime) -> datetime | None:
    """Return the run whose backup has to be made, None when there is none.

    Of the runs that were missed it is the newest one: the others are not made up.

    Args:
        schedule: what is asked for.
        taken: the runs whose backups are there.
        now: by the wall clock, aware.
    """
    if schedule.spec.suspend:
        return None
    known = {*taken, *([schedule.handled] if schedule.handled is not None else [])}
    if schedule.spec.immediate and not known:
        return schedule.created.replace(second=0, microsecond=0)
    run = schedule.timetable.last_until(now)
    handled = max((moment for moment in known if moment <= now + _SKEW), default=schedule.created)
    return run if run > max(handled, schedule.created) and run not in known else None
