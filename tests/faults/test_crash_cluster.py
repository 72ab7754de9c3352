"""The operator is killed at its writes while a ZooKeeperCluster is created, deleted, changed, and gets and loses TLS.

The API server and its controllers are real, and so are the servers: each pod is one, on a host of its own. What is
compared are all children, the claims and the status; the kills in every other kind of work are in
tests/properties/test_ensemble_crashes.py, on a model of the rest.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.faults.crash import LONG_QUIET_S, crash_everywhere
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.worlds import cluster_workloads
from tests.support.worlds.site import Site

ASKED = r"/zookeeperclusters/main/status/(members.*/zxid|configVersion)$"
"""A member's last transaction is what it was when the status had something else to tell."""

IN_TLS = 31
"""A write between those that make certificates and the restart of the member, after its creation."""


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 3) as opened:
        yield opened


@pytest.mark.timeout(900)
async def test_a_kill_at_some_writes_of_a_creation_changes_nothing_in_the_end(site: Site) -> None:
    report = await crash_everywhere(
        site, cluster_workloads.Cluster(), references=2, numbers=[9], ignoring=ASKED, beside=Kubelets
    )
    assert report.problems == []
    assert report.runs == 2


@pytest.mark.exhaustive
async def test_a_kill_at_any_write_of_a_creation_changes_nothing_in_the_end(site: Site) -> None:
    report = await crash_everywhere(
        site, cluster_workloads.Cluster(), ignoring=ASKED, quiet_s=LONG_QUIET_S, beside=Kubelets
    )
    print(report)
    assert report.problems == []
    assert report.runs >= 2 * report.reference_writes - 4


@pytest.mark.timeout(900)
async def test_a_kill_at_some_writes_while_tls_is_turned_on_changes_nothing_in_the_end(site: Site) -> None:
    report = await crash_everywhere(
        site, cluster_workloads.ClusterTls(), references=2, numbers=[IN_TLS], ignoring=ASKED, beside=Kubelets
    )
    assert report.problems == []
    assert report.runs == 2


@pytest.mark.exhaustive
async def test_a_kill_while_tls_is_turned_on_plaintext_refused_and_both_turned_back_changes_nothing_in_the_end(
    site: Site,
) -> None:
    report = await crash_everywhere(
        site,
        cluster_workloads.ClusterTls(
            (cluster_workloads.ALLOWED, cluster_workloads.REFUSED, cluster_workloads.ALLOWED, None), replicas=3
        ),
        numbers=range(IN_TLS, 1000, 5),
        ignoring=ASKED,
        quiet_s=LONG_QUIET_S,
        beside=Kubelets,
    )
    print(report)
    assert report.problems == []
    assert report.runs >= 2 * ((report.reference_writes - IN_TLS) // 5) - 2


@pytest.mark.exhaustive
async def test_a_kill_in_growing_rolling_and_shrinking_changes_nothing_in_the_end(site: Site) -> None:
    report = await crash_everywhere(
        site,
        cluster_workloads.ClusterLife(),
        numbers=range(3, 1000, 7),
        ignoring=ASKED,
        quiet_s=LONG_QUIET_S,
        beside=Kubelets,
    )
    print(report)
    assert report.problems == []
    assert report.runs >= 2 * (report.reference_writes // 7) - 2
