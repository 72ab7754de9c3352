"""The Kubernetes API as it would be once some manifests are applied. Reads only. I/O."""

from collections.abc import AsyncGenerator, Mapping

from zkoperator.errors import UnsafeError
from zkoperator.kube.port import KubeApi, Listing, Manifest, Resource, WatchEvent

Place = tuple[Resource, str, str]
"""Kind, namespace and name of an object."""

_REFUSED = "this command writes nothing to Kubernetes"


class ProposedKube(KubeApi):
    """Answers with the proposed objects, and with those of the API server for all others.

    Args:
        api: the API server.
        proposed: the objects by their place.
    """

    def __init__(self, api: KubeApi, proposed: Mapping[Place, Manifest]) -> None:
        self._api = api
        self._proposed = proposed

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the proposed object, or the one that is there now."""
        found = self._proposed.get((resource, namespace, name))
        return found if found is not None else await self._api.get(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """Return the objects that are there now."""
        return await self._api.list(resource, namespace, labels=labels, fields=fields)

    def watch(
        self, resource: Resource, namespace: str = "", *, labels: str = "", resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Follow the objects that are there now."""
        return self._api.watch(resource, namespace, labels=labels, resource_version=resource_version)

    async def create(self, *_: object, **__: object) -> Manifest:
        """Refuse."""
        raise UnsafeError(_REFUSED)

    async def apply(self, *_: object, **__: object) -> Manifest:
        """Refuse."""
        raise UnsafeError(_REFUSED)

    async def patch(self, *_: object, **__: object) -> Manifest | None:
        """Refuse."""
        raise UnsafeError(_REFUSED)

    async def delete(self, *_: object, **__: object) -> bool:
        """Refuse."""
        raise UnsafeError(_REFUSED)

    async def evict(self, *_: object, **__: object) -> bool:
        """Refuse."""
        raise UnsafeError(_REFUSED)
