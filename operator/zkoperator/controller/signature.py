"""Two operators on the same objects do not fight, as every write is conditional; but somebody has to be told.

Each operator signs the status that it writes anyway with its own name, and takes the signature off what it reads, so
that none of its decisions depends on it. A signature of another operator over a status that we have seen since we
started is proof that both act at once. It is told in an Event, a log line and a metric, never by writing the signature
back: two operators that correct one another would not end.

The name is that of the Lease, so two operators of one name never act at once.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from zkoperator.api.meta import ObjectMeta
from zkoperator.controller.events import Notice, event
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.port import (
    CONFIG_SYNCS,
    EVENTS,
    ZOOKEEPER_CLUSTERS,
    KubeApi,
    Listing,
    Manifest,
    Resource,
    WatchEvent,
)
from zkoperator.logs import about
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.heartbeat import Heartbeat
from zkoperator.runtime.keys import Key
from zkoperator.settings import Settings

SIGNED = (ZOOKEEPER_CLUSTERS, CONFIG_SYNCS)
TELL_EVERY_S = 3600.0
"""An object tells of the same other operator once in this time, and the metric forgets one that is not seen again."""
PACE_S = 1.0
"""Between two errands: a thousand objects with another signature are no reason for a thousand writes at once."""

_log = logging.getLogger(__name__)


class Subject(NamedTuple):
    """One object that carries a signature."""

    resource: Resource
    key: Key


@dataclass(frozen=True, slots=True)
class Sight:
    """What we saw last of an object: its version and who had signed its status."""

    version: int
    signature: str


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done about another operator's signature: to tell of it, or first to ask whether it is alive."""

    other: str
    manifest: Manifest
    is_proven: bool


def name_of(settings: Settings) -> str:
    """Return the name under which this operator signs."""
    if settings.lease:
        return f"{settings.namespace}/{settings.lease_name}"
    return settings.identity or socket.gethostname()


class OtherOperators:
    """What is known of other operators, from the signatures on the objects."""

    def __init__(self, name: str, clock: Clock = MONOTONIC) -> None:
        self.name = name
        self._clock = clock
        self._sights: dict[Subject, Sight] = {}
        self._told_s: dict[tuple[Subject, str], float] = {}
        self._proven_s: dict[str, float] = {}

    def count(self) -> int:
        """Return how many have written to our objects within the last hour."""
        horizon_s = self._clock.now_s() - TELL_EVERY_S
        return sum(at_s > horizon_s for at_s in tuple(self._proven_s.values()))

    def look(self, subject: Subject, manifest: Manifest) -> Errand | None:
        """Take note of the signature; return what is to be done about it."""
        sight = _sight(manifest)
        before = self._sights.get(subject)
        if before is not None and sight.version <= before.version:
            return None  # an older snapshot than the one we have: it proves nothing
        self._sights[subject] = sight
        other = sight.signature
        if other in ("", self.name) or (before is not None and before.signature == other):
            return None
        if before is None:
            return Errand(other, manifest, is_proven=False)
        return self._prove(subject, other, manifest)

    def forget(self, subject: Subject) -> None:
        """Drop what is known of an object that is gone."""
        self._sights.pop(subject, None)

    def _prove(self, subject: Subject, other: str, manifest: Manifest) -> Errand | None:
        now_s = self._clock.now_s()
        self._proven_s[other] = now_s
        self._told_s = {told: at_s for told, at_s in self._told_s.items() if now_s - at_s < TELL_EVERY_S}
        if (subject, other) in self._told_s:
            return None
        self._told_s[(subject, other)] = now_s
        return Errand(other, manifest, is_proven=True)


class SignedApi:
    """A `KubeApi` whose status writes carry the operator's name, and which hears of those that carry another one.

    Args:
        api: what carries the requests out.
        others: what is known of other operators.
        clock: monotonic time.
    """

    def __init__(self, api: KubeApi, others: OtherOperators, clock: Clock = MONOTONIC) -> None:
        self._api = api
        self._others = others
        self._pulse = Heartbeat(clock)
        self._errands: dict[Subject, Errand] = {}
        self._wanted = asyncio.Event()

    def stalled_s(self) -> float:
        """Return the seconds since `run` should have moved."""
        return self._pulse.late_s()

    async def run(self) -> None:
        """Tell of other operators until cancelled."""
        while True:
            self._pulse.rest()
            await self._wanted.wait()
            self._pulse.beat()
            subject = next(iter(self._errands))
            errand = self._errands.pop(subject)
            if not self._errands:
                self._wanted.clear()
            try:
                await (self._tell(subject, errand) if errand.is_proven else self._ask(subject))
            except ZkOperatorError as error:
                _log.debug("not told of another operator: %s", type(error).__name__)
            await self._pulse.sleep(PACE_S)

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object without its signature."""
        found = await self._api.get(resource, namespace, name)
        if found is not None:
            return self._read(resource, found)
        if resource in SIGNED:
            # No watch of ours follows ConfigSyncs: that one is gone is seen by its next pass, which asks for it.
            self._others.forget(Subject(resource, Key(namespace, name)))
        return None

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """Return the objects without their signatures."""
        found = await self._api.list(resource, namespace, labels=labels, fields=fields)
        return replace(found, items=tuple(self._read(resource, item) for item in found.items))

    async def watch(
        self, resource: Resource, namespace: str = "", *, labels: str = "", resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield events whose objects have no signatures."""
        events = self._api.watch(resource, namespace, labels=labels, resource_version=resource_version)
        async with aclosing(events):
            async for seen in events:
                yield seen if seen.type == "BOOKMARK" else self._heard(resource, seen)

    async def create(self, resource: Resource, namespace: str, manifest: Manifest) -> Manifest:
        """Create the object."""
        return await self._api.create(resource, namespace, manifest)

    async def apply(
        self, resource: Resource, namespace: str, manifest: Manifest, *, subresource: str = "", dry_run: bool = False
    ) -> Manifest:
        """Server-side apply; nothing that is signed is written this way."""
        return await self._api.apply(resource, namespace, manifest, subresource=subresource, dry_run=dry_run)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Manifest,
        *,
        resource_version: str | None = None,
        subresource: str = "",
    ) -> Manifest | None:
        """Merge-patch, signed when it is the status of one of our kinds."""
        if resource in SIGNED and subresource == "status":
            patch = {**patch, "status": {**patch["status"], "operator": self._others.name}}
        written = await self._api.patch(
            resource, namespace, name, patch, resource_version=resource_version, subresource=subresource
        )
        return None if written is None else self._read(resource, written)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_s: int | None = None,
    ) -> bool:
        """Delete."""
        return await self._api.delete(
            resource, namespace, name, uid=uid, resource_version=resource_version, grace_period_s=grace_period_s
        )

    def _heard(self, resource: Resource, seen: WatchEvent) -> WatchEvent:
        if seen.type != "DELETED":
            return WatchEvent(seen.type, self._read(resource, seen.object))
        self._others.forget(_subject(resource, seen.object))
        return seen

    def _read(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Look at the signature and take it off."""
        if resource not in SIGNED:
            return manifest
        subject = _subject(resource, manifest)
        if (errand := self._others.look(subject, manifest)) is not None:
            self._errands[subject] = errand
            self._wanted.set()
        status = {name: value for name, value in (manifest.get("status") or {}).items() if name != "operator"}
        return {**manifest, "status": status} if "status" in manifest else manifest

    async def _ask(self, subject: Subject) -> None:
        """Sign once a status that another operator had signed before we came: if it is still there, it will tell."""
        await self.patch(subject.resource, *subject.key, {"status": {}}, subresource="status")

    async def _tell(self, subject: Subject, errand: Errand) -> None:
        note = (
            f"another operator, {errand.other}, writes to this object as well as this one, {self._others.name}: remove"
            " one of the two Deployments, or give each its own ZKOPERATOR_NAMESPACES"
        )
        _log.warning("%s", note, extra=about(subject.resource.kind, *subject.key))
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        notice = Notice("Warning", "AnotherOperator", note, "Observe")
        manifest = event(subject.resource.kind, ObjectMeta.model_validate(errand.manifest["metadata"]), notice, stamp)
        await self._api.create(EVENTS, subject.key.namespace, manifest)


def _subject(resource: Resource, manifest: Manifest) -> Subject:
    meta = manifest["metadata"]
    return Subject(resource, Key(meta.get("namespace", ""), meta["name"]))


def _sight(manifest: Manifest) -> Sight:
    version = str(manifest["metadata"].get("resourceVersion") or "0")
    signature = (manifest.get("status") or {}).get("operator") or ""
    return Sight(int(version) if version.isdecimal() else 0, str(signature))
