"""The operator is killed at its writes while it pulls znodes into a ConfigMap; nobody can tell afterwards."""

import pytest

from tests.support import workloads
from tests.support.crash import crash_everywhere
from tests.support.site import Site


async def test_a_pull_survives_a_kill_at_its_first_and_third_write(site: Site) -> None:
    report = await crash_everywhere(site, workloads.Pull(), references=2, numbers=[1, 3], ignoring=workloads.LAGGING)
    assert report.problems == []
    assert report.runs == 4


@pytest.mark.exhaustive
async def test_a_pull_survives_a_kill_at_every_write(site: Site) -> None:
    report = await crash_everywhere(site, workloads.Pull(whole_status=True))
    assert report.problems == []
    assert report.runs >= report.reference_writes * 2 - 2
