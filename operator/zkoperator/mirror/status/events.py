"""The Events about a ConfigSync: names of keys, never their values. Pure."""

from typing import Final

from zkoperator.controller.conditions import RawCondition
from zkoperator.controller.events import Notice

_GOOD: Final = frozenset(
    {"InSync", "Connected", "NoConflict", "NothingHeld", "Syncing", "DryRun", "Paused", "RolledOut", "UpToDate"}
)


def is_good(reason: str) -> bool:
    """Return whether a condition with this reason needs no attention."""
    return reason in _GOOD


def notice_of(reason: str, note: str, action: str) -> Notice:
    """Return the content of an Event. The reason decides its type."""
    return Notice("Normal" if is_good(reason) else "Warning", reason, note, action)


def notice_of_condition(condition: RawCondition) -> Notice:
    """Return the content of the Event for a condition that has changed."""
    return notice_of(condition["reason"], condition.get("message") or condition["type"], "Sync")
