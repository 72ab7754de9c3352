"""Where a backup stands after a pass, and what a plan is. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from zkoperator.api.reasons import BackupReason
from zkoperator.backup.order import Facts
from zkoperator.backup.plan.steps import Step
from zkoperator.backup.validate import ValidatedBackup

POLL_S: Final = 2.0
"""Seconds between two looks at a Job that has not ended."""
WAIT_S: Final = 15.0
"""Seconds between two looks for something that is missing."""


@dataclass(frozen=True, slots=True)
class Drill:
    """Where the drill of a complete backup stands: reason and message of the condition Verified."""

    reason: BackupReason
    message: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a backup stands after a pass.

    Args:
        reason, message: for the condition Complete, and for Failed when it is given up.
        attempts: Jobs that have ended.
        retry_at: when the next one may start, None for at once.
        job: the Job that is there, "" for none.
        directory: in the storage, "" while it is not known.
        facts: of the data, None while it is not stored.
        given_up: whether there is no further attempt.
        drill: where it stands, None while it does not say anything new.
    """

    reason: BackupReason
    message: str
    attempts: int
    retry_at: datetime | None = None
    job: str = ""
    directory: str = ""
    facts: Facts | None = None
    given_up: bool = False
    drill: Drill | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """At most one write, what to report, and when to look again. Nothing to report leaves the status as it is."""

    step: Step | None = None
    progress: Progress | None = None
    look_again_s: float = float("inf")


def progress_of(backup: ValidatedBackup, reason: BackupReason, message: str) -> Progress:
    """Return where the backup stands by its status, for this reason."""
    status = backup.status
    retry_at = datetime.fromisoformat(status.retry_at) if status.retry_at is not None else None
    return Progress(reason, message, status.attempts, retry_at, status.job, status.directory)


def complete_progress(backup: ValidatedBackup) -> Progress:
    """Return where a complete backup stands."""
    return progress_of(backup, BackupReason.COMPLETE, stored_text(backup.status.znodes, backup.status.zxid))


def stored_text(znodes: int, zxid: str) -> str:
    """Return the message of a complete backup."""
    return f"{znodes} znodes at zxid {zxid} are stored"
