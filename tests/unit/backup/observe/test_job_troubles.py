"""What keeps a Job from its work is told in the words of its controller, the scheduler or the kubelet."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.models.seeds import Seed, rewritten
from tests.support.worlds.backup_site import (
    FAILED,
    NAMESPACE,
    BackupSite,
    site_with_job,
)
from zkoperator.backup.observe import jobs, observer
from zkoperator.backup.order import Reason
from zkoperator.kube.port import (
    EVENTS,
    PODS,
    Manifest,
)


async def test_a_job_that_gets_no_pod_is_told_with_the_words_of_its_controller() -> None:
    site = await site_with_job()
    job = site.jobs()[0]
    site.kube.put(EVENTS, warning(job, "Job", "FailedCreate", "pods is forbidden: exceeded quota: pods=10"))
    await site.reconcile()
    assert site.condition("Complete")[1] == "JobNotStarted"
    assert "FailedCreate: pods is forbidden: exceeded quota" in site.condition("Complete")[2]


async def test_a_pod_that_cannot_be_scheduled_or_mounted_is_told_with_the_words_of_the_scheduler_or_kubelet() -> None:
    site = await site_with_job()
    site.starts_pods = False
    site.run_jobs()
    pod = site.pod_of(site.jobs()[0])
    assert pod is not None
    name = pod["metadata"]["name"]
    site.kube.put(EVENTS, warning(pod, "Pod", "FailedMount", 'secret "main-zk-admin" not found'))
    await site.reconcile()
    assert 'FailedMount: secret "main-zk-admin" not found' in site.condition("Complete")[2]
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    status: Manifest = {"conditions": [unscheduled], "containerStatuses": []}
    site.kube.edit(PODS, NAMESPACE, name, {"status": status}, subresource="status")
    await site.reconcile()
    assert "Unschedulable: 0/3 nodes" in site.condition("Complete")[2]
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    status = {"conditions": [], "containerStatuses": [{"name": "backup", "state": waiting}]}
    site.kube.edit(PODS, NAMESPACE, name, {"status": status}, subresource="status")
    await site.reconcile()
    assert "ErrImagePull: no such image" in site.condition("Complete")[2]


def warning(about: Manifest, kind: str, reason: str, note: str) -> Manifest:
    meta = about["metadata"]
    return {
        "metadata": {"name": f"{meta['name']}.{reason}".lower(), "namespace": NAMESPACE},
        "regarding": {"kind": kind, "name": meta["name"], "uid": meta["uid"]},
        "type": "Warning",
        "reason": reason,
        "note": note,
        "eventTime": "2026-11-30T12:00:00.000000Z",
    }


@pytest.mark.parametrize(
    ("end", "reason", "words"),
    [
        ({"reason": "DeadlineExceeded"}, "DeadlineExceeded", "deadline"),
        ({"exitCode": 137}, "JobLost", "exit code 137"),
    ],
)
async def test_a_container_that_leaves_no_result_is_told_by_how_it_ended(
    end: dict[str, Any], reason: str, words: str
) -> None:
    site = await site_with_job()
    site.run_jobs()
    site.finish("main-1-take1", None, **end)
    await site.reconcile()
    assert site.condition("Complete")[1] == reason
    assert words in site.condition("Complete")[2]


async def test_pods_of_an_earlier_job_tell_nothing_of_this_one() -> None:
    site = BackupSite()
    site.answers = [FAILED[Reason.UNREACHABLE]]
    site.create()
    await site.settle(seconds=10)
    while len(site.jobs()) < 2:
        site.wall += timedelta(seconds=await site.reconcile())
    assert site.pod_of(site.jobs()[1]) is None
    await site.reconcile()
    assert "take2 is starting" in site.condition("Complete")[2]


def _other_pods(patch: pytest.MonkeyPatch) -> None:
    """Read the pods of any Job as those of this one."""
    rewritten(jobs, "read_job", "if _owner_of(pod) == uid", "")(patch)
    patch.setattr(observer, "read_job", jobs.read_job)


SEEDS = (
    Seed(
        "the pod of another Job tells nothing of this one",
        _other_pods,
        (test_pods_of_an_earlier_job_tell_nothing_of_this_one,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
