"""Events of the Kubernetes API about one of our objects. Pure."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from zkoperator.api.meta import API_VERSION, ObjectMeta
from zkoperator.kube.port import Manifest

_NOTE_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing worth telling."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str
    action: str


def event(kind: str, meta: ObjectMeta, notice: Notice, now: str) -> Manifest:
    """Return the Event. `now` is RFC 3339 with microseconds; the name follows from the content and the time."""
    digest = hashlib.sha256(f"{meta.uid}{notice.reason}{notice.note}{now}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{meta.name}.{digest}", "namespace": meta.namespace},
        "eventTime": now,
        "reportingController": "zkoperator.dev/zkoperator",
        "reportingInstance": "zkoperator",
        "action": notice.action,
        "reason": notice.reason,
        "type": notice.type,
        "note": notice.note[:_NOTE_LIMIT],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": kind,
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
        },
    }
