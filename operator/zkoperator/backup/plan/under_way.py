"""What is said of a Job that has not ended, or that is not ours. Pure."""

from zkoperator.api.reasons import BackupReason
from zkoperator.backup.model.job import JobView, Phase
from zkoperator.backup.model.waiting import Waiting


def foreign_job(job: JobView) -> Waiting:
    """Return why a backup waits whose Job's name is taken by that of another object."""
    message = (
        f"Job {job.name} belongs to another object, perhaps to an earlier ZooKeeperBackup of this name; it goes with "
        f"that, else kubectl delete job {job.name}"
    )
    return Waiting(BackupReason.JOB_NOT_STARTED, message)


def under_way(job: JobView, doing: str) -> Waiting:
    """Return how a Job stands that has not ended. `doing` is what it does once it runs."""
    if job.phase is Phase.RUNNING:
        return Waiting(BackupReason.RUNNING, f"Job {job.name} {doing}")
    if job.trouble:
        return Waiting(BackupReason.JOB_NOT_STARTED, f"Job {job.name} has not started: {job.trouble}")
    return Waiting(BackupReason.RUNNING, f"Job {job.name} is starting")
