"""The workflows run what the Makefile has, with pinned actions and no more rights than they need."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))


def workflow(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_the_repository_and_nothing_else(path: Path) -> None:
    document = workflow(path)
    granted = [document["permissions"], *(job.get("permissions", {}) for job in document["jobs"].values())]
    assert all(right in ({}, {"contents": "read"}) for right in granted)
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_everything_that_a_change_must_pass_is_run_for_each_change() -> None:
    makefile = (ROOT / "Makefile").read_text()
    wanted = re.findall(r"^test: (.*?) ##", makefile, re.MULTILINE)[0].split()
    ran = [step["run"] for step in steps(ROOT / ".github/workflows/test.yaml") if "run" in step]
    assert {target for command in ran for target in command.rpartition("make ")[2].split()} == set(wanted)


def test_a_release_is_built_with_everything_that_its_labels_need() -> None:
    built = next(s["run"] for s in steps(ROOT / ".github/workflows/release.yaml") if "docker build" in s.get("run", ""))
    dockerfile = (ROOT / "Dockerfile").read_text()
    arguments = set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE)) - {"BASE_IMAGE"}
    assert {f'--build-arg "{name}=' in built for name in arguments} == {True}
