"""The rules of kstatus for objects of kinds that it does not know, in its own order."""

from collections.abc import Mapping
from typing import Any


def judged(found: Mapping[str, Any]) -> str:
    """What kstatus says of the object; `tests/integration/test_gitops.py` compares this with kstatus itself."""
    meta, status = found["metadata"], found.get("status") or {}
    if meta.get("deletionTimestamp"):
        return "Terminating"
    if "generation" in meta and status.get("observedGeneration", meta["generation"]) != meta["generation"]:
        return "InProgress"
    conditions = [(each["type"], each["status"]) for each in status.get("conditions") or ()]
    for condition in conditions:
        if condition == ("Reconciling", "True"):
            return "InProgress"
        if condition == ("Stalled", "True"):
            return "Failed"
    ready = dict(conditions).get("Ready")
    return "InProgress" if ready in ("False", "Unknown") else "Current"
