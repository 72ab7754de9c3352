"""A member's pod as a value, from its manifest. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.model.names import (
    CERTIFICATES,
    CONTAINER,
    INCARNATION,
    MADE_WITH,
    RESTART,
    RESTARTED,
    REVISION,
    ROLLOUT_RESTARTED,
    TEMPLATE,
    TLS,
)
from zkoperator.ensemble.model.tls import NO_TLS, TlsState, parse_tls_state
from zkoperator.kube.port import Manifest

_HARMLESS_WAITS = ("ContainerCreating", "PodInitializing")
_MESSAGE_LIMIT = 300
_WORDS_LIMIT = 900
_IMAGE = "check spec.image, spec.imagePullPolicy and spec.imagePullSecrets"
_ADVICE = {
    "ErrImagePull": _IMAGE,
    "ImagePullBackOff": _IMAGE,
    "ErrImageNeverPull": _IMAGE,
    "InvalidImageName": _IMAGE,
}
_CRASH_LOOP = "CrashLoopBackOff"
_LOG = "its log says why (kubectl logs --previous)"
_OTHER_ADVICE = "check its entry in spec.pod, or who added it, and its log (kubectl logs --previous --container)"
_OUT_OF_MEMORY = "OOMKilled"
_MEMORY = "raise spec.resources.limits.memory"
_CRASHES = 2
"""Restarts after which a container that has not opened its port counts as failing."""
_CLAIMS = re.compile(r"PersistentVolumeClaim|storageclass", re.IGNORECASE)
_STORAGE = "create the StorageClass, or write another spec.storage.storageClassName (kubectl get sc, pvc)"


class Running(StrEnum):
    """The state of the member's container as the kubelet reports it."""

    YES = "running"
    NO = "not running"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PodView:
    """A member's pod. `trouble` is the reason and message for which it does not run, empty when none is known.

    `secret` is a digest of the superuser's password with which the pod was created, empty for pods without one.
    `restart` is the pod's own restart annotation, `restarted` the cluster's when the pod was created, `rollout` that of
    `kubectl rollout restart` then. `memory_bytes` is the limit of its container, which admission may have set, None
    without one; `out_of_memory_at` is when it was killed for lack of memory last (RFC 3339), empty when it was not.
    `tls` is what the pod was made with, `certificates` the life of the certificate that it started with, `created` the
    time at which it was made, `incarnation` the epoch of the incarnation for which it was made, `node` the
    node that it is bound to, `node_ip` the address of that node.
    """

    name: str
    uid: str
    member: int
    owner_uid: str
    ip: str = ""
    ready: bool = False
    deleting: bool = False
    running: Running = Running.UNKNOWN
    unschedulable: bool = False
    trouble: str = ""
    image: str = ""
    revision: str = ""
    template: str = ""
    secret: str = ""
    restart: str = ""
    restarted: str = ""
    rollout: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    resource_version: str = ""
    memory_bytes: int | None = None
    out_of_memory_at: str = ""
    tls: TlsState = NO_TLS
    certificates: str = ""
    created: str = ""
    incarnation: int = 0
    node: str = ""
    node_ip: str = ""


def pod_view(member: int, manifest: Manifest) -> PodView:
    """Return the pod of a member."""
    meta, spec, status = manifest["metadata"], manifest["spec"], manifest.get("status", {})
    annotations = meta.get("annotations") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    container, others = _ours(status.get("containerStatuses") or ()), _others(status)
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        member=member,
        owner_uid=_controller(meta),
        ip=status.get("podIP", ""),
        ready=_is_ready(conditions),
        deleting="deletionTimestamp" in meta,
        running=_running(status, container),
        unschedulable=_scheduled(conditions).get("reason") == "Unschedulable",
        trouble=_trouble(conditions, container, others, deleting="deletionTimestamp" in meta),
        image=_ours(spec["containers"]).get("image", ""),
        revision=annotations.get(REVISION, ""),
        template=annotations.get(TEMPLATE, ""),
        secret=annotations.get(MADE_WITH, ""),
        restart=annotations.get(RESTART, ""),
        restarted=annotations.get(RESTARTED, ""),
        rollout=annotations.get(ROLLOUT_RESTARTED, ""),
        labels=meta.get("labels") or {},
        resource_version=meta.get("resourceVersion", ""),
        memory_bytes=_memory_bytes(_ours(spec["containers"])),
        out_of_memory_at=_out_of_memory_at(container),
        tls=parse_tls_state(annotations.get(TLS, "")),
        certificates=annotations.get(CERTIFICATES, ""),
        created=meta.get("creationTimestamp", ""),
        incarnation=incarnation_of(annotations),
        node=spec.get("nodeName") or "",
        node_ip=status.get("hostIP") or "",
    )


def incarnation_of(annotations: Mapping[str, str]) -> int:
    """Return the epoch of the incarnation in the annotations of a pod or of a pod template, 0 in the first one."""
    text = annotations.get(INCARNATION, "")
    return int(text) if text.isdecimal() else 0


def _memory_bytes(container: dict[str, Any]) -> int | None:
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return int(parse_quantity(limit)) if limit is not None else None


def _out_of_memory_at(container: dict[str, Any]) -> str:
    last = _last_end(container)
    return str(last.get("finishedAt") or "") if last.get("reason") == _OUT_OF_MEMORY else ""


def _controller(meta: dict[str, Any]) -> str:
    return next((str(ref["uid"]) for ref in meta.get("ownerReferences") or () if ref.get("controller")), "")


def _ours(containers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the member's container; admission may put others before it."""
    return next((container for container in containers if container.get("name") == CONTAINER), {})


def _others(status: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the states of the containers before the member and beside it: while one fails, the pod is not ready."""
    kinds = ("initContainerStatuses", "containerStatuses")
    return [each for kind in kinds for each in status.get(kind) or () if each.get("name") != CONTAINER]


def _running(status: dict[str, Any], container: dict[str, Any]) -> Running:
    state = container.get("state") or {}
    if "running" in state:
        return Running.YES
    if "waiting" in state or "terminated" in state or status.get("phase") in ("Pending", "Failed", "Succeeded"):
        return Running.NO
    return Running.UNKNOWN


def _is_ready(conditions: dict[str, Any]) -> bool:
    return bool(conditions.get("Ready", {}).get("status") == "True")


def _scheduled(conditions: dict[str, Any]) -> dict[str, Any]:
    condition: dict[str, Any] = conditions.get("PodScheduled", {})
    return condition if condition.get("status") == "False" else {}


def _trouble(
    conditions: dict[str, Any], container: dict[str, Any], others: Sequence[dict[str, Any]], *, deleting: bool
) -> str:
    """Return reason and message of what prevents the pod from being ready, empty when nothing is known."""
    if found := _member_trouble(conditions, container, deleting=deleting):
        return found
    if deleting or _is_ready(conditions):
        return ""
    told = ((each.get("name", ""), _other_trouble(each)) for each in others if not _is_done(each))
    return next((f"container {name}: {what}" for name, what in told if what), "")


def _other_trouble(container: dict[str, Any]) -> str:
    waiting = (container.get("state") or {}).get("waiting") or {}
    found = waiting if waiting.get("reason") not in (None, *_HARMLESS_WAITS) else _failing(container)
    if not found:
        return ""
    message = f"{found['reason']}: {found.get('message', '')}".removesuffix(": ")[:_MESSAGE_LIMIT]
    return f"{message}; {_OTHER_ADVICE}"


def _is_done(container: dict[str, Any]) -> bool:
    """Whether the container ran to its end, as one before the member should."""
    ended = (container.get("state") or {}).get("terminated") or {}
    return ended.get("exitCode") == 0


def _member_trouble(conditions: dict[str, Any], container: dict[str, Any], *, deleting: bool) -> str:
    waiting = (container.get("state") or {}).get("waiting") or {}
    found = _scheduled(conditions) or waiting or ({} if deleting else _failing(container))
    reason = found.get("reason", "")
    if not reason or reason in _HARMLESS_WAITS:
        return ""
    if reason in (_CRASH_LOOP, _last_end(container).get("reason")) and (words := _last_words(container)):
        return f"{reason}: {words}"
    message = f"{reason}: {found.get('message', '')}".removesuffix(": ")[:_MESSAGE_LIMIT]
    advice = _advice(reason, message, _last_end(container))
    return f"{message}; {advice}" if advice else message


def _last_end(container: dict[str, Any]) -> dict[str, Any]:
    states = (container.get("state") or {}, container.get("lastState") or {})
    return next((state["terminated"] for state in states if "terminated" in state), {})


def _last_words(container: dict[str, Any]) -> str:
    """Return what the container left to say about its end: the start procedure says why it refuses to start."""
    return str(_last_end(container).get("message") or "").strip()[:_WORDS_LIMIT]


def _failing(container: dict[str, Any]) -> dict[str, Any]:
    """Return the last end of a container that fails repeatedly or was out of memory, empty once it opens its port.

    A failing container runs for a moment between two failures, which does not count as recovered.
    """
    last = _last_end(container)
    if "running" in (container.get("state") or {}) and container.get("started") is not False:
        return {}
    is_explained = last.get("reason") == _OUT_OF_MEMORY or bool(_last_words(container))
    if container.get("restartCount", 0) < _CRASHES and not is_explained:
        return {}
    return {"reason": last.get("reason", ""), "message": f"exit code {last.get('exitCode')}"}


def _advice(reason: str, message: str, last: dict[str, Any]) -> str:
    if reason in _ADVICE or reason == "Unschedulable":
        return _ADVICE.get(reason, _STORAGE if _CLAIMS.search(message) else "")
    if reason == _OUT_OF_MEMORY:
        return _MEMORY
    if reason not in (_CRASH_LOOP, last.get("reason")):
        return ""
    return f"it was {_OUT_OF_MEMORY}: {_MEMORY}" if last.get("reason") == _OUT_OF_MEMORY else _LOG
