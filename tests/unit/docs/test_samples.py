"""The samples: every field is in one of them, and none needs what it does not bring."""

from pathlib import Path
from typing import Any

import yaml

from tests.support.models.documents import objects_in
from zkoperator.api.cluster import ZooKeeperCluster

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))


def written(document: Any, path: str = "") -> set[str]:
    """The paths of all fields of a manifest, those inside of lists as if each were the only one."""
    if isinstance(document, list):
        return set().union(*(written(item, path) for item in document))
    if not isinstance(document, dict):
        return set()
    return set().union(*({f"{path}.{name}"} | written(value, f"{path}.{name}") for name, value in document.items()))


def offered(schema: dict[str, Any], path: str = "") -> set[str]:
    """The paths of all fields that a schema names."""
    schema = schema.get("items", schema)
    found = {f"{path}.{name}": field for name, field in schema.get("properties", {}).items()}
    return set(found) | set().union(*(offered(field, name) for name, field in found.items()))


def test_every_field_of_a_cluster_is_in_the_full_sample() -> None:
    (document,) = (
        d for d in objects_in(ROOT / "manifests/samples/cluster-full.yaml") if d["kind"] == "ZooKeeperCluster"
    )
    fields = {field.alias for field in ZooKeeperCluster.model_fields["spec"].annotation.model_fields.values()}  # type: ignore[union-attr]
    assert set(document["spec"]) == fields


def test_every_field_of_a_sync_is_in_some_sample() -> None:
    definition = yaml.safe_load((ROOT / "crds/configsyncs.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    shown = set().union(*(written(d["spec"]) for f in SAMPLES for d in objects_in(f) if d["kind"] == "ConfigSync"))
    elsewhere = {".zookeeper.clusterRef.namespace"}  # a sample stays within one namespace; docs/howto-grants.md has it
    assert offered(schema) - shown == elsewhere


def test_no_sample_needs_what_it_does_not_bring() -> None:
    """References stay within the file, but to hosts outside."""
    for sample in SAMPLES:
        found = {(document["kind"], document["metadata"]["name"]) for document in objects_in(sample)}
        for document in (d for d in objects_in(sample) if d["kind"] == "ConfigSync"):
            source = document["spec"]["zookeeper"]
            wanted = {("ZooKeeperCluster", source["clusterRef"]["name"])} if "clusterRef" in source else set()
            wanted |= {("Secret", source["credentialsSecret"])} if "credentialsSecret" in source else set()
            wanted |= {(workload["kind"], workload["name"]) for workload in document["spec"].get("rollout", ())}
            assert wanted <= found, sample
