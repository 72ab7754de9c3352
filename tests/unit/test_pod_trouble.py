"""What Kubernetes says of a pod that does not start, and what the operator adds to it."""

from typing import Any

import pytest

from zkoperator.ensemble.views import pod_view


def trouble(conditions: list[dict[str, Any]], waiting: dict[str, str]) -> str:
    manifest = {
        "metadata": {"name": "main-zk-0", "uid": "u"},
        "spec": {"containers": [{"image": "zookeeper:3.9.5"}]},
        "status": {"conditions": conditions, "containerStatuses": [{"state": {"waiting": waiting}}]},
    }
    return pod_view(1, manifest).trouble


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
