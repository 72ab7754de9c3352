"""The crash driver notices each seeded fault of a toy operator, and nothing in one without."""

from pathlib import Path

import pytest

from tests.support.faults.crash import crash_everywhere
from tests.support.faults.proxies.journal import Phase
from tests.support.worlds import sync_workloads
from tests.support.worlds.site import Site

TOY = Path(__file__).parents[1] / "support" / "machines" / "toy"


EXPECTED = {
    "recreates": "core/configmaps/shop was created and deleted (2, 1) times",
    "marks": "annotations/toy: 'met' instead of absent",
    "raises": "logged an unexpected error",
}


def use_toy(site: Site, bug: str) -> None:
    site.settings |= {"PYTHONPATH": f"{TOY}:{Path(__file__).parents[2]}", "TOY_BUG": bug}


@pytest.mark.exhaustive
async def test_an_operator_without_faults_passes_at_every_write(site: Site) -> None:
    use_toy(site, "")
    report = await crash_everywhere(site, sync_workloads.Pull(), references=2)
    assert report.problems == []
    assert report.reference_writes >= 3  # more when the toy looks between two edits
    assert report.runs >= 6


@pytest.mark.parametrize(
    "bug", ["marks", *(pytest.param(bug, marks=pytest.mark.exhaustive) for bug in ("recreates", "raises"))]
)
async def test_the_driver_names_a_seeded_fault(site: Site, bug: str) -> None:
    use_toy(site, bug)
    report = await crash_everywhere(site, sync_workloads.Pull(), references=2, numbers=[1], phases=[Phase.AFTER])
    assert any(EXPECTED[bug] in problem for problem in report.problems), report.problems


@pytest.mark.exhaustive  # its limit assumes a machine that is not busy with other tests
async def test_an_operator_that_hangs_after_a_crash_fails_the_run_that_it_hangs_in(site: Site) -> None:
    use_toy(site, "trusts")
    with pytest.raises(AssertionError, match="pull, after #1"):
        await crash_everywhere(site, sync_workloads.Pull(within_s=5), references=1, numbers=[1], phases=[Phase.AFTER])
