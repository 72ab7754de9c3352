"""Events of the Kubernetes API about one of our objects. Pure."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from zkoperator.api.meta import API_VERSION, ObjectMeta
from zkoperator.controller.conditions import clip

NOTE_LIMIT = 1000
"""Characters of a note; the API server accepts little more."""
_NAME_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Notice:
    """The content of one Event. `reason` and `action` are single words for machines, `note` is a sentence."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str
    action: str


def build_event(kind: str, meta: ObjectMeta, notice: Notice, now: str) -> dict[str, Any]:
    """Return the Event. `now` is RFC 3339 with microseconds; the Event's name follows from the content and the time."""
    digest = hashlib.sha256(f"{meta.uid}{notice.reason}{notice.note}{now}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{meta.name[:_NAME_LIMIT].rstrip('.-')}.{digest}", "namespace": meta.namespace},
        "eventTime": now,
        "reportingController": "zkoperator.dev/zkoperator",
        "reportingInstance": "zkoperator",
        "action": notice.action,
        "reason": notice.reason,
        "type": notice.type,
        "note": clip(notice.note, NOTE_LIMIT),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": kind,
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
        },
    }
