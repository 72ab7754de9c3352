"""The operator is killed at its writes in every kind of work on a ConfigSync; nobody can tell afterwards."""

import pytest

from tests.support.faults.crash import LONG_QUIET_S, Workload, crash_everywhere
from tests.support.worlds import sync_workloads
from tests.support.worlds.site import Site

SAMPLES: dict[str, tuple[Workload, int]] = {
    "pull": (sync_workloads.Pull(), 2),
    "push": (sync_workloads.Push(), 3),
    "two-way": (sync_workloads.TwoWay(), 5),
    "adoption": (sync_workloads.Adoption(), 5),
    "retain": (sync_workloads.Retained(), 3),
    "deletion": (sync_workloads.Deletion(), 4),
    "rollout": (sync_workloads.Restarts(), 3),
}


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_kill_before_and_after_a_write_changes_nothing_in_the_end(site: Site, name: str) -> None:
    workload, number = SAMPLES[name]
    report = await crash_everywhere(site, workload, references=2, numbers=[number], ignoring=sync_workloads.LAGGING)
    assert report.problems == []
    assert report.runs == 2


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SAMPLES)
async def test_a_kill_at_any_write_changes_nothing_in_the_end(site: Site, name: str) -> None:
    workload, _ = SAMPLES[name]
    report = await crash_everywhere(site, workload, ignoring=sync_workloads.LAGGING, quiet_s=LONG_QUIET_S)
    print(report)
    assert report.problems == []
    # Numbers of the status may be written once more or once less.
    assert report.runs >= 1.5 * report.reference_writes


@pytest.mark.exhaustive
async def test_the_whole_status_is_right_too_after_a_kill_at_any_write(site: Site) -> None:
    report = await crash_everywhere(site, sync_workloads.Pull(whole_status=True), quiet_s=LONG_QUIET_S)
    assert report.problems == []
    assert report.runs >= 2 * report.reference_writes - 2
