"""How `status` shows objects to people: tables of many, everything about one. Pure."""

from collections.abc import Iterable
from datetime import datetime

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import ClusterCondition, SyncCondition
from zkoperator.api.sync import Pending
from zkoperator.cli.glance import NOT_SEEN, ClusterGlance, Glance, SyncGlance
from zkoperator.cli.terminal import Colour, Style, age, printable, table


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
