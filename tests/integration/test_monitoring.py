"""Rules and dashboard against scrapes of what really runs: the operator's process, and a ZooKeeper server."""

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.operator import free_port
from tests.support.machines.testbed import EnsembleFactory
from tests.support.models.monitoring import OF_MEMBERS, OF_OTHERS, OF_TARGETS, expressions, recorded
from tests.support.models.promql import Use, uses
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.site import site as open_site
from tests.support.worlds.sync_user import data_is
from zkoperator.ensemble.build.zoocfg import _FIXED

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}


def used() -> Iterator[Use]:
    for _, expression in expressions():
        yield from uses(expression)


def samples(families: list[Metric]) -> dict[str, set[str]]:
    """Sample name -> its labels; a family that has no series yet counts by its type."""
    found: dict[str, set[str]] = {}
    for family in families:
        for suffix in SUFFIXES.get(family.type, ()):
            found.setdefault(f"{family.name}{suffix}", set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.fixture
async def plot(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Plot]:
    async with open_site(api_server, zookeeper, tmp_path) as site, site.plot() as opened:
        yield opened


async def test_the_running_operator_exposes_every_name_and_label_that_rules_and_dashboard_use(plot: Plot) -> None:
    site: Site = plot.site
    await plot.put(color="red")
    await plot.sync()
    await Cluster(serves=False).prepare(plot)
    with site.operator(plot.settings | {"ZKOPERATOR_OBJECT_METRICS": "10"}) as operator:
        await data_is(plot, {"color": "red"}, within_s=90)
        await Cluster(serves=False).complete(plot)

        def scraped() -> dict[str, set[str]]:
            return samples(list(text_string_to_metric_families(operator.fetch("/metrics")[1])))

        found = await asyncio.to_thread(scraped)
    ours = [use for use in used() if use.metric not in {*OF_MEMBERS, *OF_OTHERS, *recorded()}]
    assert {use.metric for use in ours} <= found.keys()
    # A metric that has no series yet does not show its labels; those that a first hour brings do.
    shown = [use for use in ours if found[use.metric]]
    assert {
        "zkoperator_sync_conditions",
        "zkoperator_cluster_conditions",
        "zkoperator_cluster_object_condition",
        "zkoperator_sync_object_condition",
        "zkoperator_cluster_step_seconds_bucket",
    } <= {use.metric for use in shown}
    assert [use for use in shown if not use.labels <= found[use.metric] | OF_TARGETS] == []


async def test_a_member_exposes_every_metric_that_rules_and_dashboard_use(ensembles: EnsembleFactory) -> None:
    port = free_port()
    provider = {key: value for key, value in _FIXED.items() if key.startswith("metricsProvider.")}
    properties = {**provider, "metricsProvider.httpPort": str(port), "forceSync": "yes"}
    ensemble = await asyncio.to_thread(ensembles, 1, properties=properties)

    def write() -> None:
        client = KazooClient(ensemble.hosts)
        client.start(30)
        client.create("/written", b"")
        client.stop()
        client.close()

    def scrape() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    await asyncio.to_thread(write)
    text = await asyncio.to_thread(scrape)
    # As Prometheus reads it; the Python parser renames counters.
    names = set(re.findall(r"^([a-z_]+)(?:\{[^}]*\})? ", text, flags=re.MULTILINE))
    types = dict(re.findall(r"^# TYPE ([a-z_]+) ([a-z]+)$", text, flags=re.MULTILINE))
    assert OF_MEMBERS.keys() <= names
    for name, kind in OF_MEMBERS.items():
        exposed = types.get(name) or types[re.sub(r"_(sum|count)$", "", name)]
        assert (exposed == "gauge") is (kind == "gauge"), name
