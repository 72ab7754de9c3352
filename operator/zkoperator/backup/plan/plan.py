"""Decides for one backup: make a Job, wait for it, take its result, try again, or give up. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from zkoperator.api.reasons import BACKUP_GIVEN_UP, BackupReason
from zkoperator.backup.build.job import backup_job, directory
from zkoperator.backup.model.access import Access
from zkoperator.backup.model.job import JobView, Phase
from zkoperator.backup.model.names import attempt_job
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.observe.seen import Needs, Seen
from zkoperator.backup.plan.drill import drill_plan
from zkoperator.backup.plan.outcome import outcome_of
from zkoperator.backup.plan.progress import POLL_S, WAIT_S, Plan, complete_progress, progress_of, stored_text
from zkoperator.backup.plan.steps import CreateJob, RemoveJob, SetFinalizer
from zkoperator.backup.plan.under_way import foreign_job, under_way
from zkoperator.backup.validate import ValidatedBackup

MAX_ATTEMPTS: Final = 3
_RETRY_S: Final = (30.0, 300.0)
"""Seconds between the end of a Job and the next one."""


def make_plan(backup: ValidatedBackup, seen: Seen) -> Plan:
    """Return what follows from one look at a backup that is not being deleted."""
    if backup.is_complete:
        return drill_plan(backup, seen) if backup.is_to_be_drilled else _tidy(backup, seen.job)
    if backup.is_given_up:
        return Plan()
    if seen.job is None:
        return _next_job(backup, seen)
    if seen.job.owner_uid != backup.meta.uid:
        return wait(backup, foreign_job(seen.job))
    if seen.job.is_deleting:
        return Plan(look_again_s=POLL_S)
    if seen.job.phase is Phase.ENDED:
        return _ended(backup, seen.job, seen.now)
    return _under_way(backup, seen.job)


def wait(backup: ValidatedBackup, waiting: Waiting) -> Plan:
    """Return the plan to look again later."""
    return Plan(progress=progress_of(backup, waiting.reason, waiting.message), look_again_s=WAIT_S)


def _tidy(backup: ValidatedBackup, job: JobView | None) -> Plan:
    """Delete the Job of a complete backup: its result is in the status. That of a failed drill stays for its log."""
    if not backup.status.job or backup.has_failed_drill:
        return Plan()
    if job is not None and job.owner_uid == backup.meta.uid:
        return Plan(look_again_s=POLL_S) if job.is_deleting else Plan(RemoveJob(job.name, job.uid), look_again_s=POLL_S)
    done = replace(complete_progress(backup), job="")
    return Plan(progress=done, look_again_s=0.0) if backup.awaits_drill else Plan(progress=done)


def _next_job(backup: ValidatedBackup, seen: Seen) -> Plan:
    if (left_s := _left_s(backup, seen.now)) > 0:
        return Plan(look_again_s=left_s)
    if backup.deletes_data and not backup.has_finalizer:
        return Plan(SetFinalizer(wanted=True), look_again_s=0.0)
    return _with_needs(backup, seen.needs) if seen.needs is not None else Plan(look_again_s=POLL_S)


def _with_needs(backup: ValidatedBackup, needs: Needs) -> Plan:
    access, image = needs.access, needs.image
    missing = next((need for need in (needs.storage, access, image) if isinstance(need, Waiting)), None)
    if missing is not None or not isinstance(access, Access) or not isinstance(image, str):
        return wait(backup, missing) if missing is not None else Plan(look_again_s=POLL_S)
    place = directory(backup, access.cluster)
    if backup.status.directory not in ("", place):
        return wait(backup, _another_cluster(backup))
    attempt = backup.status.attempts + 1
    name = attempt_job(backup.meta.name, attempt)
    starting = progress_of(backup, BackupReason.RUNNING, f"Job {name} is starting")
    starting = replace(starting, job=name, directory=place, retry_at=None)
    if backup.status.directory == "":
        # Written first: whoever deletes the data later must know where a Job may have put some.
        return Plan(progress=starting, look_again_s=0.0)
    return Plan(CreateJob(backup_job(backup, attempt, access, image, previous=needs.previous)), starting, POLL_S)


def _another_cluster(backup: ValidatedBackup) -> Waiting:
    name = backup.spec.cluster_ref.name if backup.spec.cluster_ref is not None else ""
    message = (
        f"ZooKeeperCluster {name} was deleted and made anew since this backup began; delete this ZooKeeperBackup and "
        "create another one"
    )
    return Waiting(BackupReason.CLUSTER_NOT_FOUND, message)


def _under_way(backup: ValidatedBackup, job: JobView) -> Plan:
    waiting = under_way(job, "reads the ensemble and stores the copy")
    progress = replace(progress_of(backup, waiting.reason, waiting.message), job=job.name, retry_at=None)
    return Plan(progress=progress, look_again_s=POLL_S)


def _ended(backup: ValidatedBackup, job: JobView, now: datetime) -> Plan:
    """Take the result into the status; the Job itself is deleted in a later pass, when the status has it."""
    outcome = outcome_of(job)
    if isinstance(outcome, Waiting):
        return _failed(backup, job, outcome, now)
    if outcome.backup is None:
        nothing = f"Job {job.name} says that it was done, and not what it has stored"
        return _failed(backup, job, Waiting(BackupReason.INVALID, nothing), now)
    progress = progress_of(backup, BackupReason.COMPLETE, stored_text(outcome.backup.znodes, outcome.backup.zxid))
    attempts = backup.status.attempts + 1
    done = replace(progress, attempts=attempts, retry_at=None, job=job.name, facts=outcome.backup)
    return Plan(progress=done, look_again_s=0.0)


def _failed(backup: ValidatedBackup, job: JobView, why: Waiting, now: datetime) -> Plan:
    attempts = backup.status.attempts + 1
    base = replace(progress_of(backup, why.reason, why.message), attempts=attempts, job=job.name, retry_at=None)
    if why.reason in BACKUP_GIVEN_UP or attempts >= MAX_ATTEMPTS:
        advice = "the operator does not try again: create another ZooKeeperBackup once the cause is gone"
        return Plan(progress=replace(base, message=f"{why.message}; {advice}", given_up=True))
    delay_s = _RETRY_S[min(attempts, len(_RETRY_S)) - 1]
    retry_at = now + timedelta(seconds=delay_s)
    message = f"{why.message}; attempt {attempts} of {MAX_ATTEMPTS}, the next at {retry_at:%H:%M:%S} UTC"
    return Plan(progress=replace(base, message=message, retry_at=retry_at), look_again_s=delay_s)


def _left_s(backup: ValidatedBackup, now: datetime) -> float:
    """Return the seconds until the next attempt may start. A clock that was set back does not make it wait longer."""
    if backup.status.retry_at is None:
        return 0.0
    left_s = (datetime.fromisoformat(backup.status.retry_at) - now).total_seconds()
    return left_s if left_s <= max(_RETRY_S) else 0.0
