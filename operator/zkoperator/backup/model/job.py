"""What the operator reads of a Job and of its pod. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from zkoperator.kube.port import Manifest

_DEADLINE = "DeadlineExceeded"
_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons of a waiting container that are no failures."""


class Phase(Enum):
    """Where a Job stands."""

    STARTING = auto()
    """No container of it runs yet."""
    RUNNING = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class JobView:
    """A Job as it was read.

    Args:
        name, uid: of the Job.
        owner_uid: of the object that controls it, "" when none does.
        is_deleting: whether it waits for its end.
        phase: where it stands.
        trouble: why no container of it runs, "" while nothing is wrong.
        message: the termination message, "" when there is none.
        failure: what Kubernetes says about its end, "" for a success.
        overdue: whether it was ended by its deadline.
        ended_at: when it ended.
    """

    name: str
    uid: str
    owner_uid: str
    is_deleting: bool
    phase: Phase
    trouble: str = ""
    message: str = ""
    failure: str = ""
    overdue: bool = False
    ended_at: datetime | None = None


def job_view(job: Manifest, pods: Sequence[Manifest], told: str = "") -> JobView:
    """Return the view of a Job.

    Args:
        job: the Job.
        pods: its pods.
        told: the newest warning among the Events about the Job or its pod.
    """
    end = _end(job)
    pod = max(pods, key=lambda each: str(each["metadata"].get("creationTimestamp") or ""), default=None)
    terminated = _terminated(pod)
    phase = Phase.ENDED if end is not None else Phase.RUNNING if _has_started(pod) else Phase.STARTING
    failure = _failure(end, terminated) if end is not None and end["type"] == "Failed" else ""
    return JobView(
        name=job["metadata"]["name"],
        uid=job["metadata"].get("uid", ""),
        owner_uid=_owner_uid(job),
        is_deleting="deletionTimestamp" in job["metadata"],
        phase=phase,
        trouble=(_trouble(pod) or told) if phase is Phase.STARTING else "",
        message=str(terminated.get("message") or ""),
        failure=failure,
        overdue=end is not None and end.get("reason") == _DEADLINE,
        ended_at=datetime.fromisoformat(end["lastTransitionTime"]) if end is not None else None,
    )


def _owner_uid(job: Manifest) -> str:
    owners = job["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _end(job: Manifest) -> Manifest | None:
    """Return the condition that says how the Job ended, None while it has not."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), None)


def _container(pod: Manifest | None) -> Manifest:
    statuses = ((pod or {}).get("status") or {}).get("containerStatuses") or ()
    return (statuses[0].get("state") or {}) if statuses else {}


def _terminated(pod: Manifest | None) -> Manifest:
    return _container(pod).get("terminated") or {}


def _has_started(pod: Manifest | None) -> bool:
    return bool({"running", "terminated"} & _container(pod).keys())


def _failure(end: Manifest, terminated: Manifest) -> str:
    """Return why the container ended, or why the Job did."""
    if terminated:
        words = f"{terminated.get('reason') or 'Error'}, exit code {terminated.get('exitCode')}"
        return f"its container ended with {words}"
    return str(end.get("message") or end.get("reason") or "it failed")


def _trouble(pod: Manifest | None) -> str:
    """Return why the container of the pod does not start, as the scheduler and the kubelet say in its status."""
    status = (pod or {}).get("status") or {}
    beside = [each.get("state") or {} for each in status.get("initContainerStatuses") or ()]
    for waiting in (state.get("waiting") or {} for state in (_container(pod), *beside)):
        if (reason := str(waiting.get("reason") or "")) not in _STARTING:
            return ": ".join(filter(None, (reason, str(waiting.get("message") or ""))))
    conditions = status.get("conditions") or ()
    unscheduled = next((c for c in conditions if c["type"] == "PodScheduled" and c["status"] == "False"), None)
    return f"{unscheduled.get('reason')}: {unscheduled.get('message')}" if unscheduled is not None else ""
