"""Which ConfigSyncs name a ConfigMap, Secret or ZooKeeperCluster, by their last valid spec. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from zkoperator.api.sync import ConfigSyncStatus
from zkoperator.kube.port import ZOOKEEPER_CLUSTERS, Resource
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.keys import Key

_NO_STATUS = ConfigSyncStatus()


class SyncIndex:
    """The validated ConfigSyncs of a process, without their status, found by key of the object that they name."""

    def __init__(self) -> None:
        self._syncs: dict[Key, ValidatedSync] = {}
        self._keys: dict[tuple[Resource, Key], set[Key]] = {}

    def put(self, key: Key, sync: ValidatedSync) -> None:
        """Index the ConfigSync; does nothing if this generation of it is indexed already."""
        known = self._syncs.get(key)
        if known is not None and _version(known) == _version(sync):
            return
        self.drop(key)
        self._syncs[key] = replace(sync, status=_NO_STATUS)
        for target in _targets(sync):
            self._keys.setdefault(target, set()).add(key)

    def drop(self, key: Key) -> ValidatedSync | None:
        """Remove the ConfigSync and return it as last indexed, None if it is not indexed."""
        sync = self._syncs.pop(key, None)
        for target in _targets(sync) if sync is not None else ():
            self._keys[target].discard(key)
            if not self._keys[target]:
                del self._keys[target]
        return sync

    def naming(self, resource: Resource, target: Key) -> Iterable[Key]:
        """Return the keys of the ConfigSyncs that name this ConfigMap, Secret or ZooKeeperCluster."""
        return self._keys.get((resource, target), ())


def _version(sync: ValidatedSync) -> tuple[str, int, bool]:
    return sync.uid, sync.generation, sync.deleting


def _targets(sync: ValidatedSync) -> Iterator[tuple[Resource, Key]]:
    yield sync.target.end.resource, Key(sync.namespace, sync.target.name)
    if sync.cluster is not None:
        yield ZOOKEEPER_CLUSTERS, sync.cluster
