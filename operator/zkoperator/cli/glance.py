"""What `status` shows of each object, computed from the raw objects. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

from pydantic.alias_generators import to_camel

from zkoperator.api.cluster import Member, ZooKeeperClusterStatus
from zkoperator.api.meta import Condition, Model, Truth
from zkoperator.api.parse import parse
from zkoperator.api.reasons import ClusterCondition, SyncCondition
from zkoperator.api.sync import ConfigSyncStatus, Conflict, Pending
from zkoperator.cli.terminal import Colour, Style, age, printable, table

S = TypeVar("S", bound=Model)

NOT_SEEN = "the operator has not looked at it yet; is it running, and does it watch this namespace?"
OUTDATED = "the newest spec was not looked at yet"


@dataclass(frozen=True, slots=True)
class Glance:
    """What both kinds have in common. `healthy` is None while it is not known."""

    kind: str
    namespace: str
    name: str
    healthy: bool | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ClusterGlance(Glance):
    """A ZooKeeperCluster."""

    replicas: int
    voters: int
    serving: int
    available: str
    leader: str
    version: str
    config_version: str
    endpoint: str
    members: tuple[Member, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class SyncGlance(Glance):
    """A ConfigSync."""

    path: str
    config_map: str
    direction: str
    keys: int
    zxid: str
    conflict_count: int
    conflicts: tuple[Conflict, ...]
    pending: Pending | None
    conditions: tuple[Condition, ...]


def cluster_glance(raw: Mapping[str, Any]) -> ClusterGlance:
    """Return what there is to see of a ZooKeeperCluster."""
    status = _status(ZooKeeperClusterStatus, raw)
    ready = _condition(status.conditions, ClusterCondition.READY)
    available = _condition(status.conditions, ClusterCondition.AVAILABLE)
    return ClusterGlance(
        **_common(raw, ready, status.observed_generation),
        replicas=int((raw.get("spec") or {}).get("replicas", 0)),
        voters=status.replicas,
        serving=status.ready_replicas,
        available=available.status if available is not None else "",
        leader=status.leader,
        version=status.version,
        config_version=status.config_version,
        endpoint=status.endpoint,
        members=status.members,
        conditions=status.conditions,
    )


def sync_glance(raw: Mapping[str, Any]) -> SyncGlance:
    """Return what there is to see of a ConfigSync."""
    status = _status(ConfigSyncStatus, raw)
    spec = raw.get("spec") or {}
    return SyncGlance(
        **_common(raw, _condition(status.conditions, SyncCondition.READY), status.observed_generation),
        path=str((spec.get("zookeeper") or {}).get("path", "")),
        config_map=status.config_map or str((spec.get("configMap") or {}).get("name") or raw["metadata"]["name"]),
        direction=str(spec.get("direction", "")),
        keys=status.keys,
        zxid=status.zxid,
        conflict_count=status.conflict_count,
        conflicts=status.conflicts,
        pending=status.pending,
        conditions=status.conditions,
    )


def to_json(glance: ClusterGlance | SyncGlance) -> dict[str, Any]:
    """Return it as plain values, in the names and the order of the API."""
    return {to_camel(field.name): _plain(getattr(glance, field.name)) for field in fields(glance)}


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.manifest()
    return [item.manifest() for item in value] if isinstance(value, tuple) else value


def cluster_table(glances: Iterable[ClusterGlance], style: Style, *, namespaced: bool) -> str:
    """Return one line a cluster."""
    head = ("CLUSTER", "STATE", "SERVING", "LEADER", "VERSION", "REASON", "MESSAGE")
    rows = [
        (
            _name(glance, namespaced),
            _state(glance, style),
            f"{glance.serving}/{glance.replicas}",
            glance.leader or "-",
            glance.version or "-",
            glance.reason,
            printable(glance.message) if glance.healthy is not True else "",
        )
        for glance in glances
    ]
    return table(head, rows)


def sync_table(glances: Iterable[SyncGlance], style: Style, *, namespaced: bool) -> str:
    """Return one line a sync."""
    head = ("SYNC", "STATE", "ZNODES", "", "CONFIGMAP", "KEYS", "REASON", "MESSAGE")
    rows = [
        (
            _name(glance, namespaced),
            _state(glance, style),
            printable(glance.path),
            _ARROWS.get(glance.direction, "?"),
            glance.config_map,
            str(glance.keys),
            glance.reason,
            printable(glance.message) if glance.healthy is not True else "",
        )
        for glance in glances
    ]
    return table(head, rows)


_ARROWS = {"TwoWay": "<->", "ZooKeeperToConfigMap": "-->", "ConfigMapToZooKeeper": "<--"}


def cluster_detail(glance: ClusterGlance, style: Style, now: datetime) -> str:
    """Return everything about one cluster."""
    head = (
        f"{style.paint(f'ZooKeeperCluster {glance.namespace}/{glance.name}', Colour.STRONG)}  {_state(glance, style)}"
    )
    facts = [
        ("members", f"{glance.serving} of {glance.replicas} serve, {glance.voters} vote"),
        ("connect", glance.endpoint or "-"),
        ("version", glance.version or "-"),
        ("configuration", glance.config_version or "-"),
    ]
    members = [
        (m.name, str(m.id), m.role, "yes" if m.ready else "no", m.version or "-", m.zxid or "-", printable(m.reason))
        for m in glance.members
    ]
    parts = [head, table(("", ""), facts).lstrip("\n")]
    if members:
        parts.append(table(("MEMBER", "ID", "ROLE", "READY", "VERSION", "ZXID", "REASON"), members))
    return "\n\n".join([*parts, _conditions(glance.conditions, style, now)])


def sync_detail(glance: SyncGlance, style: Style, now: datetime) -> str:
    """Return everything about one sync."""
    head = f"{style.paint(f'ConfigSync {glance.namespace}/{glance.name}', Colour.STRONG)}  {_state(glance, style)}"
    facts = [
        ("znodes", printable(glance.path)),
        ("configmap", glance.config_map),
        ("direction", glance.direction),
        ("state", f"{glance.keys} keys equal at zxid {glance.zxid or '-'}"),
    ]
    parts = [head, table(("", ""), facts).lstrip("\n")]
    if glance.conflicts:
        parts.append(_conflicts(glance, now))
    if glance.pending is not None:
        parts.append(pending_text(glance.pending))
    return "\n\n".join([*parts, _conditions(glance.conditions, style, now)])


def pending_text(pending: Pending) -> str:
    """Return a plan that is not carried out in one line."""
    counts = f"{pending.creates} to create, {pending.updates} to change, {pending.deletes} to delete"
    return f"not carried out: {counts} (plan {pending.hash})" if pending.hash else f"not carried out: {counts}"


def _conflicts(glance: SyncGlance, now: datetime) -> str:
    rows = [
        (
            printable(conflict.key),
            printable(conflict.path),
            conflict.zookeeper or "(absent)",
            conflict.config_map or "(absent)",
            printable(conflict.manager) or "-",
            age(conflict.since or "", now),
        )
        for conflict in glance.conflicts
    ]
    shown = table(("CONFLICT", "ZNODE", "ZOOKEEPER", "CONFIGMAP", "WRITTEN BY", "FOR"), rows)
    more = glance.conflict_count - len(glance.conflicts)
    return f"{shown}\nand {more} more" if more > 0 else shown


def _conditions(conditions: tuple[Condition, ...], style: Style, now: datetime) -> str:
    if not conditions:
        return NOT_SEEN
    rows = [
        (
            condition.type,
            style.paint(condition.status, _truth_colour(condition)),
            condition.reason,
            age(condition.last_transition_time, now),
            printable(condition.message),
        )
        for condition in conditions
    ]
    return table(("CONDITION", "STATUS", "REASON", "FOR", "MESSAGE"), rows)


_GOOD_WHEN_FALSE = (ClusterCondition.DEGRADED, SyncCondition.CONFLICTED, SyncCondition.DELETIONS_HELD)


def _truth_colour(condition: Condition) -> Colour | None:
    if condition.status is Truth.UNKNOWN:
        return Colour.WAITING
    if condition.type == ClusterCondition.PROGRESSING:
        return None
    good = Truth.FALSE if condition.type in _GOOD_WHEN_FALSE else Truth.TRUE
    return Colour.GOOD if condition.status is good else Colour.BAD


def _status(model: type[S], raw: Mapping[str, Any]) -> S:
    """Return the status, or an empty one when another version of the operator wrote it in another way."""
    parsed = parse(model, raw.get("status") or {})
    return model() if isinstance(parsed, tuple) else parsed


def _condition(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)


def _common(raw: Mapping[str, Any], ready: Condition | None, observed: int) -> dict[str, Any]:
    meta = raw["metadata"]
    names = {"kind": raw["kind"], "namespace": meta["namespace"], "name": meta["name"]}
    if ready is None:
        return {**names, "healthy": None, "reason": "", "message": NOT_SEEN}
    if observed < meta.get("generation", 0):
        return {**names, "healthy": None, "reason": ready.reason, "message": OUTDATED}
    healthy = {Truth.TRUE: True, Truth.FALSE: False}.get(ready.status)
    return {**names, "healthy": healthy, "reason": ready.reason, "message": ready.message}


def _name(glance: Glance, namespaced: bool) -> str:
    return f"{glance.namespace}/{glance.name}" if namespaced else glance.name


def _state(glance: ClusterGlance | SyncGlance, style: Style) -> str:
    if glance.healthy is None:
        return style.paint("unknown", Colour.WAITING)
    if glance.healthy:
        return style.paint("ready", Colour.GOOD)
    if isinstance(glance, ClusterGlance) and glance.available == Truth.TRUE:
        return style.paint("serving", Colour.WAITING)
    return style.paint("not ready", Colour.BAD)
