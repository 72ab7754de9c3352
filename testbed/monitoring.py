"""The generated files of `manifests/monitoring/`: the dashboard, and what kube-state-metrics is told of our kinds.

`python -m testbed.monitoring` writes them; a test compares them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from zkoperator.api.crd import KINDS
from zkoperator.api.meta import API_VERSION

_MONITORING = Path(__file__).parent.parent / "manifests" / "monitoring"
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_OF_MEMBERS = (
    "approximate_data_size",
    "digest_mismatches_count",
    "fsynctime_count",
    "fsynctime_sum",
    "jvm_memory_bytes_max",
    "jvm_memory_bytes_used",
    "num_alive_connections",
    "outstanding_requests",
    "quorum_size",
    "watch_count",
    "znode_count",
)
_OF_OBJECTS = ("zkoperator_cluster_object_condition", "zkoperator_sync_object_condition")
_SELECTOR = re.compile(rf"\b(zkoperator_[a-z_]+|{'|'.join(_OF_MEMBERS)})\b(?:\{{([^}}]*)\}})?")
_HEIGHT, _WIDTH, _SMALL = 8, 8, 4
_COLUMNS = 24


@dataclass(frozen=True)
class Row:
    """A heading."""

    title: str


@dataclass(frozen=True)
class Panel:
    """A panel; `queries` are expressions with the legend of their series."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    form: str = "timeseries"
    about: str = ""

    @property
    def width(self) -> int:
        """The number of columns."""
        return _SMALL if self.form == "stat" else _WIDTH


def _quantile(histogram: str, share: float, labels: str) -> str:
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket[$__rate_interval])))"


def _not_ready(conditions: str) -> str:
    return f'max by (namespace, name, reason) ({conditions}{{condition="Ready",status!="True"}})'


def _flush() -> str:
    spent, number = (f"sum by (namespace, pod) (rate(fsynctime_{part}[$__rate_interval]))" for part in ("sum", "count"))
    return f"{spent} / {number}"


PANELS: tuple[Row | Panel, ...] = (
    Row("ConfigSyncs"),
    Panel("Keys in sync", "short", (("sum(zkoperator_sync_keys)", ""),), form="stat"),
    Panel("Bytes in sync", "bytes", (("sum(zkoperator_sync_bytes)", ""),), form="stat"),
    Panel("Conflicts", "short", (("sum(zkoperator_sync_conflicts)", ""),), form="stat"),
    Panel("Deletions held", "short", (("sum(zkoperator_sync_held_deletes)", ""),), form="stat"),
    Panel(
        "Longest unequal",
        "s",
        (("max(zkoperator_sync_lag_seconds)", ""),),
        form="stat",
        about="For how long the ConfigSync that is unequal longest has been so.",
    ),
    Panel("Acting replicas", "short", (("sum(zkoperator_leader)", ""),), form="stat"),
    Panel(
        "From change to write",
        "s",
        (
            (
                _quantile("zkoperator_sync_event_to_write_seconds", 0.5, "le, direction"),
                "{{direction}} p50",
            ),
            (
                _quantile("zkoperator_sync_event_to_write_seconds", 0.99, "le, direction"),
                "{{direction}} p99",
            ),
        ),
    ),
    Panel(
        "Writes to the other side",
        "ops",
        (("sum by (direction, result) (rate(zkoperator_sync_total[$__rate_interval]))", "{{direction}} {{result}}"),),
    ),
    Panel(
        "Why ConfigSyncs are not ready",
        "short",
        (('sum by (reason) (zkoperator_sync_conditions{condition="Ready",status!="True"}) > 0', "{{reason}}"),),
    ),
    Panel(
        "Changes heard and passes without work",
        "ops",
        (
            ("sum(rate(zkoperator_sync_watch_events_total[$__rate_interval]))", "notifications"),
            ("sum(rate(zkoperator_sync_noop_total[$__rate_interval]))", "nothing to write"),
        ),
    ),
    Panel(
        "Refused conditional writes and flaps",
        "ops",
        (
            ("sum by (side) (rate(zkoperator_sync_cas_failures_total[$__rate_interval]))", "{{side}}"),
            ("sum(rate(zkoperator_sync_flaps_total[$__rate_interval]))", "flaps"),
        ),
    ),
    Panel(
        "Whole subtrees read",
        "s",
        (
            (
                _quantile("zkoperator_sync_snapshot_seconds", 0.99, "le"),
                "p99",
            ),
            ("sum by (reason) (increase(zkoperator_sync_resyncs_total[$__rate_interval]))", "number: {{reason}}"),
            ("sum(increase(zkoperator_sync_snapshot_retries_total[$__rate_interval]))", "cut off"),
        ),
    ),
    Panel(
        "ConfigSyncs that are not ready",
        "short",
        (
            (
                _not_ready("zkoperator_sync_object_condition"),
                "{{namespace}}/{{name}} {{reason}}",
            ),
        ),
        about="Needs kube-state-metrics.yaml or the setting --object-metrics.",
    ),
    Row("Ensembles"),
    Panel(
        "Ensembles that are not ready",
        "short",
        (
            (
                _not_ready("zkoperator_cluster_object_condition"),
                "{{namespace}}/{{name}} {{reason}}",
            ),
        ),
        about="Needs kube-state-metrics.yaml or the setting --object-metrics.",
    ),
    Panel(
        "Available",
        "short",
        (('sum by (status, reason) (zkoperator_cluster_conditions{condition="Available"})', "{{status}} {{reason}}"),),
    ),
    Panel(
        "What is being done",
        "short",
        (('sum by (reason) (zkoperator_cluster_conditions{condition="Progressing",reason!="Settled"})', "{{reason}}"),),
    ),
    Panel(
        "What is wrong",
        "short",
        (('sum by (reason) (zkoperator_cluster_conditions{condition="Degraded",status="True"})', "{{reason}}"),),
    ),
    Panel("Members by role", "short", (("sum by (role) (zkoperator_cluster_members)", "{{role}}"),)),
    Panel(
        "Changes that came to wait",
        "short",
        (("sum by (cause) (increase(zkoperator_cluster_gate_blocks_total[$__rate_interval]))", "{{cause}}"),),
    ),
    Panel(
        "Steps",
        "s",
        (
            (
                _quantile("zkoperator_cluster_step_seconds", 0.99, "le, step"),
                "{{step}} p99",
            ),
        ),
    ),
    Row("Members"),
    Panel(
        "Digest mismatches",
        "short",
        (("max by (namespace, pod) (digest_mismatches_count)", "{{namespace}}/{{pod}}"),),
        about="More than 0: the member's data may have diverged.",
    ),
    Panel(
        "Requests in flight", "short", (("sum by (namespace, pod) (outstanding_requests)", "{{namespace}}/{{pod}}"),)
    ),
    Panel(
        "Log flush",
        "ms",
        (
            (
                _flush(),
                "{{namespace}}/{{pod}}",
            ),
        ),
    ),
    Panel("Znodes", "short", (("max by (namespace, pod) (znode_count)", "{{namespace}}/{{pod}}"),)),
    Panel("Connections", "short", (("sum by (namespace, pod) (num_alive_connections)", "{{namespace}}/{{pod}}"),)),
    Panel("Watches", "short", (("sum by (namespace, pod) (watch_count)", "{{namespace}}/{{pod}}"),)),
    Panel(
        "Data and heap",
        "bytes",
        (
            ("max by (namespace, pod) (approximate_data_size)", "{{namespace}}/{{pod}} data"),
            ('max by (namespace, pod) (jvm_memory_bytes_used{area="heap"})', "{{namespace}}/{{pod}} heap used"),
            ('max by (namespace, pod) (jvm_memory_bytes_max{area="heap"})', "{{namespace}}/{{pod}} heap"),
        ),
    ),
    Panel(
        "Voters, as members see them",
        "short",
        (("max by (namespace, pod) (quorum_size)", "{{namespace}}/{{pod}}"),),
        about="A member that serves nobody has no line.",
    ),
    Row("Operator"),
    Panel(
        "Passes",
        "ops",
        (("sum by (kind, outcome) (rate(zkoperator_reconcile_total[$__rate_interval]))", "{{kind}} {{outcome}}"),),
    ),
    Panel(
        "Duration of a pass, p99",
        "s",
        (
            (
                _quantile("zkoperator_reconcile_seconds", 0.99, "le, kind"),
                "{{kind}}",
            ),
        ),
    ),
    Panel("Objects waiting", "short", (("sum by (kind) (zkoperator_queue_depth)", "{{kind}}"),)),
    Panel(
        "Kubernetes API, p99",
        "s",
        (
            (
                _quantile("zkoperator_kube_request_seconds", 0.99, "le, verb"),
                "{{verb}}",
            ),
        ),
    ),
    Panel(
        "ZooKeeper, p99",
        "s",
        (
            (
                _quantile("zkoperator_zookeeper_request_seconds", 0.99, "le, operation"),
                "{{operation}}",
            ),
        ),
    ),
    Panel(
        "Writes to the API for ConfigSyncs",
        "ops",
        (("sum by (object) (rate(zkoperator_sync_api_writes_total[$__rate_interval]))", "{{object}}"),),
    ),
    Panel("Starts of the event source", "short", (("max by (pod) (zkoperator_kopf_starts)", "{{pod}}"),)),
    Panel("Versions", "short", (("count by (version) (zkoperator_build_info)", ""),), form="table"),
    Panel(
        "Replicas that could act, other operators",
        "short",
        (
            ("sum(zkoperator_ready)", "ready"),
            ("max(zkoperator_other_operators)", "other operators"),
        ),
    ),
)


def files() -> dict[Path, str]:
    """Return the content of each generated file by its path."""
    return {
        _MONITORING / "dashboard.json": json.dumps(dashboard(), indent=2) + "\n",
        _MONITORING / "kube-state-metrics.yaml": _STATE_HEAD + yaml.safe_dump(state_metrics(), sort_keys=False),
    }


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "zkoperator",
        "title": "zkoperator",
        "tags": ["zookeeper"],
        "schemaVersion": 39,
        "version": 2,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_datasource(), *map(_variable, ("cluster", "namespace"))]},
        "annotations": {"list": []},
        "panels": list(_placed()),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _variable(label: str) -> dict[str, Any]:
    """Return a choice of values of a label; "all" takes series without the label too."""
    known = "zkoperator_build_info" if label == "cluster" else 'quorum_size{cluster=~"$cluster"}'
    return {
        "name": label,
        "label": "Kubernetes cluster" if label == "cluster" else "Namespace",
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values({known}, {label})",
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed() -> Iterator[dict[str, Any]]:
    """Yield the panels from left to right, in lines of equal height."""
    x = y = 0
    for number, panel in enumerate(PANELS, start=1):
        width = _COLUMNS if isinstance(panel, Row) else panel.width
        if x + width > _COLUMNS:
            x, y = 0, y + _HEIGHT
        if isinstance(panel, Row):
            y += _HEIGHT if x else 0
            place = {"h": 1, "w": _COLUMNS, "x": 0, "y": y}
            yield {
                "id": number,
                "type": "row",
                "title": panel.title,
                "gridPos": place,
                "collapsed": False,
                "panels": [],
            }
            x, y = 0, y + 1
        else:
            yield _panel(number, panel, {"h": _HEIGHT, "w": width, "x": x, "y": y})
            x += width


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "expr": scoped(query), "legendFormat": legend, "datasource": _SOURCE}
        for index, (query, legend) in enumerate(panel.queries)
    ]
    shown = {
        "id": number,
        "type": panel.form,
        "title": panel.title,
        "description": panel.about,
        "gridPos": place,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    return {**shown, "options": options} if panel.form == "stat" else shown


def scoped(query: str) -> str:
    """Return the expression with the chosen cluster, and for what belongs to a namespace the chosen one."""
    return _SELECTOR.sub(_scoped, query)


def _scoped(found: re.Match[str]) -> str:
    matchers = [found[2]] if found[2] else []
    matchers.append('cluster=~"$cluster"')
    if found[1] in (*_OF_MEMBERS, *_OF_OBJECTS):
        matchers.append('namespace=~"$namespace"')
    return f"{found[1]}{{{','.join(matchers)}}}"


_STATE_HEAD = """\
# Generated by `python -m testbed.monitoring`. With it kube-state-metrics (2.9 or newer) shows the conditions of each
# object, so that alerts name it: docs/monitoring.md says how.
"""
_METRICS: Final = {"ZooKeeperCluster": "cluster_object_condition", "ConfigSync": "sync_object_condition"}


def state_metrics() -> dict[str, Any]:
    """Return the configuration of kube-state-metrics for all kinds that have conditions."""
    return {
        "kind": "CustomResourceStateMetrics",
        "spec": {"resources": [_resource(kind.name, _METRICS[kind.name]) for kind in KINDS]},
    }


def _resource(kind: str, metric: str) -> dict[str, Any]:
    group, _, version = API_VERSION.partition("/")
    labels = {"condition": ["type"], "status": ["status"], "reason": ["reason"]}
    return {
        "groupVersionKind": {"group": group, "version": version, "kind": kind},
        "metricNamePrefix": "zkoperator",
        "labelsFromPath": {"namespace": ["metadata", "namespace"], "name": ["metadata", "name"]},
        "metrics": [
            {
                "name": metric,
                "help": f"1: this {kind} has this condition",
                "each": {"type": "Info", "info": {"path": ["status", "conditions"], "labelsFromPath": labels}},
            }
        ],
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
