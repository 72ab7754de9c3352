"""The alert rules and the dashboard that we ship, and what they use that is not ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).parents[3] / "manifests" / "monitoring"

OF_MEMBERS = {
    "digest_mismatches_count": "counter",
    "fsynctime_sum": "counter",
    "fsynctime_count": "counter",
    "num_alive_connections": "gauge",
    "outstanding_requests": "gauge",
    "watch_count": "gauge",
    "znode_count": "gauge",
}
"""ZooKeeper's own metrics that are used; tests/integration/test_monitoring.py asks a real server for them."""

OF_TARGETS = {"namespace", "pod"}
"""Labels that Prometheus gives to everything it scrapes from a pod."""


def rules() -> list[dict[str, Any]]:
    manifest = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    return [rule for group in manifest["spec"]["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
