"""An API server whose ConfigSyncs keep Secrets, for people who act as on ConfigMaps.

What others do (`put`, `edit`, `remove`) and see (`peek`) are ConfigMaps with texts, as on any `FakeKube`; the operator
reads and writes Secrets. So every story and every walk can be told about a Secret.
"""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from tests.support.fakes.kube import FakeKube, Operation
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, SECRETS, Listing, Manifest, Resource, WatchEvent
from zkoperator.mirror.model.names import SYNC_LABEL

_AUTHORITY = "kube-root-ca.crt"


class KubeWithSecrets(FakeKube):
    """The API server."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object as it is, to the operator."""
        await self._enter(Operation("get", resource, namespace, name))
        return super().peek(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """Return the objects. Nobody may list all Secrets."""
        assert resource is not SECRETS or labels == SYNC_LABEL
        return await super().list(resource, namespace, labels=labels, fields=fields)

    async def watch(
        self, resource: Resource, namespace: str = "", *, labels: str = "", resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes. Nobody may follow all Secrets."""
        assert resource is not SECRETS or labels == SYNC_LABEL
        events = super().watch(resource, namespace, labels=labels, resource_version=resource_version)
        async with aclosing(events):
            async for event in events:
                yield event

    def peek(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object, a Secret as a ConfigMap."""
        if resource is not CONFIG_MAPS or name == _AUTHORITY:
            return super().peek(resource, namespace, name)
        found = super().peek(SECRETS, namespace, name)
        return None if found is None else {**found, **_as_config_map(found.get("data") or {})}

    def put(self, resource: Resource, manifest: Manifest, *, manager: str = "kubectl-create") -> Manifest:
        """Create an object, a Secret for a ConfigMap."""
        if resource is CONFIG_SYNCS and "secret" not in manifest["spec"]:
            manifest = {**manifest, "spec": _with_secret({"configMap": {}, **manifest["spec"]})}
        if resource is CONFIG_MAPS and manifest["metadata"]["name"] != _AUTHORITY:
            resource, manifest = SECRETS, {**_as_secret(manifest), "kind": "Secret"}
        return super().put(resource, manifest, manager=manager)

    def edit(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Manifest,
        *,
        subresource: str = "",
        manager: str = "kubectl-edit",
    ) -> Manifest:
        """Merge-patch an object, a Secret for a ConfigMap."""
        if resource is CONFIG_SYNCS and "spec" in patch:
            patch = {**patch, "spec": _with_secret(patch["spec"])}
        if resource is CONFIG_MAPS:
            resource, patch = SECRETS, _as_secret(patch)
        return super().edit(resource, namespace, name, patch, subresource=subresource, manager=manager)

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object, a Secret for a ConfigMap."""
        super().remove(SECRETS if resource is CONFIG_MAPS else resource, namespace, name)

    def freeze_lists(self, resource: Resource) -> None:
        """Answer lists as of now, those of Secrets for ConfigMaps."""
        super().freeze_lists(SECRETS if resource is CONFIG_MAPS else resource)

    def thaw_lists(self, resource: Resource) -> None:
        """Answer lists with the truth again."""
        super().thaw_lists(SECRETS if resource is CONFIG_MAPS else resource)


def _with_secret(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the spec with `secret` in place of `configMap`."""
    side = {"secret": spec["configMap"]} if "configMap" in spec else {}
    return {name: value for name, value in spec.items() if name != "configMap"} | side


def _as_secret(manifest: Manifest) -> Manifest:
    """Return the ConfigMap, or a patch of one, as the same of a Secret."""
    if "data" not in manifest and "binaryData" not in manifest:
        return manifest
    texts = {key: None if text is None else _encoded(text) for key, text in (manifest.get("data") or {}).items()}
    whole = {name: value for name, value in manifest.items() if name != "binaryData"}
    return {**whole, "data": {**texts, **(manifest.get("binaryData") or {})}}


def _as_config_map(data: dict[str, str]) -> Manifest:
    """Return the values as a ConfigMap has them."""
    shown: Manifest = {"data": {}, "binaryData": {}}
    for key, encoded in data.items():
        try:
            shown["data"][key] = base64.b64decode(encoded).decode()
        except UnicodeDecodeError:
            shown["binaryData"][key] = encoded
    return shown


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
