"""The text of `status`: a table of many objects, or everything about one. Pure."""

from collections.abc import Iterable
from datetime import datetime

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import ClusterCondition, StandardCondition, SyncCondition
from zkoperator.api.sync import Pending
from zkoperator.api.tls import ClientTlsStatus, QuorumTlsStatus, TlsStatus
from zkoperator.cli.view.summary import NOT_SEEN, ClusterSummary, Summary, SyncSummary
from zkoperator.cli.view.terminal import Colour, Style, age, printable, table, whole_table


def cluster_table(summaries: Iterable[ClusterSummary], style: Style, *, namespaced: bool) -> str:
    """Return a table with one line for each cluster."""
    head = ("CLUSTER", "STATE", "SERVING", "LEADER", "VERSION", "REASON", "MESSAGE")
    rows = [
        (
            _name(summary, namespaced),
            _state(summary, style),
            f"{summary.serving}/{summary.replicas}",
            summary.leader or "-",
            summary.version or "-",
            summary.reason,
            printable(summary.message) if summary.healthy is not True else "",
        )
        for summary in summaries
    ]
    return table(head, rows, style.width)


def sync_table(summaries: Iterable[SyncSummary], style: Style, *, namespaced: bool) -> str:
    """Return a table with one line for each ConfigSync."""
    head = ("SYNC", "STATE", "ZNODES", "", "CONFIGMAP", "KEYS", "REASON", "MESSAGE")
    rows = [
        (
            _name(summary, namespaced),
            _state(summary, style),
            printable(summary.path),
            _ARROWS.get(summary.direction, "?"),
            summary.config_map or f"secret {summary.secret}",
            str(summary.keys),
            summary.reason,
            printable(summary.message) if summary.healthy is not True else "",
        )
        for summary in summaries
    ]
    return table(head, rows, style.width)


_ARROWS = {"TwoWay": "<->", "ZooKeeperToConfigMap": "-->", "ConfigMapToZooKeeper": "<--"}


def cluster_detail(summary: ClusterSummary, style: Style, now: datetime) -> str:
    """Return everything about one cluster."""
    title = style.paint(f"ZooKeeperCluster {summary.namespace}/{summary.name}", Colour.STRONG)
    head = f"{title}  {_state(summary, style)}"
    facts = [
        ("members", f"{summary.serving} of {summary.replicas} serve, {summary.voters} vote"),
        ("connect", summary.endpoint or "-"),
        ("version", summary.version or "-"),
        ("configuration", summary.config_version or "-"),
        *(_tls(summary.tls) if summary.tls is not None else ()),
    ]
    members = [
        (m.name, str(m.id), m.role, "yes" if m.ready else "no", m.version or "-", m.zxid or "-", printable(m.reason))
        for m in summary.members
    ]
    parts = [head, table(("", ""), facts).lstrip("\n")]
    if members:
        head_row = ("MEMBER", "ID", "ROLE", "READY", "VERSION", "ZXID", "REASON")
        parts.append(whole_table(head_row, members, style.width))
    return "\n\n".join([*parts, _conditions(summary.conditions, style, now)])


def _tls(tls: TlsStatus) -> list[tuple[str, str]]:
    """Return the state of TLS for clients and between members."""
    facts = []
    if (client := tls.client) is not None:
        address = f"{client.endpoint}, verified by ca.crt of ConfigMap {tls.ca_bundle}; " if client.endpoint else ""
        plain = f"{client.plaintext_clients} plain connections since members started"
        facts = [("client TLS", f"{address}{client.members} members, {plain}; {_certificate(client)}")]
    if (quorum := tls.quorum) is not None:
        facts.append(("quorum TLS", f"{tls.phase}; {_certificate(quorum)}"))
    return facts


def _certificate(part: ClientTlsStatus | QuorumTlsStatus) -> str:
    return f"certificate of {printable(part.issuer)} until {part.not_after}" if part.not_after else "no certificate yet"


def sync_detail(summary: SyncSummary, style: Style, now: datetime) -> str:
    """Return everything about one ConfigSync."""
    title = style.paint(f"ConfigSync {summary.namespace}/{summary.name}", Colour.STRONG)
    head = f"{title}  {_state(summary, style)}"
    facts = [
        ("znodes", printable(summary.path)),
        ("secret", summary.secret) if summary.secret else ("configmap", summary.config_map),
        ("direction", summary.direction),
        ("state", f"{summary.keys} keys equal at zxid {summary.zxid or '-'}"),
    ]
    parts = [head, table(("", ""), facts).lstrip("\n")]
    if summary.conflicts:
        parts.append(_conflicts(summary, now))
    if summary.pending is not None:
        parts.append(pending_text(summary.pending))
    return "\n\n".join([*parts, _conditions(summary.conditions, style, now)])


def pending_text(pending: Pending) -> str:
    """Return a plan that waits, in one line."""
    return f"not carried out: {counts_text(pending)}"


def counts_text(pending: Pending) -> str:
    """Return how many keys a plan changes, and its hash."""
    counts = f"{pending.creates} to create, {pending.updates} to change, {pending.deletes} to delete"
    return f"{counts} (plan {pending.hash})" if pending.hash else counts


def _conflicts(summary: SyncSummary, now: datetime) -> str:
    rows = [
        (
            printable(conflict.key),
            printable(conflict.path),
            conflict.zookeeper or "(absent)",
            conflict.config_map or "(absent)",
            printable(conflict.manager) or "-",
            age(conflict.since or "", now),
        )
        for conflict in summary.conflicts
    ]
    shown = table(("CONFLICT", "ZNODE", "ZOOKEEPER", "CONFIGMAP", "WRITTEN BY", "FOR"), rows)
    more = summary.conflict_count - len(summary.conflicts)
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
        if condition.type not in set(StandardCondition)
    ]
    return whole_table(("CONDITION", "STATUS", "REASON", "FOR", "MESSAGE"), rows, style.width)


_GOOD_WHEN_FALSE = (ClusterCondition.DEGRADED, SyncCondition.CONFLICTED, SyncCondition.DELETIONS_HELD)


def _truth_colour(condition: Condition) -> Colour | None:
    if condition.status is Truth.UNKNOWN:
        return Colour.WAITING
    if condition.type == ClusterCondition.PROGRESSING:
        return None
    good = Truth.FALSE if condition.type in _GOOD_WHEN_FALSE else Truth.TRUE
    return Colour.GOOD if condition.status is good else Colour.BAD


def _name(summary: Summary, namespaced: bool) -> str:
    return f"{summary.namespace}/{summary.name}" if namespaced else summary.name


def _state(summary: ClusterSummary | SyncSummary, style: Style) -> str:
    if summary.healthy is None:
        return style.paint("unknown", Colour.WAITING)
    if summary.healthy:
        return style.paint("ready", Colour.GOOD)
    if isinstance(summary, ClusterSummary) and summary.available == Truth.TRUE:
        return style.paint("serving", Colour.WAITING)
    return style.paint("not ready", Colour.BAD)
