"""The operator is killed at its writes while a ZooKeeperCluster is created, deleted and created again.

Here on an API server with its controllers and no node, so what is compared is the children; the kills in growing,
shrinking and rolling are in tests/properties/test_ensemble_crashes.py, on a model of the rest.
"""

import pytest

from tests.support import workloads
from tests.support.crash import crash_everywhere
from tests.support.site import Site

# Without nodes the status never comes to rest: it tells of pods that come into being and wait.
STATUS = r"/zookeeperclusters/main/(status|metadata/managedFields)"


async def test_a_kill_at_some_writes_of_a_creation_changes_nothing_in_the_end(site: Site) -> None:
    report = await crash_everywhere(site, workloads.Cluster(), references=2, numbers=[2, 6], ignoring=STATUS)
    assert report.problems == []
    assert report.runs == 4


@pytest.mark.exhaustive
async def test_a_kill_at_any_write_of_a_creation_changes_nothing_in_the_end(site: Site) -> None:
    report = await crash_everywhere(site, workloads.Cluster(), ignoring=STATUS)
    print(report)
    assert report.problems == []
    assert report.runs >= 2 * report.reference_writes - 4
