"""Alert rules and dashboard name only metrics, labels and words that are really exposed."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support.models.monitoring import MONITORING, OF_MEMBERS, OF_TARGETS, expressions, rules
from tests.support.models.promql import uses
from zkoperator.api.reasons import ClusterCondition, ClusterReason, SyncCondition, SyncReason
from zkoperator.metrics import Metrics
from zkoperator.runtime.outcome import Outcome

ROOT = Path(__file__).parents[3]

OF_COUNTERS = {"rate", "irate", "increase"}
"""Functions that take a fall of the value for a restart."""


def exposed() -> dict[str, tuple[str, set[str]]]:
    """Name of each sample -> whether it counts or measures, and its labels, of a registry as the operator serves it."""
    metrics = Metrics().registry
    types = {family.name: family.type for family in metrics.collect()}
    found: dict[str, tuple[str, set[str]]] = {}
    for collector, names in metrics._collector_to_names.items():
        family = next(types[name] for name in names if name in types)
        for name in names:
            labels = {*getattr(collector, "_labelnames", ()), *(("le",) if name.endswith("_bucket") else ())}
            found[name] = ("gauge" if family in ("gauge", "info") else "counter", labels)
    return found | {"zkoperator_build_info": ("gauge", {"version"})}


CASES = list(expressions())


@pytest.mark.parametrize(("name", "expression"), CASES, ids=[name for name, _ in CASES])
def test_an_expression_names_only_what_is_exposed(name: str, expression: str) -> None:
    known = exposed() | {metric: (kind, set()) for metric, kind in OF_MEMBERS.items()}
    assert uses(expression)
    for use in uses(expression):
        assert use.metric in known
        kind, labels = known[use.metric]
        assert use.labels <= labels | OF_TARGETS, use
        assert not use.call or (kind == "counter") is (use.call in OF_COUNTERS | {"histogram_quantile"}), use


@pytest.mark.parametrize("wrong", ["rate(zkoperator_leader) > 0", "sum by (kind (zkoperator_leader)", "sum() > 1"])
def test_what_is_no_promql_is_found(wrong: str) -> None:
    with pytest.raises(ValueError, match="."):
        uses(wrong)


@pytest.mark.parametrize(("name", "expression"), CASES, ids=[name for name, _ in CASES])
def test_an_expression_selects_only_words_that_exist(name: str, expression: str) -> None:
    for use in uses(expression):
        is_sync = use.metric == "zkoperator_sync_conditions"
        words: dict[str, set[str]] = {
            "reason": {reason.value for reason in (SyncReason if is_sync else ClusterReason)},
            "condition": {condition.value for condition in (SyncCondition if is_sync else ClusterCondition)},
            "status": {"True", "False", "Unknown"},
            "outcome": {outcome.value for outcome in Outcome} | {"2xx", "4xx", "5xx", "lost"},
        }
        for label, value in use.matchers:
            assert set(value.split("|")) <= words[label]


def test_the_alert_on_diverged_data_waits_until_a_count_of_the_first_seconds_is_over() -> None:
    """A burst of some seconds is in the increase of the last 5 minutes for 5 minutes, divergence for longer."""
    rule = next(rule for rule in rules() if rule["alert"] == "ZooKeeperDataDiverged")
    assert rule["expr"].endswith("(increase(digest_mismatches_count[5m])) > 0")
    assert rule["for"] == "6m"


def test_every_alert_says_how_grave_it_is_and_what_happened() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"]["summary"].endswith((".", "direction }}).")), rule["alert"]
        told = re.findall(r"\$labels\.([a-z]+)", rule["annotations"]["summary"])
        assert all(set(told) <= use.grouped for use in uses(rule["expr"])), rule["alert"]


def test_every_metric_of_the_operator_is_on_the_dashboard_or_in_a_rule() -> None:
    used = {use.metric for _, expression in CASES for use in uses(expression)}
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
    deployment = yaml.safe_load(next((ROOT / "manifests").rglob("deployment.yaml")).read_text())
    ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert operator in {port["name"] for port in ports}
    assert members == "metrics"
