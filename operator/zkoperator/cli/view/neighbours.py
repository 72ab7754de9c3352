"""What objects of one input do to one another: each is right by itself, and together they are not. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from zkoperator.api.sync import Mode
from zkoperator.cli.view.findings import Finding, finding, place_of
from zkoperator.cli.view.manifests import Document
from zkoperator.errors import FieldError, InvalidError
from zkoperator.mirror.validate import ValidatedSync, validate
from zkoperator.tenant.model.names import overlap
from zkoperator.tenant.validate import ValidatedZNode
from zkoperator.tenant.validate import validate as validate_znode
from zkoperator.zk.paths import parent_of

_CLUSTER: Final = "ZooKeeperCluster"
_SYNC: Final = "ConfigSync"
_ZNODE: Final = "ZNode"
_CLUSTER_REFS: Final = {
    _SYNC: ("spec", "zookeeper", "clusterRef"),
    "ZooKeeperBackup": ("spec", "clusterRef"),
    "ZooKeeperBackupSchedule": ("spec", "clusterRef"),
    _ZNODE: ("spec", "clusterRef"),
}


@dataclass(frozen=True, slots=True)
class _Sync:
    """A valid ConfigSync of the input, and where it is written."""

    document: Document
    sync: ValidatedSync

    @property
    def shown(self) -> str:
        """Its name, and where to find it."""
        return f"ConfigSync {self.sync.name} ({self.document.file}:{self.document.line})"


def shared_findings(documents: Iterable[Document], namespace: str = "") -> tuple[Finding, ...]:
    """Return what is wrong between the objects. `namespace`: of those that name none, "" when it is not known.

    Objects of unknown namespace count as being where they fit: whoever applies them says where.
    """
    ours = list(documents)
    syncs = [found for document in ours if (found := _sync(document, namespace)) is not None]
    return (
        *_written_twice(ours, namespace),
        *_clusters_elsewhere(ours, namespace),
        *_shared_targets(syncs),
        *_shared_trees(syncs),
        *_shared_paths(ours, namespace),
    )


def _sync(document: Document, namespace: str) -> _Sync | None:
    if document.value.get("kind") != _SYNC:
        return None
    meta = document.value.get("metadata")
    try:
        placed = {**document.value, "metadata": {"namespace": namespace, **(meta or {})}, "status": {}}
        return _Sync(document, validate(placed))
    except (InvalidError, TypeError):
        return None


def _written_twice(documents: Iterable[Document], namespace: str) -> Iterator[Finding]:
    """The second of two objects of one file replaces the first, which is then never seen."""
    first: dict[tuple[str, str, str, str], int] = {}
    for document in documents:
        own, name = place_of(document.value)
        identity = document.file, str(document.value.get("kind")), own or namespace, name
        if name and identity in first:
            message = f"is on line {first[identity]} of the same file too; remove one, or rename it"
            yield finding(document, FieldError("metadata.name", message))
        first.setdefault(identity, document.line)


def _clusters_elsewhere(documents: Iterable[Document], namespace: str) -> Iterator[Finding]:
    """An object refers to a cluster of one namespace, its own unless it says otherwise; the input has it elsewhere."""
    ours = list(documents)
    homes: dict[str, set[str]] = {}
    for document in ours:
        if document.value.get("kind") == _CLUSTER:
            own, name = place_of(document.value)
            homes.setdefault(name, set()).add(own or namespace)
    for document in ours:
        kind = str(document.value.get("kind"))
        path = _CLUSTER_REFS.get(kind)
        if path is None:
            continue
        name = _text_at(document, (*path, "name"))
        home = _text_at(document, (*path, "namespace")) or place_of(document.value)[0] or namespace
        others = homes.get(name, set())
        if home and others and not others & {home, ""}:
            yield finding(document, FieldError(".".join((*path, "name")), _elsewhere(kind, name, home, others)))


def _elsewhere(kind: str, name: str, home: str, others: set[str]) -> str:
    there = min(others)
    way = f"hosts: {name}-zk.{there}.svc:2181"
    if kind in (_SYNC, _ZNODE):
        way = f"clusterRef.namespace: {there}, whose spec.grants must admit it"
    return (
        f"these files have {name} in namespace {', '.join(sorted(others))} and not in {home}; write {way}, or move it"
    )


def _text_at(document: Document, path: Iterable[str]) -> str:
    value: object = document.value
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _shared_targets(syncs: Iterable[_Sync]) -> Iterator[Finding]:
    """A ConfigMap or Secret belongs to the one ConfigSync that its label names."""
    owners: dict[tuple[str, str], _Sync] = {}
    for item in syncs:
        target = item.sync.namespace, str(item.sync.target)
        owner = owners.setdefault(target, item)
        if not _is_same_object(owner, item):
            message = f"{owner.shown} has {item.sync.target} already; name another one"
            side = "secret" if item.sync.target.end.is_secret else "configMap"
            yield finding(item.document, FieldError(f"spec.{side}.name", message))


def _shared_trees(syncs: Iterable[_Sync]) -> Iterator[Finding]:
    """Only one ConfigSync pushes to a subtree and to what is above and below it."""
    pushing = [item for item in syncs if item.sync.pushes and item.sync.mode is Mode.ACTIVE]
    owners: dict[tuple[object, ...], dict[str, _Sync]] = {}
    # From the root down: whoever is above has its place already.
    for item in sorted(pushing, key=lambda item: item.sync.source.root.count("/")):
        taken = owners.setdefault(_ensemble(item.sync), {})
        root = item.sync.source.root
        rival = next((taken[path] for path in _and_above(root) if path in taken), None)
        if rival is None:
            taken[root] = item
        elif not _is_same_object(rival, item):
            message = (
                f"{rival.shown} pushes to {rival.sync.source.root}, which overlaps; only one of them can push: write "
                "direction: ZooKeeperToConfigMap in one, or give each a path of its own"
            )
            yield finding(item.document, FieldError("spec.zookeeper.path", message))


def _shared_paths(documents: Iterable[Document], namespace: str) -> Iterator[Finding]:
    """A path, and what is above and below it, belongs to one ZNode."""
    owners: list[tuple[Document, ValidatedZNode]] = []
    for document in documents:
        znode = _znode(document, namespace)
        if znode is None:
            continue
        taken = [
            (found, owner)
            for found, owner in owners
            if owner.cluster == znode.cluster and owner.key != znode.key and overlap(owner.path, znode.path)
        ]
        for found, owner in taken[:1]:
            shown = f"ZNode {owner.meta.name} ({found.file}:{found.line})"
            message = f"{shown} has {owner.path}, which overlaps {znode.path}; give each a path of its own"
            yield finding(document, FieldError("spec.path", message))
        owners.append((document, znode))


def _znode(document: Document, namespace: str) -> ValidatedZNode | None:
    if document.value.get("kind") != _ZNODE:
        return None
    meta = document.value.get("metadata")
    try:
        return validate_znode({**document.value, "metadata": {"namespace": namespace, **(meta or {})}, "status": {}})
    except (InvalidError, TypeError):
        return None


def _and_above(path: str) -> Iterator[str]:
    yield path
    while path != "/":
        path = parent_of(path)
        yield path


def _ensemble(sync: ValidatedSync) -> tuple[object, ...]:
    if sync.cluster is not None:
        return (sync.cluster,)
    return (frozenset(sync.source.hosts),)


def _is_same_object(one: _Sync, other: _Sync) -> bool:
    """Whether both are one object, as of a base and its variants."""
    return (one.sync.namespace, one.sync.name) == (other.sync.namespace, other.sync.name)
