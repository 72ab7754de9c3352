"""Alert rules and dashboard name only metrics, labels and words that are really exposed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from zkoperator.api.reasons import ClusterCondition, ClusterReason, SyncCondition, SyncReason
from zkoperator.metrics import Metrics
from zkoperator.runtime.outcome import Outcome

MONITORING = Path(__file__).parents[3] / "manifests" / "monitoring"

OF_MEMBERS = {
    "digest_mismatches_count",
    "fsynctime_sum",
    "fsynctime_count",
    "num_alive_connections",
    "outstanding_requests",
    "watch_count",
    "znode_count",
}
"""ZooKeeper's own metrics that are used, as a member of 3.9.4 exposes them on port 7000."""

OF_TARGETS = {"namespace", "pod"}
"""Labels that Prometheus gives to everything it scrapes from a pod."""

FUNCTIONS = {"sum", "max", "count", "rate", "increase", "delta", "histogram_quantile", "vector", "by", "or"}
SELECTOR = re.compile(r"([a-z_]+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")


def rules() -> list[dict[str, Any]]:
    manifest = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    return [rule for group in manifest["spec"]["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def metrics_in(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|without)\s*\([^)]*\)", " ", expression)
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)) - FUNCTIONS


def labels_in(expression: str) -> set[str]:
    grouped = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    return {label.strip() for labels in grouped for label in labels.split(",")} | {
        name for name, _, _ in SELECTOR.findall(expression)
    }


def exposed() -> dict[str, set[str]]:
    """Name of each sample -> its labels, of a registry as the operator serves it."""
    found: dict[str, set[str]] = {}
    for collector, names in Metrics().registry._collector_to_names.items():
        for name in names:
            found[name] = {*getattr(collector, "_labelnames", ()), *(("le",) if name.endswith("_bucket") else ())}
    return found | {"zkoperator_build_info": {"version"}}


CASES = list(expressions())


@pytest.mark.parametrize(("name", "expression"), CASES, ids=[name for name, _ in CASES])
def test_an_expression_names_only_what_is_exposed(name: str, expression: str) -> None:
    known = exposed()
    used = metrics_in(expression)
    assert used and used <= known.keys() | OF_MEMBERS
    for metric in used & known.keys():
        assert labels_in(expression) <= known[metric] | OF_TARGETS, metric
    if used <= OF_MEMBERS:
        assert labels_in(expression) <= OF_TARGETS


@pytest.mark.parametrize(("name", "expression"), CASES, ids=[name for name, _ in CASES])
def test_an_expression_selects_only_words_that_exist(name: str, expression: str) -> None:
    is_sync = "zkoperator_sync_conditions" in expression
    words: dict[str, set[str]] = {
        "reason": {reason.value for reason in (SyncReason if is_sync else ClusterReason)},
        "condition": {condition.value for condition in (SyncCondition if is_sync else ClusterCondition)},
        "status": {"True", "False", "Unknown"},
        "outcome": {outcome.value for outcome in Outcome} | {"2xx", "4xx", "5xx", "lost"},
    }
    for label, _, value in SELECTOR.findall(expression):
        assert set(value.split("|")) <= words[label]


def test_the_alert_on_diverged_data_fires_at_the_first_mismatch() -> None:
    rule = next(rule for rule in rules() if rule["alert"] == "ZooKeeperDataDiverged")
    assert rule["expr"].endswith("(digest_mismatches_count) > 0") and "for" not in rule


def test_every_alert_says_how_grave_it_is_and_what_happened() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"]["summary"].endswith((".", "direction }}).")), rule["alert"]
        told = re.findall(r"\$labels\.([a-z]+)", rule["annotations"]["summary"])
        assert set(told) <= labels_in(rule["expr"]), rule["alert"]


def test_every_metric_of_the_operator_is_on_the_dashboard_or_in_a_rule() -> None:
    used = {metric for _, expression in CASES for metric in metrics_in(expression)}
    families = {family.name for family in Metrics().registry.collect()}
    shown = {re.sub(r"_(bucket|count|total|info|sum)$", "", name) for name in used}
    assert families - shown == set()


def test_panels_have_ids_and_places_of_their_own() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len({panel["id"] for panel in panels}) == len(set(places)) == len(panels)


def test_what_is_scraped_are_ports_that_the_pods_have() -> None:
    monitors = list(yaml.safe_load_all((MONITORING / "podmonitors.yaml").read_text()))
    operator, members = (monitor["spec"]["podMetricsEndpoints"][0]["port"] for monitor in monitors)
    deployment = yaml.safe_load((MONITORING.parent / "operator" / "deployment.yaml").read_text())
    ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert operator in {port["name"] for port in ports}
    assert members == "metrics"
