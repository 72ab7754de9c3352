"""What the end of a Job means: the result of its container, or what Kubernetes says of one that has none. Pure."""

from zkoperator.api.reasons import BackupReason
from zkoperator.backup.model.job import JobView
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.order import Complete, Failed, result_from_json
from zkoperator.errors import InvalidError


def outcome_of(job: JobView) -> Complete | Waiting:
    """Return the result of a Job that has ended, or the reason of its failure."""
    try:
        result = result_from_json(job.message)
    except InvalidError:
        return _without_result(job)
    if isinstance(result, Failed):
        return Waiting(BackupReason(result.reason.value), result.message)
    return result


def _without_result(job: JobView) -> Waiting:
    if job.overdue:
        return Waiting(BackupReason.DEADLINE_EXCEEDED, f"Job {job.name} was ended by its deadline: {job.failure}")
    if job.failure:
        return Waiting(BackupReason.JOB_LOST, f"Job {job.name} has left no result: {job.failure}")
    return Waiting(BackupReason.JOB_LOST, f"Job {job.name} has ended, and its pod with the result is gone")
