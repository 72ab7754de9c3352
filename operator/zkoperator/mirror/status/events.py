"""Events about a ConfigSync: transitions only, names of keys but never their values. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from zkoperator.api.meta import API_VERSION

_GOOD: Final = frozenset(
    {"InSync", "Connected", "NoConflict", "NothingHeld", "Syncing", "DryRun", "Paused", "RolledOut"}
)
_MAX_NOTE: Final = 1_000


def is_good(reason: str) -> bool:
    """Whether the reason of a condition is nothing that anybody has to look at."""
    return reason in _GOOD


def event_of(
    resource: Mapping[str, Any], *, reason: str, note: str, action: str, now: str, serial: int
) -> dict[str, Any]:
    """Return an `events.k8s.io/v1` Event about a ConfigSync. `now` is RFC 3339 with microseconds."""
    meta = resource["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name'][:40]}.{meta['uid'][:8]}.{serial:x}", "namespace": meta["namespace"]},
        "eventTime": now,
        "reportingController": "zkoperator.dev/configsync",
        "reportingInstance": "zkoperator",
        "action": action,
        "reason": reason,
        "type": "Normal" if is_good(reason) else "Warning",
        "note": note[:_MAX_NOTE],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": "ConfigSync",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }
