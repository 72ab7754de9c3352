"""Turns a raw ZooKeeperCluster into one frozen, validated value. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from zkoperator.api.cluster import (
    MAX_REPLICAS,
    Storage,
    StorageType,
    ZooKeeperCluster,
    ZooKeeperClusterSpec,
    ZooKeeperClusterStatus,
)
from zkoperator.api.incarnation import FOUNDING, Incarnation
from zkoperator.api.meta import API_VERSION, ObjectMeta
from zkoperator.api.observers import Observers
from zkoperator.api.parse import parse
from zkoperator.api.resources import Resources
from zkoperator.api.scheduling import BasicPlacement
from zkoperator.api.tls import Plaintext, Tls
from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.model.configuration import CLOSED, OPEN, Server, server_of
from zkoperator.ensemble.model.names import OBSERVER_BASE, RESTART, TAKE_OVER, Component, Names, is_observer
from zkoperator.ensemble.model.spec_warnings import warnings_of
from zkoperator.ensemble.model.tls import NO_TLS, QuorumPhase, TlsState
from zkoperator.errors import FieldError, InvalidError

_MEBIBYTE = 1024 * 1024
_MEMORY_WITHOUT_LIMIT = 1024 * _MEBIBYTE
_LEAST_HEAP_MIB = 64
_TLS_MIB = 70
"""Memory that Netty and TLS need beside the heap, in MiB."""

UNKNOWN_ENSEMBLE = "unknown"
"""In status: volumes may have a mark, and its value is unknown."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Settings of the operator that apply to every cluster."""

    image: str
    domain: str = "cluster.local"
    reads_nodes: bool = False


@dataclass(frozen=True, slots=True)
class ValidatedCluster:
    """A valid cluster, the input of builders and planners.

    `heap_mib` follows from the memory limit; `image` is the default image if the spec names none; `restart` is the text
    of the restart annotation; `tls` and `plaintext_open` are the state that pods and server lines must have: the
    planner replaces the end state by the next state on the way to it. `warnings` are sentences about risks of a valid
    spec.
    `observer_count` is the number of observers that are asked for; `component` says for which members builders make a
    StatefulSet, and `spec` and `heap_mib` are then theirs.
    """

    names: Names
    meta: ObjectMeta
    spec: ZooKeeperClusterSpec
    status: ZooKeeperClusterStatus
    image: str
    heap_mib: int
    restart: str = ""
    tls: TlsState = NO_TLS
    plaintext_open: bool = True
    warnings: tuple[str, ...] = ()
    observer_count: int = 0
    component: Component = Component.SERVER

    @property
    def observers(self) -> frozenset[int]:
        """Ids of the observers that are asked for."""
        return frozenset(range(OBSERVER_BASE + 1, OBSERVER_BASE + 1 + self.observer_count))

    @property
    def observers_are_scaled(self) -> bool:
        """Whether the scale of the StatefulSet says how many observers there are to be."""
        return self.spec.observers is not None and self.spec.observers.replicas is None

    def of(self, member: int) -> "ValidatedCluster":
        """Return the cluster with the spec of this member's pod."""
        return self.of_observers() if is_observer(member) else self

    def of_observers(self) -> "ValidatedCluster":
        """Return the cluster with the spec of the observers' pods: that of the voters, but for what they have apart."""
        spec = _observer_spec(self.spec)
        return replace(self, spec=spec, heap_mib=_heap_mib(spec), component=Component.OBSERVER)

    @property
    def members(self) -> frozenset[int]:
        """Ids of the voters that the spec asks for."""
        return frozenset(range(1, self.spec.replicas + 1))

    def server(self, member: int) -> Server:
        """Return the line of the configuration that this member must have."""
        return server_of(self.names, member, OPEN if self.plaintext_open else CLOSED)

    @property
    def founders(self) -> int:
        """How many members found the ensemble: as recorded in status, as asked for while nothing is recorded."""
        recorded = self.status.bootstrap
        return recorded.members if recorded is not None else self.spec.replicas

    @property
    def ensemble(self) -> str:
        """The uid with which the ensemble's volumes are marked: that of the object that founded it. "" when unknown."""
        recorded = self.status.bootstrap
        found = recorded.ensemble if recorded is not None and recorded.ensemble else self.meta.uid
        return "" if found == UNKNOWN_ENSEMBLE else found

    @property
    def incarnation(self) -> int:
        """The epoch with which the ensemble began again from the data of one member, 0 if it never did."""
        return self.status.incarnation.epoch if self.status.incarnation is not None else 0

    @property
    def recovery(self) -> Incarnation | None:
        """The incarnation that has been recorded and whose seed has not led yet, None when there is none."""
        recorded = self.status.incarnation
        return recorded if recorded is not None and recorded.is_open else None

    @property
    def take_over(self) -> str:
        """The ensemble whose data members may start with; none once this one has served and has data of its own."""
        return self.meta.annotations.get(TAKE_OVER, "") if self.status.replicas == 0 else ""

    @property
    def is_founded(self) -> bool:
        """Whether status records that a quorum has served."""
        recorded = self.status.bootstrap
        return recorded is not None and recorded.complete

    @property
    def bootstrap_token(self) -> str:
        """The text that permits an empty member to found the ensemble; empty before the record and after founding."""
        recorded = self.status.bootstrap
        return self.meta.uid if recorded is not None and not recorded.complete else ""

    @property
    def owner(self) -> dict[str, Any]:
        """The owner reference of every child, with the cluster as controller."""
        return {**self.plain_owner, "controller": True}

    @property
    def plain_owner(self) -> dict[str, Any]:
        """The owner reference of objects that are deleted with the cluster but not controlled by it."""
        kind, meta = "ZooKeeperCluster", self.meta
        return {
            "apiVersion": API_VERSION,
            "kind": kind,
            "name": meta.name,
            "uid": meta.uid,
            "blockOwnerDeletion": False,
        }


def validate(raw: Mapping[str, Any], defaults: Defaults) -> ValidatedCluster:
    """Return the validated cluster.

    Raises:
        InvalidError: with every error, each with its path as in the manifest and what to write instead.
    """
    cluster = parse(ZooKeeperCluster, raw)
    if isinstance(cluster, tuple):
        raise InvalidError(cluster)
    names = Names(cluster.metadata.namespace, cluster.metadata.name, defaults.domain)
    errors = _errors(cluster.spec, names)
    if errors:
        raise InvalidError(errors)
    image = cluster.spec.image or defaults.image
    status = _own_status(cluster.status, names)
    return ValidatedCluster(
        names=names,
        meta=cluster.metadata,
        spec=cluster.spec,
        status=status,
        image=image,
        heap_mib=_heap_mib(cluster.spec),
        restart=cluster.metadata.annotations.get(RESTART, ""),
        tls=_end_state(cluster.spec.tls or Tls()),
        plaintext_open=_plaintext_open(cluster.spec.tls or Tls()),
        observer_count=_observer_count(cluster.spec),
        warnings=(
            *warnings_of(cluster.spec, image),
            *_spent_consent(cluster.metadata, status),
            *_unused_backup(cluster),
        ),
    )


def minimal_cluster(raw: Mapping[str, Any], defaults: Defaults) -> ValidatedCluster | None:
    """Return a cluster with the name and status of an invalid object and a minimal spec of its present size.

    It serves to observe the ensemble; nothing may be planned for it. None when name or status cannot be read.
    """
    bare = parse(ZooKeeperCluster, {**raw, "spec": {}})
    if isinstance(bare, tuple):
        return None
    founders = bare.status.bootstrap.members if bare.status.bootstrap is not None else 1
    replicas = min(bare.status.replicas or founders, MAX_REPLICAS)
    try:
        return validate({**raw, "spec": {"replicas": replicas}}, defaults)
    except InvalidError:
        return None


def _own_status(status: ZooKeeperClusterStatus, names: Names) -> ZooKeeperClusterStatus:
    """Return the status without the count of voters if a backup tool has copied it from another object."""
    is_own = not status.endpoint or names.is_endpoint(status.endpoint)
    return status if is_own else status.model_copy(update={"replicas": 0})


def _spent_consent(meta: ObjectMeta, status: ZooKeeperClusterStatus) -> tuple[str, ...]:
    if TAKE_OVER not in meta.annotations or status.replicas == 0:
        return ()
    command = f"kubectl -n {meta.namespace} annotate zk {meta.name} {TAKE_OVER}-"
    return (f"the annotation {TAKE_OVER} does nothing once the ensemble has data; remove it ({command})",)


def _unused_backup(cluster: ZooKeeperCluster) -> tuple[str, ...]:
    status = cluster.status
    if cluster.spec.bootstrap is None or status.bootstrap is None or status.incarnation is not None:
        return ()
    return (f"{FOUNDING} was not used: volumes with data of this ensemble were there, and it goes on with them",)


def _errors(spec: ZooKeeperClusterSpec, names: Names) -> tuple[FieldError, ...]:
    errors = [*_wrong_resources(spec, "spec.resources")]
    if spec.observers is not None and spec.observers.resources is not None:
        errors += _wrong_resources(_observer_spec(spec), "spec.observers.resources")
    return (*errors, *_redirected_members(spec, names))


def _wrong_resources(spec: ZooKeeperClusterSpec, path: str) -> Iterator[FieldError]:
    requests, limits = spec.resources.requests, spec.resources.limits
    for name, request in requests.items():
        if name in limits and parse_quantity(request) > parse_quantity(limits[name]):
            yield FieldError(f"{path}.requests[{name}]", f"write at most the limit, {limits[name]}")
    if (heap := _heap_mib(spec)) < _LEAST_HEAP_MIB:
        yield FieldError(
            f"{path}.limits[memory]", f"write more: the heap would be {heap} MiB, less than {_LEAST_HEAP_MIB}"
        )


def _observer_spec(spec: ZooKeeperClusterSpec) -> ZooKeeperClusterSpec:
    asked = spec.observers or Observers(replicas=0)
    placement = {} if asked.pod is None else {name: getattr(asked.pod, name) for name in BasicPlacement.model_fields}
    own = {
        "resources": asked.resources if asked.resources is not None else spec.resources,
        "storage": Storage(type=StorageType.EPHEMERAL, size=asked.storage.size),
        "pod": spec.pod.model_copy(update=placement),
    }
    return spec.model_copy(update=own)


def _redirected_members(spec: ZooKeeperClusterSpec, names: Names) -> Iterator[FieldError]:
    """Yield an error for each alias of a member's name. A server at another address may belong to another ensemble."""
    for number, alias in enumerate(spec.pod.host_aliases or ()):
        if own := [name for name in alias.hostnames if f".{names.members_service}." in f".{name}."]:
            path = f"spec.pod.hostAliases[{number}].hostnames"
            yield FieldError(path, f"remove {', '.join(own)}: members find one another by these names")


def _memory(resources: Resources) -> Decimal:
    for amounts in (resources.limits, resources.requests):
        if "memory" in amounts:
            return parse_quantity(amounts["memory"])
    return Decimal(_MEMORY_WITHOUT_LIMIT)


def _heap_mib(spec: ZooKeeperClusterSpec) -> int:
    memory = _memory(spec.resources) - beside_heap_mib(spec) * _MEBIBYTE
    return int(memory * spec.jvm.heap_percent / 100 / _MEBIBYTE)


def beside_heap_mib(spec: ZooKeeperClusterSpec) -> int:
    """Return the memory in MiB that is subtracted before the heap gets its share of the rest."""
    return _TLS_MIB if spec.tls is not None and spec.tls.client is not None else 0


def _end_state(tls: Tls) -> TlsState:
    return TlsState(tls.client is not None, QuorumPhase.PLAINTEXT if tls.quorum is None else QuorumPhase.TLS)


def _observer_count(spec: ZooKeeperClusterSpec) -> int:
    if spec.observers is None:
        return 0
    return spec.observers.replicas if spec.observers.replicas is not None else 1


def _plaintext_open(tls: Tls) -> bool:
    return tls.client is None or tls.client.plaintext is Plaintext.ALLOWED
