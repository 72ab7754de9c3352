"""Where the reconciler reads objects from: informers while it runs, the API itself for a single look."""

from collections.abc import Mapping

from zkoperator.kube.informer import Informer
from zkoperator.kube.port import KubeApi, Manifest, Resource
from zkoperator.runtime.keys import Key


class InformedStore:
    """The snapshots that informers keep. Nothing in them is fresh enough to delete by."""

    def __init__(self, informers: Mapping[Resource, Informer]) -> None:
        self._informers = informers

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object as last seen."""
        return self._informers[resource].get(Key(namespace, name))


class LiveStore:
    """One request an object, for single looks such as a printed plan."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object as it is now."""
        return await self._api.get(resource, namespace, name)
