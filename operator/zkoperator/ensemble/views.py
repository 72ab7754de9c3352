"""Pods and claims as the planner needs them, from their manifests. Pure."""

import re
from typing import Any

from zkoperator.ensemble.names import MEMBERSHIP, RESTART, REVISION, TEMPLATE
from zkoperator.ensemble.world import ClaimView, PodView, Running
from zkoperator.kube.port import Manifest

_HARMLESS_WAITS = ("ContainerCreating", "PodInitializing")
_MESSAGE_LIMIT = 300
_IMAGE = "check spec.image, spec.imagePullPolicy and spec.imagePullSecrets"
_ADVICE = {
    "ErrImagePull": _IMAGE,
    "ImagePullBackOff": _IMAGE,
    "ErrImageNeverPull": _IMAGE,
    "InvalidImageName": _IMAGE,
    "CrashLoopBackOff": "its log says why (kubectl logs --previous)",
}
_CLAIMS = re.compile(r"PersistentVolumeClaim|storageclass", re.IGNORECASE)
_STORAGE = "create the StorageClass, or a new cluster with another spec.storage.storageClassName (kubectl get sc, pvc)"


def pod_view(member: int, manifest: Manifest) -> PodView:
    """Return the pod of a member."""
    meta, spec, status = manifest["metadata"], manifest["spec"], manifest.get("status", {})
    annotations = meta.get("annotations") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    container: dict[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        member=member,
        owner_uid=_controller(meta),
        ip=status.get("podIP", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting="deletionTimestamp" in meta,
        running=_running(status, container),
        unschedulable=_scheduled(conditions).get("reason") == "Unschedulable",
        trouble=_trouble(conditions, container),
        image=spec["containers"][0]["image"],
        revision=annotations.get(REVISION, ""),
        template=annotations.get(TEMPLATE, ""),
        restart=annotations.get(RESTART, ""),
    )


def claim_view(member: int, manifest: Manifest) -> ClaimView:
    """Return the claim of a member."""
    meta = manifest["metadata"]
    return ClaimView(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        member=member,
        membership=(meta.get("annotations") or {}).get(MEMBERSHIP, ""),
        owners=tuple(reference["uid"] for reference in meta.get("ownerReferences") or ()),
        deleting="deletionTimestamp" in meta,
    )


def _controller(meta: dict[str, Any]) -> str:
    return next((str(ref["uid"]) for ref in meta.get("ownerReferences") or () if ref.get("controller")), "")


def _running(status: dict[str, Any], container: dict[str, Any]) -> Running:
    state = container.get("state") or {}
    if "running" in state:
        return Running.YES
    if "waiting" in state or "terminated" in state or status.get("phase") in ("Pending", "Failed", "Succeeded"):
        return Running.NO
    return Running.UNKNOWN


def _scheduled(conditions: dict[str, Any]) -> dict[str, Any]:
    condition: dict[str, Any] = conditions.get("PodScheduled", {})
    return condition if condition.get("status") == "False" else {}


def _trouble(conditions: dict[str, Any], container: dict[str, Any]) -> str:
    """Return reason and message of what keeps the pod from running, empty while nothing is known to."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    found = _scheduled(conditions) or waiting
    reason = found.get("reason", "")
    if not reason or reason in _HARMLESS_WAITS:
        return ""
    told = f"{reason}: {found.get('message', '')}".removesuffix(": ")[:_MESSAGE_LIMIT]
    advice = _STORAGE if reason == "Unschedulable" and _CLAIMS.search(told) else _ADVICE.get(reason, "")
    return f"{told}; {advice}" if advice else told
