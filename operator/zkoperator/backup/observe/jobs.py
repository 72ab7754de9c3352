"""Reads a Job with its pod, and what Events say of it. I/O."""

from zkoperator.backup.model.job import JobView, Phase, job_view
from zkoperator.backup.observe.job_troubles import newest_warning
from zkoperator.kube.port import JOBS, PODS, KubeApi, Manifest


async def read_job(api: KubeApi, namespace: str, name: str, labels: str) -> JobView | None:
    """Return the Job of this name, None when there is none. `labels` selects its pods, among others."""
    job = await api.get(JOBS, namespace, name)
    if job is None:
        return None
    uid = job["metadata"]["uid"]
    pods = [pod for pod in (await api.list(PODS, namespace, labels=labels)).items if _owner_of(pod) == uid]
    view = job_view(job, pods)
    if view.phase is Phase.STARTING and not view.trouble:
        told = await newest_warning(api, *((PODS, pods[0]) if pods else (JOBS, job)))
        return job_view(job, pods, told)
    return view


def _owner_of(pod: Manifest) -> str:
    return next((str(owner["uid"]) for owner in pod["metadata"].get("ownerReferences") or ()), "")
