"""The chart as far as its files tell without Helm: nothing in it is older than what it is made from."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from testbed.chart import CHART, files
from zkoperator import __version__
from zkoperator.settings import DEFAULT_IMAGE

ROOT = CHART.parents[1]


def leaves(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, rule in schema["properties"].items():
        yield from leaves(rule, f"{prefix}{name}.") if "properties" in rule else iter((prefix + name,))


def test_generated_files_are_what_the_sources_make_of_them() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in files().items() if path.read_text() != text]
    assert not stale, "run `make crds`"


def test_every_value_has_a_rule_and_a_meaning_and_no_rule_is_without_a_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for name in leaves(schema):
        rule, found = schema, values
        for part in name.split("."):
            rule, found = rule["properties"][part], found.get(part) if isinstance(found, dict) else None
        assert rule["description"].endswith("."), name
        assert found is not None or name == "global", name
    assert values.keys() == schema["properties"].keys() - {"global"}


def test_the_chart_is_of_this_version_and_names_its_default_image() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert chart["annotations"]["zkoperator.dev/default-image"] == DEFAULT_IMAGE


def test_the_chart_grants_the_rules_of_the_manifests() -> None:
    template = (CHART / "templates" / "rbac.yaml").read_text()
    rules = re.search(r"^rules:\n((?:  .*\n)+)", template, re.MULTILINE)
    assert rules is not None
    role = next(
        document
        for document in yaml.safe_load_all((ROOT / "manifests" / "operator" / "rbac.yaml").read_text())
        if document["kind"] == "ClusterRole"
    )
    assert yaml.safe_load(rules[1]) == role["rules"], "change templates/rbac.yaml with manifests/operator/rbac.yaml"


def test_the_chart_grants_what_the_components_grant_and_only_where_its_values_say_so() -> None:
    template = (CHART / "templates" / "rbac.yaml").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    switches = (
        ("tls", "enabled", "tls"),
        ("tls", "certManager", "cert-manager"),
        ("backup", "enabled", "backup"),
        ("nodes", "enabled", "nodes"),
        ("secrets", "enabled", "secrets"),
    )
    for part, value, component in switches:
        switch = rf"^{{{{- if .Values.{part}.{value} }}}}\n((?:  .*\n)+){{{{- end }}}}"
        found = re.search(switch, template, re.MULTILINE)
        assert found is not None and values[part][value] is False
        patches = yaml.safe_load((ROOT / "manifests" / component / "rules.yaml").read_text())
        assert yaml.safe_load(found[1]) == [patch["value"] for patch in patches]
