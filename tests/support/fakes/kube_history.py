"""What happened to the objects of one kind, and how a watch sees it."""

import asyncio
from bisect import bisect_right
from dataclasses import dataclass, field
from operator import attrgetter

from tests.support.fakes.field_ownership import copy
from tests.support.fakes.kube_rules import ApiObject
from tests.support.fakes.label_selector import matches
from zkoperator.kube.port import Listing, Manifest, WatchEvent


@dataclass(slots=True)
class Change:
    """One committed change: the object before it, and after it (for a deletion: its last state)."""

    version: int
    type: str
    before: Manifest | None
    after: Manifest


@dataclass(slots=True)
class KindHistory:
    """The objects of a kind, their changes, and what is done to its watches."""

    objects: dict[tuple[str, str], ApiObject] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    compacted: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    cuts: int = 0
    expiries: int = 0
    bookmarks: int = 0
    frozen: Listing | None = None

    def stir(self) -> None:
        """Have every open watch look again."""
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()

    def since(self, version: int) -> tuple[Change, ...]:
        """Return the changes after a version."""
        return tuple(self.log[bisect_right(self.log, version, key=attrgetter("version")) :])


def selected(manifest: Manifest, namespace: str, labels: str) -> bool:
    """Whether the object is in the namespace (empty: any) and has the labels."""
    metadata = manifest["metadata"]
    return (not namespace or metadata.get("namespace") == namespace) and matches(labels, metadata.get("labels") or {})


def has_fields(manifest: Manifest, fields: str) -> bool:
    """Whether the object has each `path=value` of a field selector."""
    pairs = (term.split("=", 1) for term in fields.split(",") if term)
    return all(_field(manifest, path) == value for path, value in pairs)


def _field(manifest: Manifest, path: str) -> str:
    found: object = manifest
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return "" if found is None else str(found)


def event_for(change: Change, namespace: str, labels: str) -> WatchEvent | None:
    """Return the change as a watch with this selector sees it: leaving the selection is a deletion."""
    was = change.before is not None and selected(change.before, namespace, labels)
    now = selected(change.after, namespace, labels)
    if change.type == "DELETED":
        return WatchEvent("DELETED", copy(change.after)) if was or now else None
    if now:
        return WatchEvent("MODIFIED" if was else "ADDED", copy(change.after))
    return WatchEvent("DELETED", copy(change.after)) if was else None
