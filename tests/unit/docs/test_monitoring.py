"""Alert rules and dashboard name only metrics, labels and words that are really exposed."""

import json
import re
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from testbed.monitoring import dashboard, files, scoped, state_metrics
from tests.support.models.monitoring import (
    MONITORING,
    OF_MEMBERS,
    OF_OTHERS,
    OF_TARGETS,
    alerts,
    expressions,
    recorded,
)
from tests.support.models.promql import uses
from zkoperator.api.crd import KINDS
from zkoperator.api.reasons import (
    BackupCondition,
    BackupReason,
    ClusterCondition,
    ClusterReason,
    ScheduleCondition,
    ScheduleReason,
    SyncCondition,
    SyncReason,
    ZNodeCondition,
    ZNodeReason,
)
from zkoperator.metrics import Metrics
from zkoperator.runtime.outcome import Outcome

ROOT = Path(__file__).parents[3]

OF_COUNTERS = {"rate", "irate", "increase"}
"""Functions that take a fall of the value for a restart."""
OF_BOTH = {"histogram_quantile", "label_replace"}
"""Functions that do not care."""
OBJECT = {"namespace", "name", "condition", "status", "reason"}
OBJECTS = ("cluster", "sync", "backup", "backup_schedule", "znode")
OF_NO_OBJECT = "ZkOperator", "ConfigSyncSlow"
"""Alerts about the operator as a whole."""


def exposed() -> dict[str, tuple[str, set[str]]]:
    """Name of each sample -> whether it counts or measures, and its labels, of a registry as the operator serves it."""
    metrics = Metrics(objects=1).registry
    types = {family.name: family.type for family in metrics.collect()}
    found: dict[str, tuple[str, set[str]]] = {}
    for collector, names in metrics._collector_to_names.items():
        family = next(types[name] for name in names if name in types)
        for name in names:
            labels = {*getattr(collector, "_labelnames", ()), *(("le",) if name.endswith("_bucket") else ())}
            found[name] = ("gauge" if family in ("gauge", "info") else "counter", labels)
    found |= {f"zkoperator_{kind}_object_condition": ("gauge", OBJECT) for kind in OBJECTS}
    return found | {"zkoperator_build_info": ("gauge", {"version"})}


CASES = list(expressions())


@pytest.mark.parametrize(("name", "expression"), CASES, ids=[name for name, _ in CASES])
def test_an_expression_names_only_what_is_exposed(name: str, expression: str) -> None:
    known = exposed() | {metric: (kind, {"area", "name"}) for metric, kind in OF_MEMBERS.items()}
    known |= {metric: ("gauge", {*labels, "name"}) for metric, labels in OF_OTHERS.items()}
    known |= dict.fromkeys(recorded(), ("gauge", OBJECT))
    assert uses(expression)
    for use in uses(expression):
        assert use.metric in known
        kind, labels = known[use.metric]
        assert use.labels <= labels | OF_TARGETS, use
        assert not use.call or (kind == "counter") is (use.call in OF_COUNTERS) or use.call in OF_BOTH, use


@pytest.mark.parametrize("wrong", ["rate(zkoperator_leader) > 0", "sum by (kind (zkoperator_leader)", "sum() > 1"])
def test_what_is_no_promql_is_found(wrong: str) -> None:
    with pytest.raises(ValueError, match="."):
        uses(wrong)


@pytest.mark.parametrize(("name", "expression"), CASES, ids=[name for name, _ in CASES])
def test_an_expression_selects_only_words_that_exist(name: str, expression: str) -> None:
    for use in uses(expression):
        reasons, conditions = next((WORDS[kind] for kind in WORDS if kind in use.metric), WORDS["cluster"])
        words: dict[str, set[str]] = {
            "reason": {reason.value for reason in reasons},
            "condition": {condition.value for condition in conditions},
            "status": {"True", "False", "Unknown"},
            "outcome": {outcome.value for outcome in Outcome} | {"2xx", "4xx", "5xx", "lost"},
        }
        for label, value in use.matchers:
            assert label in WITH_PATTERNS or set(value.split("|")) <= words[label]


WORDS: dict[str, tuple[type[StrEnum], type[StrEnum]]] = {
    "sync": (SyncReason, SyncCondition),
    "schedule": (ScheduleReason, ScheduleCondition),
    "backup": (BackupReason, BackupCondition),
    "znode": (ZNodeReason, ZNodeCondition),
    "cluster": (ClusterReason, ClusterCondition),
}
"""Reasons and conditions by a word in the metric's name."""
WITH_PATTERNS = {"cluster", "namespace", "pod", "persistentvolumeclaim", "area"}


def test_the_alert_on_diverged_data_waits_until_a_count_of_the_first_seconds_is_over() -> None:
    """A burst of some seconds is in the increase of the last 5 minutes for 5 minutes, divergence for longer."""
    rule = next(rule for rule in alerts() if rule["alert"] == "ZooKeeperDataDiverged")
    assert "increase(digest_mismatches_count[5m])" in rule["expr"] and rule["expr"].endswith(" > 0")
    assert rule["for"] == "6m"


def test_every_alert_says_how_grave_it_is_and_what_happened() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"]["summary"].endswith((".", "direction }}).")), rule["alert"]


def test_every_alert_leads_to_its_entry_in_the_runbook() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    anchors = [slug(heading) for heading in headings]
    assert len(anchors) == len(set(anchors)), "two headings have the same anchor"
    for rule in alerts():
        base, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert base == RUNBOOK and anchor == slug(rule["alert"]) and anchor in anchors, rule["alert"]


RUNBOOK = "https://zkoperator.dev/docs/runbook/"


def slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def test_the_chart_can_lead_to_another_runbook() -> None:
    template = (ROOT / "charts/zkoperator/templates/monitoring.yaml").read_text()
    values = yaml.safe_load((ROOT / "charts/zkoperator/values.yaml").read_text())
    assert f'replace "{RUNBOOK}" .Values.monitoring.runbookUrl' in template
    assert values["monitoring"]["runbookUrl"] == RUNBOOK


def test_every_alert_about_an_object_is_grouped_by_its_name() -> None:
    """What fires is told by tests/integration/test_alerts.py, with the engine of Prometheus."""
    for rule in alerts():
        named = re.search(
            rf"\(namespace, name|zkoperator:({'|'.join(OBJECTS)})_conditions|\"name\", \"\$1\"", rule["expr"]
        )
        assert bool(named) is not rule["alert"].startswith(OF_NO_OBJECT), rule["alert"]


def test_the_generated_files_are_what_the_sources_make_of_them() -> None:
    assert [path.name for path, text in files().items() if path.read_text() != text] == [], "run `make crds`"


def test_kube_state_metrics_is_told_of_every_kind_and_shows_what_the_operator_would() -> None:
    resources = state_metrics()["spec"]["resources"]
    assert [found["groupVersionKind"]["kind"] for found in resources] == [kind.name for kind in KINDS]
    for found in resources:
        (metric,) = found["metrics"]
        labels = {*found["labelsFromPath"], *metric["each"]["info"]["labelsFromPath"]}
        name = f"{found['metricNamePrefix']}_{metric['name']}"
        assert exposed()[name] == ("gauge", labels)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sum(zkoperator_leader)", 'sum(zkoperator_leader{cluster=~"$cluster"})'),
        (
            'a(jvm_memory_bytes_max{area="heap"})',
            'jvm_memory_bytes_max{area="heap",cluster=~"$cluster",namespace=~"$namespace"}',
        ),
    ],
)
def test_panels_show_what_was_chosen(query: str, found: str) -> None:
    assert found in scoped(query)


def test_every_panel_is_of_the_chosen_cluster() -> None:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            assert all(("cluster", "$cluster") in use.matchers for use in uses(target["expr"])), panel["title"]


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
