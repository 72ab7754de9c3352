"""The names that backups put on objects. They are public: nothing here may change. Pure."""

import re
from datetime import UTC, datetime
from typing import Final

FINALIZER: Final = "zkoperator.dev/backup"
"""On a ZooKeeperBackup with `deletionPolicy: Delete`, from before its first Job until its data is deleted."""
BACKUP_LABEL: Final = "zkoperator.dev/backup"
"""On Jobs and their pods: the name of the ZooKeeperBackup."""
SCHEDULE_LABEL: Final = "zkoperator.dev/schedule"
"""On a ZooKeeperBackup that a schedule has made: the name of the ZooKeeperBackupSchedule."""
SCHEDULE_UID_LABEL: Final = "zkoperator.dev/schedule-uid"
"""On the same: the uid of the ZooKeeperBackupSchedule. Only backups with both labels are deleted by a retention."""
LABELS: Final = {"app.kubernetes.io/name": "zkoperator-backup", "app.kubernetes.io/managed-by": "zkoperator"}
"""On Jobs and their pods. No Service, budget or policy of an ensemble selects them."""
RIGHTS: Final = "the rights for Jobs: install manifests/backup, or set the chart's value backup.enabled"

_STAMP = "%Y%m%d%H%M"
_SCHEDULED = re.compile(r"(?P<schedule>.+)-(?P<stamp>[0-9]{12})")


def attempt_job(backup: str, attempt: int) -> str:
    """Return the Job that takes a backup. Its name follows from the number, so that none is made twice."""
    return f"{backup}-take{attempt}"


def drill_job(backup: str) -> str:
    """Return the Job that has a server start from a backup."""
    return f"{backup}-drill"


def deletion_job(backup: str) -> str:
    """Return the Job that deletes the data of a backup."""
    return f"{backup}-delete"


def scheduled_backup(schedule: str, run: datetime) -> str:
    """Return the ZooKeeperBackup of one run of a schedule. Its name follows from the time, so that none is made twice.

    The time is in UTC: in a time zone, one hour of a year comes twice.
    """
    return f"{schedule}-{run.astimezone(UTC).strftime(_STAMP)}"


def schedule_of(backup: str) -> str | None:
    """Return the schedule that may have made a backup of this name, None when none has."""
    found = _SCHEDULED.fullmatch(backup)
    return found["schedule"] if found is not None else None


def run_of(backup: str) -> datetime | None:
    """Return the run whose backup has this name, None when the name is not that of a run."""
    found = _SCHEDULED.fullmatch(backup)
    if found is None:
        return None
    try:
        return datetime.strptime(found["stamp"], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
