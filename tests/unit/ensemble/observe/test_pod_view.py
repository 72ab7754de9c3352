"""What Kubernetes says of a pod that does not start, and what the operator adds to it."""

from typing import Any

import pytest

from zkoperator.ensemble.observe.pod_view import PodView, Running, pod_view


def view(conditions: list[dict[str, Any]], *statuses: dict[str, Any], **metadata: str) -> PodView:
    manifest = {
        "metadata": {"name": "main-zk-0", "uid": "u", **metadata},
        "spec": {
            "containers": [{"name": "proxy", "image": "proxy:1"}, {"name": "zookeeper", "image": "zookeeper:3.9.5"}]
        },
        "status": {"conditions": conditions, "containerStatuses": list(statuses)},
    }
    return pod_view(1, manifest)


def trouble(conditions: list[dict[str, Any]], waiting: dict[str, str], **status: Any) -> str:
    return view(conditions, {"name": "zookeeper", "state": {"waiting": waiting}, **status}).trouble


def ended(reason: str, code: int) -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code}}


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"])
def test_an_image_that_does_not_come_points_at_the_fields_about_it(reason: str) -> None:
    told = trouble([], {"reason": reason, "message": "no such image"})
    assert told == f"{reason}: no such image; check spec.image, spec.imagePullPolicy and spec.imagePullSecrets"


def test_a_container_that_keeps_ending_points_at_its_log() -> None:
    told = trouble([], {"reason": "CrashLoopBackOff", "message": "back-off"})
    assert told == "CrashLoopBackOff: back-off; its log says why (kubectl logs --previous)"


@pytest.mark.parametrize(
    "message",
    [
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        'storageclass.storage.k8s.io "fast" not found',
    ],
)
def test_a_claim_without_a_volume_points_at_the_storage_class(message: str) -> None:
    told = trouble([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}], {})
    assert told.startswith(f"Unschedulable: {message}; create the StorageClass")
    assert "spec.storage.storageClassName" in told


def test_a_node_that_is_too_small_is_told_in_the_schedulers_words() -> None:
    message = "0/1 nodes are available: 1 Insufficient cpu."
    told = trouble([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}], {})
    assert told == f"Unschedulable: {message}"


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_pod_that_is_only_starting_is_no_trouble(reason: str) -> None:
    assert trouble([], {"reason": reason}) == ""


def test_a_container_that_admission_put_first_is_not_taken_for_the_member() -> None:
    sidecar = {"name": "proxy", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    member = {"name": "zookeeper", "state": {"running": {}}, "started": True}
    seen = view([{"type": "Ready", "status": "True"}], sidecar, member)
    assert (seen.image, seen.running, seen.trouble) == ("zookeeper:3.9.5", Running.YES, "")
    assert view([], {"name": "proxy", "state": {"running": {}}}).running is Running.UNKNOWN


def test_too_little_memory_is_told_with_the_field_to_raise() -> None:
    told = trouble([], {"reason": "CrashLoopBackOff", "message": "back-off"}, lastState=ended("OOMKilled", 137))
    assert told == "CrashLoopBackOff: back-off; it was OOMKilled: raise spec.resources.limits.memory"
    between = {"name": "zookeeper", "state": {"running": {}}, "started": False, "restartCount": 1}
    told = view([], {**between, "lastState": ended("OOMKilled", 137)}).trouble
    assert told == "OOMKilled: exit code 137; raise spec.resources.limits.memory"


def test_a_container_that_fails_each_time_is_in_trouble_between_two_failures_as_well() -> None:
    failing: dict[str, Any] = {"name": "zookeeper", "restartCount": 3, "lastState": ended("Error", 1)}
    told = "Error: exit code 1; its log says why (kubectl logs --previous)"
    assert view([], {**failing, "state": {"running": {}}, "started": False}).trouble == told
    assert view([], {**failing, "state": ended("Error", 1)}).trouble == told


@pytest.mark.parametrize(
    "status",
    [
        {"state": {"running": {}}, "started": True, "restartCount": 9, "lastState": ended("Error", 1)},
        {"state": {"running": {}}, "started": True, "restartCount": 9, "lastState": ended("OOMKilled", 137)},
        {"state": {"running": {}}, "started": False, "restartCount": 1, "lastState": ended("Error", 137)},
        {"state": {"running": {}}, "started": False, "restartCount": 0},
        {"state": ended("Error", 137), "restartCount": 0},
    ],
)
def test_a_container_that_came_up_again_or_ended_once_is_in_no_trouble(status: dict[str, Any]) -> None:
    assert view([], {"name": "zookeeper", **status}).trouble == ""


def test_a_pod_that_is_being_stopped_ends_as_it_should() -> None:
    stopped = {"name": "zookeeper", "restartCount": 5, "state": ended("Error", 143)}
    assert view([], stopped, deletionTimestamp="now").trouble == ""


SHIPPER = "container shipper: CrashLoopBackOff: back-off; check its entry in spec.pod, or who added it"


def test_a_container_beside_or_before_the_member_that_fails_is_named() -> None:
    failing = {"name": "shipper", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}
    assert view([], {"name": "zookeeper", "state": {"running": {}}}, failing).trouble.startswith(SHIPPER)
    manifest = {
        "metadata": {"name": "main-zk-0", "uid": "u"},
        "spec": {"containers": [{"name": "zookeeper", "image": "zookeeper:3.9.5"}]},
        "status": {
            "initContainerStatuses": [failing],
            "containerStatuses": [{"name": "zookeeper", "state": {"waiting": {"reason": "PodInitializing"}}}],
        },
    }
    found = pod_view(1, manifest)
    assert found.trouble.startswith(SHIPPER)
    assert found.running is Running.NO


def test_a_container_that_has_done_its_work_before_the_member_is_no_trouble() -> None:
    done = {"name": "copy", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}, "restartCount": 3}
    assert view([], {"name": "zookeeper", "state": {"running": {}}}, done).trouble == ""


def test_the_member_s_own_trouble_is_told_before_that_of_others() -> None:
    failing = {"name": "shipper", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    own = {"name": "zookeeper", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
    assert view([], own, failing).trouble.startswith("ErrImagePull: no such image")
