"""The alert rules and the dashboard that we ship, and what they use that is not ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).parents[3] / "manifests" / "monitoring"

OF_MEMBERS = {
    "approximate_data_size": "gauge",
    "digest_mismatches_count": "counter",
    "fsynctime_sum": "counter",
    "fsynctime_count": "counter",
    "jvm_memory_bytes_max": "gauge",
    "jvm_memory_bytes_used": "gauge",
    "num_alive_connections": "gauge",
    "outstanding_requests": "gauge",
    "quorum_size": "gauge",
    "watch_count": "gauge",
    "znode_count": "gauge",
}
"""ZooKeeper's own metrics that are used; tests/integration/test_monitoring.py asks a real server for them."""

OF_OTHERS = {
    "kubelet_volume_stats_available_bytes": {"persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"},
    "up": set[str](),
}
"""Gauges of the kubelet and of Prometheus itself, with their labels."""

OF_TARGETS = {"namespace", "pod", "cluster"}
"""Labels that Prometheus gives to everything it scrapes from a pod; `cluster` where it has several clusters."""


def rules() -> list[dict[str, Any]]:
    manifest = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    return [rule for group in manifest["spec"]["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> dict[str, str]:
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
