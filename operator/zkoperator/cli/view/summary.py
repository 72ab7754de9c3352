"""What `status` shows of each object, read from its manifest: the input of `tables.py` and of `-o json`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from pydantic.alias_generators import to_camel

from zkoperator.api.cluster import Member, ZooKeeperClusterStatus
from zkoperator.api.meta import Condition, Model, Truth
from zkoperator.api.parse import parse
from zkoperator.api.reasons import ClusterCondition, SyncCondition
from zkoperator.api.sync import ConfigSyncStatus, Conflict, Pending
from zkoperator.api.tls import TlsStatus
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.validate import target_of

S = TypeVar("S", bound=Model)

NOT_SEEN = "the operator has not looked at it yet; is it running, and does it watch this namespace?"
OUTDATED = "the newest spec was not looked at yet"


@dataclass(frozen=True, slots=True)
class Summary:
    """What both kinds have in common. `healthy` is None while that is unknown."""

    kind: str
    namespace: str
    name: str
    healthy: bool | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ClusterSummary(Summary):
    """A ZooKeeperCluster."""

    replicas: int
    voters: int
    serving: int
    available: str
    leader: str
    version: str
    config_version: str
    endpoint: str
    tls: TlsStatus | None
    members: tuple[Member, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class SyncSummary(Summary):
    """A ConfigSync."""

    path: str
    config_map: str
    secret: str
    direction: str
    keys: int
    zxid: str
    conflict_count: int
    conflicts: tuple[Conflict, ...]
    pending: Pending | None
    conditions: tuple[Condition, ...]


def condition_of(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    """Return the condition of a type, None while there is none."""
    return next((condition for condition in conditions if condition.type == kind), None)


def cluster_summary(raw: Mapping[str, Any]) -> ClusterSummary:
    """Return the summary of a ZooKeeperCluster."""
    status = _status(ZooKeeperClusterStatus, raw)
    ready = condition_of(status.conditions, ClusterCondition.READY)
    available = condition_of(status.conditions, ClusterCondition.AVAILABLE)
    return ClusterSummary(
        **_common(raw, ready, status.observed_generation),
        replicas=int((raw.get("spec") or {}).get("replicas", 0)),
        voters=status.replicas,
        serving=status.ready_replicas,
        available=available.status if available is not None else "",
        leader=status.leader,
        version=status.version,
        config_version=status.config_version,
        endpoint=status.endpoint,
        tls=status.tls,
        members=status.members,
        conditions=status.conditions,
    )


def doing(raw: Mapping[str, Any]) -> str:
    """Return what the operator says that it does with a ZooKeeperCluster."""
    found = condition_of(cluster_summary(raw).conditions, ClusterCondition.PROGRESSING)
    return f"{found.reason}: {found.message}" if found is not None else "the operator has not looked at it yet"


def sync_summary(raw: Mapping[str, Any]) -> SyncSummary:
    """Return the summary of a ConfigSync."""
    status = _status(ConfigSyncStatus, raw)
    spec = raw.get("spec") or {}
    resource, name = target_of(raw) or (CONFIG_MAPS, "")
    return SyncSummary(
        **_common(raw, condition_of(status.conditions, SyncCondition.READY), status.observed_generation),
        path=_paths(spec.get("zookeeper") or {}),
        config_map=status.config_map or name if resource is CONFIG_MAPS else "",
        secret=status.secret or name if resource is not CONFIG_MAPS else "",
        direction=str(spec.get("direction", "")),
        keys=status.keys,
        zxid=status.zxid,
        conflict_count=status.conflict_count,
        conflicts=status.conflicts,
        pending=status.pending,
        conditions=status.conditions,
    )


def _paths(side: Mapping[str, Any]) -> str:
    """Return the path of the subtree, or the paths of several with the prefixes of their keys."""
    named = [
        f"{item.get('path', '')}{f' as {prefix}*' if (prefix := item.get('prefix')) else ''}"
        for item in side.get("sources") or ()
    ]
    return ", ".join(named) or str(side.get("path", ""))


def to_json(summary: ClusterSummary | SyncSummary) -> dict[str, Any]:
    """Return the summary as JSON types, with field names as in the API."""
    return {to_camel(field.name): _plain(getattr(summary, field.name)) for field in fields(summary)}


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.manifest()
    return [item.manifest() for item in value] if isinstance(value, tuple) else value


def _status(model: type[S], raw: Mapping[str, Any]) -> S:
    """Return the status, an empty one if it cannot be read (another version of the operator may have written it)."""
    parsed = parse(model, raw.get("status") or {})
    return model() if isinstance(parsed, tuple) else parsed


def _common(raw: Mapping[str, Any], ready: Condition | None, observed: int) -> dict[str, Any]:
    meta = raw["metadata"]
    names = {"kind": raw["kind"], "namespace": meta["namespace"], "name": meta["name"]}
    if ready is None:
        return {**names, "healthy": None, "reason": "", "message": NOT_SEEN}
    if observed < meta.get("generation", 0):
        return {**names, "healthy": None, "reason": ready.reason, "message": OUTDATED}
    healthy = {Truth.TRUE: True, Truth.FALSE: False}.get(ready.status)
    return {**names, "healthy": healthy, "reason": ready.reason, "message": ready.message}
