"""Which backups of a schedule are kept, and which one is deleted next. Pure."""

from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from zkoperator.api.backup_schedule import BackupRetention
from zkoperator.backup.schedule.seen import BackupView, Seen, State

FAILED_KEPT: Final = 3
"""Number of failed backups in a row whose objects are kept, the newest ones. They have no data."""


def kept(runs: Collection[datetime], retention: BackupRetention, zone: tzinfo) -> frozenset[datetime]:
    """Return the runs whose backups are kept: every one that `last`, `daily` or `weekly` asks for.

    Args:
        runs: of complete backups, aware.
        retention: how many are asked for.
        zone: in which days and weeks begin.
    """
    newest_first = sorted(set(runs), reverse=True)

    def day(run: datetime) -> date:
        return run.astimezone(zone).date()

    def monday(run: datetime) -> date:
        return day(run) - timedelta(days=day(run).weekday())

    return frozenset(
        (
            *newest_first[: retention.last],
            *_newest_of_each(newest_first, day, retention.daily),
            *_newest_of_each(newest_first, monday, retention.weekly),
        )
    )


def superfluous(seen: Seen, retention: BackupRetention, zone: tzinfo) -> BackupView | None:
    """Return the backup that is deleted next, None when all are kept.

    Args:
        seen: the backups of the schedule.
        retention: how many are asked for.
        zone: in which days and weeks begin.
    """
    ended = [view for view in seen.backups if view.state is not State.OPEN and not view.deleting]
    failed = [view for view in ended if view.state is State.FAILED]
    if not ended:
        return None
    if ended[-1].state is State.FAILED:
        # Copies may be all that there will be: none goes. What goes is an object without data.
        return next(iter(failed[:-FAILED_KEPT]), None)
    asked_for = kept([view.run for view in seen.complete], retention, zone)
    goes = [view for view in seen.complete if view.run not in asked_for and view not in (seen.verified, seen.drilled)]
    return next(iter((*failed, *goes)), None)


def _newest_of_each(
    newest_first: list[datetime], period: Callable[[datetime], date], number: int
) -> Iterator[datetime]:
    """Yield the newest run of each of so many periods that have one."""
    known: set[date] = set()
    for run in newest_first:
        if period(run) in known:
            continue
        if len(known) == number:
            return
        known.add(period(run))
        yield run
