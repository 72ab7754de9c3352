"""Decides for one complete backup whose drill is due: make its Job, wait for it, take its result. Pure."""

from dataclasses import replace

from zkoperator.api.reasons import BackupReason
from zkoperator.backup.build.job import drill_job_of
from zkoperator.backup.model.job import JobView, Phase
from zkoperator.backup.model.names import drill_job
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.observe.seen import Seen
from zkoperator.backup.plan.outcome import outcome_of
from zkoperator.backup.plan.progress import POLL_S, WAIT_S, Drill, Plan, complete_progress
from zkoperator.backup.plan.steps import CreateJob
from zkoperator.backup.plan.under_way import foreign_job, under_way
from zkoperator.backup.validate import ValidatedBackup


def drill_plan(backup: ValidatedBackup, seen: Seen) -> Plan:
    """Return what follows from one look at a complete backup whose drill is due."""
    job = seen.job
    if job is None:
        return _begin(backup, seen)
    if job.owner_uid != backup.meta.uid:
        return _wait(backup, foreign_job(job).message)
    if job.is_deleting:
        return Plan(look_again_s=POLL_S)
    if job.phase is Phase.ENDED:
        return _ended(backup, job)
    return _told(backup, BackupReason.DRILLING, under_way(job, "has a server start from the copy").message, job.name)


def _begin(backup: ValidatedBackup, seen: Seen) -> Plan:
    needs = seen.needs
    if needs is None or needs.server is None:
        return Plan(look_again_s=POLL_S)
    missing = next((need for need in (needs.storage, needs.image) if isinstance(need, Waiting)), None)
    if missing is not None or not isinstance(needs.image, str):
        return _wait(backup, missing.message if missing is not None else "")
    name = drill_job(backup.meta.name)
    plan = _told(backup, BackupReason.DRILLING, f"Job {name} is starting", name)
    return replace(plan, step=CreateJob(drill_job_of(backup, needs.image, needs.server)))


def _ended(backup: ValidatedBackup, job: JobView) -> Plan:
    outcome = outcome_of(job)
    if isinstance(outcome, Waiting):
        advice = f"the copy is kept, and kubectl logs job/{job.name} --all-containers has the words of the server"
        message = f"{outcome.reason}: {outcome.message}; {advice}"
        return replace(_told(backup, BackupReason.DRILL_FAILED, message, job.name), look_again_s=float("inf"))
    message = "a server of the ensemble's image has started from the copy, with the same tree, and has taken a write"
    return replace(_told(backup, BackupReason.DRILLED, message, job.name), look_again_s=0.0)


def _wait(backup: ValidatedBackup, message: str) -> Plan:
    return replace(_told(backup, BackupReason.DRILLING, message, backup.status.job), look_again_s=WAIT_S)


def _told(backup: ValidatedBackup, reason: BackupReason, message: str, job: str) -> Plan:
    progress = replace(complete_progress(backup), job=job, drill=Drill(reason, message))
    return Plan(progress=progress, look_again_s=POLL_S)
