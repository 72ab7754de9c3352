"""Tables in the documents that repeat what stands elsewhere repeat it exactly."""

import re
from pathlib import Path

import pytest
import yaml

from zkoperator.cli import COMMANDS
from zkoperator.ensemble.build.children import EXTERNAL_OF, Child
from zkoperator.ensemble.model.names import CLIENT_PORT, Names
from zkoperator.metrics import Metrics

ROOT = Path(__file__).parents[3]


def rows(document: str, section: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    text = (ROOT / "docs" / document).read_text().split(f"## {section}\n", 1)[1]
    lines = [line for line in text.split("\n## ", 1)[0].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def words(cell: str) -> frozenset[str]:
    return frozenset(word.strip() for word in cell.split(",") if word.strip())


def test_the_page_of_names_has_each_name_that_the_operator_puts_on_objects_and_no_other() -> None:
    page = (ROOT / "docs" / "reference-names.md").read_text()
    kinds = ("backup", "ensemble", "mirror", "tenant")
    code = (ROOT / "operator" / "zkoperator" / kind / "model" / "names.py" for kind in kinds)
    used = {found for module in code for found in re.findall(r'"([a-z.]*zkoperator\.dev/[a-z-]*)"', module.read_text())}
    told = {
        found.removesuffix("shop")
        for found in re.findall(r"^\| `([a-z.]*zkoperator\.dev/[a-z-]*)`", page, re.MULTILINE)
    }
    assert told == used
    names = Names("demo", "main")
    children = [child for child in Child if child not in list(EXTERNAL_OF.values())[2:]]
    objects = (*(child.name_of(names) for child in children), names.secret, names.binding, names.pod(2), names.claim(2))
    assert [
        name for name in (*objects, f"{names.service_host}:{CLIENT_PORT}", names.host(1)) if f"`{name}" not in page
    ] == []
    assert [f"{k}={v}" for k, v in names.labels.items() if f"`{k}={v}`" not in page] == []


def test_the_security_model_explains_exactly_the_rules_that_are_granted() -> None:
    granted: set[tuple[str, frozenset[str], frozenset[str]]] = set()
    leases: set[str] = set()
    for manifest in yaml.safe_load_all((ROOT / "manifests" / "operator" / "rbac.yaml").read_text()):
        for rule in manifest.get("rules", ()):
            group = rule["apiGroups"][0] or "core"
            if rule["resources"] == ["leases"]:
                leases |= set(rule["verbs"])
            else:
                granted.add((group, frozenset(rule["resources"]), frozenset(rule["verbs"])))
    granted.add(("coordination.k8s.io", frozenset({"leases"}), frozenset(leases)))
    explained = {
        (group, words(resources.replace("(own namespace)", "")), words(verbs))
        for group, resources, verbs, _ in rows("security.md", "What the operator may do, and why")
    }
    assert explained == granted


@pytest.mark.parametrize(
    ("section", "components"),
    [
        ("What TLS adds", ("tls", "cert-manager")),
        ("What backups add", ("backup",)),
        ("What lost nodes add", ("nodes",)),
        ("What Secrets add", ("secrets",)),
    ],
)
def test_the_security_model_explains_exactly_what_components_add(section: str, components: tuple[str, ...]) -> None:
    granted = set()
    for component in components:
        for patch in yaml.safe_load((ROOT / "manifests" / component / "rules.yaml").read_text()):
            rule = patch["value"]
            group = rule["apiGroups"][0] or "core"
            granted.add((group, frozenset(rule["resources"]), frozenset(rule["verbs"]), f"manifests/{component}"))
    explained = {
        (group, words(resources), words(verbs), component.strip("`"))
        for group, resources, verbs, _, component, _ in rows("security.md", section)
    }
    assert explained == granted


def test_the_monitoring_page_lists_exactly_the_metrics_that_are_exposed() -> None:
    exposed = {family.name for family in Metrics().registry.collect()}
    listed = {
        re.sub(r"_(total|info)$", "", row[0].strip("`")) for row in rows("monitoring.md", "The operator's metrics")
    }
    assert listed == exposed


def test_the_monitoring_page_names_the_labels_of_each_metric() -> None:
    labels = {
        name: set(getattr(collector, "_labelnames", ()))
        for collector, names in Metrics().registry._collector_to_names.items()
        for name in names
    }
    for name, _, listed, _ in rows("monitoring.md", "The operator's metrics"):
        assert words(listed) == (labels[name.strip("`")] or words(listed if name == "`zkoperator_build_info`" else ""))


def test_the_page_of_the_command_line_shows_each_command() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    shown = set(re.findall(r"(?:kubectl zk|python -m zkoperator) ([\w-]+)", page))
    assert {command.NAME for command in COMMANDS} - shown == {"run"}  # the operator itself: its flags are the settings
