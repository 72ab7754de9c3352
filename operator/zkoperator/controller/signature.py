"""The operator's signature on the status of its objects: two operators on the same objects must be noticed.

Every write is conditional, so two operators do not corrupt anything, but somebody has to be told. Each operator signs
each status that it writes anyway with its name, and takes the signature off whatever it reads, so that no decision
depends on it. The name is that of the Lease: two operators of the same name never act at once.
"""

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from zkoperator.controller.other_operators import Finding, OtherOperators, Subject
from zkoperator.kube.port import (
    CONFIG_SYNCS,
    ZNODES,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    KubeApi,
    Listing,
    Manifest,
    Resource,
    WatchEvent,
)
from zkoperator.runtime.keys import Key
from zkoperator.settings import Settings

SIGNED = (ZOOKEEPER_CLUSTERS, CONFIG_SYNCS, ZOOKEEPER_BACKUPS, ZNODES)


def operator_name(settings: Settings) -> str:
    """Return the name under which this operator signs."""
    if settings.lease:
        return f"{settings.namespace}/{settings.lease_name}"
    return settings.identity or socket.gethostname()


class SignedApi:
    """A `KubeApi` that signs the status writes it carries out, and reads the signatures of others.

    Args:
        api: what carries the requests out.
        others: what the signatures prove.
        report: called with each signature of another operator that has to be acted on.
    """

    def __init__(self, api: KubeApi, others: OtherOperators, report: Callable[[Subject, Finding], None]) -> None:
        self._api = api
        self._others = others
        self._report = report

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object without its signature."""
        found = await self._api.get(resource, namespace, name)
        if found is not None:
            return self._unsigned(resource, found)
        if resource in SIGNED:
            # No watch of ours follows ConfigSyncs: the next pass of a deleted one finds out by asking for it.
            self._others.forget(Subject(resource, Key(namespace, name)))
        return None

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """Return the objects without their signatures."""
        found = await self._api.list(resource, namespace, labels=labels, fields=fields)
        return replace(found, items=tuple(self._unsigned(resource, item) for item in found.items))

    async def watch(
        self, resource: Resource, namespace: str = "", *, labels: str = "", resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield events whose objects have no signatures."""
        events = self._api.watch(resource, namespace, labels=labels, resource_version=resource_version)
        async with aclosing(events):
            async for seen in events:
                yield seen if seen.type == "BOOKMARK" else self._unsigned_event(resource, seen)

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
        return None if written is None else self._unsigned(resource, written)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_s: int | None = None,
        orphan: bool = False,
    ) -> bool:
        """Delete."""
        return await self._api.delete(
            resource,
            namespace,
            name,
            uid=uid,
            resource_version=resource_version,
            grace_period_s=grace_period_s,
            orphan=orphan,
        )

    async def evict(
        self, namespace: str, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> bool:
        """Evict a pod."""
        return await self._api.evict(namespace, name, uid=uid, resource_version=resource_version)

    def _unsigned_event(self, resource: Resource, seen: WatchEvent) -> WatchEvent:
        if seen.type != "DELETED":
            return WatchEvent(seen.type, self._unsigned(resource, seen.object))
        self._others.forget(_subject(resource, seen.object))
        return seen

    def _unsigned(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Examine the signature and take it off."""
        if resource not in SIGNED:
            return manifest
        subject = _subject(resource, manifest)
        if (finding := self._others.examine(subject, manifest)) is not None:
            self._report(subject, finding)
        status = {name: value for name, value in (manifest.get("status") or {}).items() if name != "operator"}
        return {**manifest, "status": status} if "status" in manifest else manifest


def _subject(resource: Resource, manifest: Manifest) -> Subject:
    meta = manifest["metadata"]
    return Subject(resource, Key(meta.get("namespace", ""), meta["name"]))
