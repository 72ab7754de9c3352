"""Decides for one backup that is being deleted: the data goes first, then the finalizer. Pure."""

from dataclasses import replace
from typing import Final

from zkoperator.api.reasons import BackupReason
from zkoperator.backup.build.job import delete_job
from zkoperator.backup.model.job import JobView, Phase
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.observe.seen import Seen
from zkoperator.backup.plan.outcome import outcome_of
from zkoperator.backup.plan.progress import POLL_S, WAIT_S, Plan, progress_of
from zkoperator.backup.plan.steps import CreateJob, RemoveJob, SetFinalizer
from zkoperator.backup.plan.under_way import foreign_job, under_way
from zkoperator.backup.validate import ValidatedBackup

_AGAIN_S: Final = 60.0
"""Seconds between the end of a Job that could not delete the data, and the next one."""


def deletion_plan(backup: ValidatedBackup, seen: Seen) -> Plan:
    """Return what follows from one look at a backup that is being deleted."""
    if not backup.has_finalizer:
        return Plan()
    if not backup.deletes_data or backup.status.directory == "":
        return _release()
    if seen.attempt is not None and seen.attempt.owner_uid == backup.meta.uid and not seen.attempt.is_deleting:
        return Plan(RemoveJob(seen.attempt.name, seen.attempt.uid), look_again_s=POLL_S)
    if seen.busy:
        return _deleting(backup, f"pod {seen.busy[0]} has to end first")
    if seen.job is not None:
        return _at_job(backup, seen, seen.job)
    return _next_job(backup, seen)


def how_to_let_go(backup: ValidatedBackup) -> str:
    """Return the command that ends a deletion whose data cannot be deleted."""
    return (
        f"""to let go of the object and leave the data: kubectl patch zookeeperbackup {backup.meta.name} """
        """--type=merge -p '{"metadata":{"finalizers":null}}'"""
    )


def cannot_delete(backup: ValidatedBackup, why: str) -> Plan:
    """Return the plan to say why the data cannot be deleted and how to let go of the object, and to try again."""
    message = f"the data below {backup.status.directory} cannot be deleted: {why}; {how_to_let_go(backup)}"
    return Plan(progress=progress_of(backup, BackupReason.DELETION_FAILED, message), look_again_s=WAIT_S)


def _next_job(backup: ValidatedBackup, seen: Seen) -> Plan:
    needs = seen.needs
    if needs is None:
        return Plan(look_again_s=POLL_S)
    if needs.storage is not None:
        return _release()  # the claim is gone, and with it the data
    if isinstance(needs.image, Waiting):
        return cannot_delete(backup, needs.image.message)
    return replace(_deleting(backup, "its Job is starting"), step=CreateJob(delete_job(backup, needs.image)))


def _at_job(backup: ValidatedBackup, seen: Seen, job: JobView) -> Plan:
    if job.owner_uid != backup.meta.uid:
        return cannot_delete(backup, foreign_job(job).message)
    if job.is_deleting:
        return Plan(look_again_s=POLL_S)
    if job.phase is not Phase.ENDED:
        doing = under_way(job, "deletes the data")
        if doing.reason is BackupReason.JOB_NOT_STARTED:
            return replace(cannot_delete(backup, doing.message), look_again_s=POLL_S)
        return _deleting(backup, doing.message)
    outcome = outcome_of(job)
    if not isinstance(outcome, Waiting):
        return _release()
    if job.ended_at is not None and (seen.now - job.ended_at).total_seconds() >= _AGAIN_S:
        return Plan(RemoveJob(job.name, job.uid), look_again_s=POLL_S)
    return cannot_delete(backup, f"{outcome.reason}: {outcome.message}")


def _release() -> Plan:
    return Plan(SetFinalizer(wanted=False))


def _deleting(backup: ValidatedBackup, what: str) -> Plan:
    message = f"the data below {backup.status.directory} is being deleted: {what}"
    return Plan(progress=progress_of(backup, BackupReason.DELETING, message), look_again_s=POLL_S)
