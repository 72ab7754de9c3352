"""An API server whose ConfigMaps have all keys in one file, for people who act key by key.

What others do (`put`, `edit`) and see (`peek`) are keys and values, as on any `FakeKube`; the operator reads and writes
the file. So every story and every walk about keys can be told about a file.
"""

from typing import Any

from tests.support.fakes.kube import FakeKube, Operation
from zkoperator.api.sync_format import FormatType
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, Manifest, Resource
from zkoperator.mirror.model.ends.config_map import CONFIG_MAP_END
from zkoperator.mirror.model.file_format import FileFormat, view_of


class KubeWithFiles(FakeKube):
    """The API server; a subclass says in which syntax the files are."""

    type: FormatType

    @property
    def format(self) -> FileFormat:
        return FileFormat(self.type, "settings", "__")

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object as it is, to the operator."""
        await self._enter(Operation("get", resource, namespace, name))
        return super().peek(resource, namespace, name)

    def peek(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object, a ConfigMap with the keys of its file."""
        found = super().peek(resource, namespace, name)
        if found is None or resource is not CONFIG_MAPS or not _has_owner(found):
            return found
        view = view_of(found, CONFIG_MAP_END, self.format)
        assert not view.flaw, view.flaw
        return {**found, "data": {key: value.decode() for key, value in view.values.items()}, "binaryData": {}}

    def put(self, resource: Resource, manifest: Manifest, *, manager: str = "kubectl-create") -> Manifest:
        """Create an object, a ConfigMap with a file instead of its keys."""
        if resource is CONFIG_SYNCS:
            where = {"format": {"type": self.type.value, "key": "settings"}}
            manifest = {**manifest, "spec": {**manifest["spec"], **where}}
        if resource is CONFIG_MAPS and "data" in manifest:
            manifest = {**manifest, "data": self._file({}, manifest["data"])}
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
        """Merge-patch an object, the keys of a ConfigMap within its file."""
        if resource is CONFIG_MAPS and "data" in patch:
            found = super().peek(resource, namespace, name) or {}
            known = {key: value.decode() for key, value in view_of(found, CONFIG_MAP_END, self.format).values.items()}
            patch = {**patch, "data": self._file(known, patch["data"])}
        return super().edit(resource, namespace, name, patch, subresource=subresource, manager=manager)

    def _file(self, known: dict[str, str], edits: dict[str, Any]) -> dict[str, str]:
        values = {key: text for key, text in {**known, **edits}.items() if text is not None}
        return {"settings": self.format.render({key: text.encode() for key, text in values.items()})}


def _has_owner(manifest: Manifest) -> bool:
    """Other ConfigMaps, as that of the cluster's authority, have no file."""
    return bool(manifest["metadata"]["name"] != "kube-root-ca.crt")


def kube_with(given: FormatType) -> type[KubeWithFiles]:
    """Return the class of API servers with files of this syntax."""
    return type(f"KubeWith{given.value}", (KubeWithFiles,), {"type": given})
