"""The CRDs are what the models say, and nothing that a structural schema may not be."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from zkoperator.api import crd
from zkoperator.api.backup import ZooKeeperBackup
from zkoperator.api.backup_schedule import ZooKeeperBackupSchedule
from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.crd import (
    CLUSTER,
    KINDS,
    Kind,
    SchemaError,
    check_structural,
    definition,
    root_schema,
    structural,
)
from zkoperator.api.meta import Model
from zkoperator.api.parse import parse
from zkoperator.api.sync import ConfigSync
from zkoperator.api.znode import ZNode
from zkoperator.cli.view.generated_files import crd_files, reference_files

ROOT = Path(__file__).parents[3]


LEAST: dict[str, Any] = {
    "ConfigSync": {"zookeeper": {"hosts": "a:2181", "path": "/a"}},
    "ZNode": {"clusterRef": {"name": "a"}},
    "ZooKeeperBackup": {"clusterRef": {"name": "a"}, "storage": {"persistentVolumeClaim": {"claimName": "b"}}},
    "ZooKeeperBackupSchedule": {
        "clusterRef": {"name": "a"},
        "schedule": "0 * * * *",
        "template": {"storage": {"persistentVolumeClaim": {"claimName": "b"}}},
    },
}
"""The least spec of each kind that needs one."""


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from nodes(schema[keyword], f"{path}[]")


def schema_of(model: type[Model]) -> dict[str, Any]:
    raw = model.model_json_schema()
    return structural({key: value for key, value in raw.items() if key != "$defs"}, raw.get("$defs", {}))


@pytest.mark.parametrize("name", crd_files())
def test_the_committed_definitions_are_those_of_the_models(name: str) -> None:
    assert (ROOT / "crds" / name).read_text() == crd_files()[name], "run `make crds`"


@pytest.mark.parametrize("name", reference_files())
def test_the_committed_reference_is_that_of_the_models(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == reference_files()[name], "run `make crds`"


@pytest.mark.parametrize("name", reference_files())
def test_a_description_of_several_lines_stays_in_one_row_of_the_reference(name: str) -> None:
    tables = [block.splitlines() for block in reference_files()[name].split("\n\n") if block.startswith("|")]
    assert tables
    assert [line for table in tables for line in table if not (line.startswith("| ") and line.endswith(" |"))] == []


def test_nothing_else_is_in_the_directory_that_users_apply() -> None:
    assert {path.name for path in (ROOT / "crds").iterdir()} == set(crd_files())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_has_a_description(kind: Kind) -> None:
    properties = root_schema(kind.model)["properties"]
    undescribed = [
        path
        for part in ("spec", "status")
        for path, node in nodes(properties[part], part)
        if not path.endswith("[]") and not node.get("description")
    ]
    assert undescribed == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_status_has_no_default_but_that_nobody_has_seen_the_object(kind: Kind) -> None:
    status = root_schema(kind.model)["properties"]["status"]
    assert [(path, node["default"]) for path, node in nodes(status) if "default" in node] == [
        ("", {"observedGeneration": -1})
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_api_server_fills_in_the_defaults_that_the_operator_has(kind: Kind) -> None:
    spec = LEAST.get(kind.name, {})
    parsed = parse(kind.model, {"metadata": {"name": "main"}, "spec": spec})
    assert isinstance(parsed, ZooKeeperCluster | ConfigSync | ZooKeeperBackup | ZooKeeperBackupSchedule | ZNode)
    filled = _defaulted(root_schema(kind.model)["properties"]["spec"], spec)
    assert filled == _without_empty(parsed.spec.manifest())


def _defaulted(schema: dict[str, Any], value: Any) -> Any:
    """Fill in defaults as the API server does: outside first, then inside what was filled in."""
    if not isinstance(value, dict):
        return value
    out = dict(value)
    for name, child in schema.get("properties", {}).items():
        if name not in out and "default" in child:
            out[name] = child["default"]
        if name in out:
            out[name] = _defaulted(child, out[name])
    return _without_empty(out)


def _without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if item not in ({}, [])}


def test_a_cluster_can_be_scaled_by_kubectl() -> None:
    version = definition(CLUSTER)["spec"]["versions"][0]
    assert version["subresources"]["scale"] == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_column_shows_a_field_that_exists(kind: Kind) -> None:
    paths = {path for path, _ in nodes(root_schema(kind.model))}
    for column in kind.columns:
        path, _, either = re.sub(r"\[\?\(@\.type==\"\w+\"\)\]", "[]", column.path).partition("['")
        shown = {f"{path}.{field}" for field in either.removesuffix("']").split("','")} if either else {path}
        assert shown <= {*paths, ".metadata.creationTimestamp"}, column


class Recursive(Model):
    child: "Recursive | None" = None


class Union(Model):
    either: int | str | None = None


class Free(Model):
    anything: dict[str, Any] = Field(default_factory=dict)


class Strange(Model):
    number: Annotated[int, Field(multiple_of=2)] = 0


class Untyped(Model):
    anything: Any = None


class Unbounded(Model):
    text: str = ""


@pytest.mark.parametrize("model", [Union, Free, Strange, Recursive])
def test_what_has_no_translation_is_refused_rather_than_left_out(model: type[Model]) -> None:
    with pytest.raises(SchemaError):
        check_structural(schema_of(model))


@pytest.mark.parametrize("model", [Untyped, Unbounded])
def test_a_field_without_type_or_bound_is_refused(model: type[Model]) -> None:
    with pytest.raises(SchemaError, match=r"^\.(anything|text): no (type|bound)"):
        check_structural(schema_of(model))


@pytest.mark.parametrize(
    "bound",
    [{"type": "array", "items": {"type": "integer"}}, {"type": "object", "additionalProperties": {"type": "integer"}}],
)
def test_a_list_or_map_without_a_bound_is_refused(bound: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="no bound"):
        check_structural({"type": "object", "properties": {"many": bound}})


def test_only_known_keywords_are_passed_on() -> None:
    for keyword in ("not", "oneOf", "$schema", "additionalItems", "uniqueItems"):
        with pytest.raises(SchemaError, match=re.escape(keyword)):
            structural({"type": "string", keyword: True}, {})
    assert "uniqueItems" not in crd._KEPT
