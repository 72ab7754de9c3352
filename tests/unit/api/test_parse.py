"""A raw object becomes a typed one, or all of its errors with field and fix."""

from typing import Any

import pytest

from tests.support.models.bad import Bad
from tests.support.models.bad_objects import BAD_OBJECTS
from zkoperator.api.backup import ZooKeeperBackup
from zkoperator.api.backup_schedule import ZooKeeperBackupSchedule
from zkoperator.api.cluster import StorageType, ZooKeeperCluster
from zkoperator.api.meta import Model
from zkoperator.api.parse import parse, parse_strict
from zkoperator.api.sync import ConfigSync, Direction
from zkoperator.api.znode import ZNode
from zkoperator.errors import FieldError

KINDS: dict[str, type[Model]] = {
    "ZooKeeperCluster": ZooKeeperCluster,
    "ConfigSync": ConfigSync,
    "ZooKeeperBackup": ZooKeeperBackup,
    "ZooKeeperBackupSchedule": ZooKeeperBackupSchedule,
    "ZNode": ZNode,
}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def cluster(spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "main"}, "spec": spec}


def errors(result: Model | tuple[FieldError, ...]) -> tuple[FieldError, ...]:
    assert isinstance(result, tuple), f"accepted: {result}"
    return result


@pytest.mark.parametrize("bad", BAD_OBJECTS, ids=str)
def test_a_bad_object_is_refused_with_the_field_and_the_fix(bad: Bad) -> None:
    found = errors(parse(KINDS[bad.kind], bad.manifest))
    assert [error for error in found if error.path == bad.field and bad.says in error.message], found


@pytest.mark.parametrize("bad", BAD_OBJECTS, ids=str)
def test_an_error_never_repeats_what_was_written_on_more_than_one_line(bad: Bad) -> None:
    assert all("\n" not in str(error) for error in errors(parse(KINDS[bad.kind], bad.manifest)))


def test_all_errors_are_reported_at_once() -> None:
    found = errors(
        parse(
            ZooKeeperCluster,
            cluster(
                {"replicas": 0, "config": {"server.1": "x", "foo": "y", "tickTime": "1"}, "storage": {"size": "x"}}
            ),
        )
    )
    assert [error.path for error in found] == [
        "spec.replicas",
        "spec.config",
        "spec.config",
        "spec.config.tickTime",
        "spec.storage.size",
    ]


def test_an_empty_spec_is_a_cluster_of_three_with_persistent_storage() -> None:
    parsed = parse(ZooKeeperCluster, cluster({}))
    assert isinstance(parsed, ZooKeeperCluster)
    assert (parsed.spec.replicas, parsed.spec.storage.type, parsed.spec.image) == (3, StorageType.PERSISTENT, None)


def test_the_config_map_has_the_name_of_its_sync_unless_it_has_its_own() -> None:
    source = {"hosts": "a:2181", "path": "/a"}
    named = parse(ConfigSync, {"metadata": {"name": "s"}, "spec": {"zookeeper": source, "configMap": {"name": "c"}}})
    unnamed = parse(ConfigSync, {"metadata": {"name": "s"}, "spec": {"zookeeper": source}})
    assert isinstance(named, ConfigSync)
    assert isinstance(unnamed, ConfigSync)
    assert (named.target_name, unnamed.target_name) == ("c", "s")
    assert unnamed.spec.direction is Direction.TWO_WAY


def test_a_null_is_as_good_as_an_absent_field() -> None:
    parsed = parse(ZooKeeperCluster, cluster({"storage": None, "pod": {"affinity": None, "labels": {"a": None}}}))
    assert isinstance(parsed, ZooKeeperCluster)
    assert parsed.spec.storage.size == "10Gi"
    assert parsed.spec.pod.labels == {}


def test_fields_of_a_newer_operator_are_ignored_in_what_the_api_server_gives() -> None:
    raw = cluster({"somethingNew": 1}) | {"metadata": {"name": "main", "managedFields": []}}
    assert isinstance(parse(ZooKeeperCluster, raw), ZooKeeperCluster)


@pytest.mark.parametrize(
    ("spec", "path", "advice"),
    [
        ({"replica": 3}, "spec.replica", "did you mean replicas?"),
        ({"storage": {"storageClass": "x"}}, "spec.storage.storageClass", "did you mean storageClassName?"),
        ({"pod": {"volume": []}}, "spec.pod.volume", "did you mean volumes?"),
        ({"pod": {"tolerations": [{"keys": "x"}]}}, "spec.pod.tolerations[0].keys", "did you mean key?"),
        (
            {"pod": {"affinity": {"host": 1}}},
            "spec.pod.affinity.host",
            "write one of: nodeAffinity, podAffinity, podAntiAffinity",
        ),
        (
            {"pod": {"affinity": {"podAffinity": {_REQUIRED: [{"topologyKey": "a", "labelSelector": {"match": 1}}]}}}},
            f"spec.pod.affinity.podAffinity.{_REQUIRED}[0].labelSelector.match",
            "did you mean matchLabels?",
        ),
    ],
)
def test_a_typo_is_named_where_no_api_server_has_seen_the_object(spec: dict[str, Any], path: str, advice: str) -> None:
    (error,) = errors(parse_strict(ZooKeeperCluster, cluster(spec)))
    assert (error.path, advice in error.message) == (path, True), error


def test_the_server_fields_of_an_exported_object_are_no_typos() -> None:
    raw = cluster({}) | {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster"}
    raw |= {"metadata": {"name": "main", "creationTimestamp": None, "selfLink": "x"}, "status": {"old": 1}}
    assert isinstance(parse_strict(ZooKeeperCluster, raw), ZooKeeperCluster)


def test_typos_and_wrong_values_are_reported_together() -> None:
    found = errors(parse_strict(ZooKeeperCluster, cluster({"replica": 3, "replicas": 0})))
    assert {error.path for error in found} == {"spec.replica", "spec.replicas"}


def test_an_object_without_a_spec_is_refused_with_the_missing_field() -> None:
    (error,) = errors(parse(ZooKeeperCluster, {"metadata": {"name": "main"}}))
    assert error == FieldError("spec", "is missing; write it")


def test_sessions_must_be_possible() -> None:
    config = {"tickTime": "2000", "minSessionTimeout": "50000"}
    (error,) = errors(parse(ZooKeeperCluster, cluster({"config": config})))
    assert error.message == "minSessionTimeout (50000 ms) must not be above maxSessionTimeout (40000 ms)"
