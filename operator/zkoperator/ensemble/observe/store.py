"""Sources of objects: informers for the running operator, the API itself for a single command. I/O."""

from collections.abc import Mapping

from zkoperator.kube.informer import Informer
from zkoperator.kube.port import KubeApi, Manifest, Resource
from zkoperator.runtime.keys import Key


class InformedStore:
    """The snapshots of informers. They may be out of date, so a deletion needs a read of the API first."""

    def __init__(self, informers: Mapping[Resource, Informer]) -> None:
        self._informers = informers

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object as last seen."""
        return self._informers[resource].get(Key(namespace, name))


class LiveStore:
    """One request for each object, as the command `plan` needs it."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object as it is now."""
        return await self._api.get(resource, namespace, name)
