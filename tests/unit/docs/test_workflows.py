"""The workflows run what the Makefile has, with pinned actions and no more rights than they need."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.krew import ARCHIVE
from zkoperator import __version__

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))


RELEASE = ROOT / ".github" / "workflows" / "release.yaml"
MORE_RIGHTS = {
    "release": [{"contents": "read", "id-token": "write"}, {"contents": "write"}],
    "docs": [{"pages": "write", "id-token": "write"}],
}
"""What single jobs of a workflow may do beyond reading: sign an image, fill the release page, publish the site."""


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
    assert document["permissions"] in ({}, {"contents": "read"})
    assert all(right in ({}, {"contents": "read"}, *MORE_RIGHTS.get(path.stem, ())) for right in granted)
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_everything_that_a_change_must_pass_is_run_for_each_change() -> None:
    makefile = (ROOT / "Makefile").read_text()
    wanted = re.findall(r"^test: (.*?) ##", makefile, re.MULTILINE)[0].split()
    ran = [step["run"] for step in steps(ROOT / ".github/workflows/test.yaml") if "run" in step]
    assert {target for command in ran for target in command.rpartition("make ")[2].split()} == set(wanted)


def released() -> list[str]:
    return [step["run"] for step in steps(RELEASE) if "run" in step]


def test_a_release_is_built_with_everything_that_its_labels_need() -> None:
    arguments = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    builds = [run for run in released() if re.search(r"docker (buildx )?build ", run)]
    assert len(builds) == 2
    for built in builds:
        assert {f'--build-arg "{name}=' in built for name in arguments} == {True}


def test_a_release_is_tried_before_it_is_pushed_and_signed_by_its_digest() -> None:
    ran = released()
    tried, pushed, signed = (
        next(number for number, run in enumerate(ran) if words in run)
        for words in ("docker run --rm --read-only candidate version", "--push", "cosign")
    )
    assert tried < pushed < signed
    assert "--sbom=true --provenance=mode=max" in ran[pushed] and "linux/amd64,linux/arm64" in ran[pushed]
    assert '"$IMAGE@$(jq' in ran[signed]


def test_the_base_of_a_release_is_a_digest() -> None:
    assert any("imagetools inspect" in run and "@$digest" in run for run in released())


def test_dependencies_are_looked_up_for_vulnerabilities() -> None:
    nightly = [step.get("run", "") for step in steps(ROOT / ".github/workflows/nightly.yaml")]
    assert any("pip-audit" in run and "requirements/runtime.txt" in run for run in nightly)


def test_the_site_is_published_from_a_release_and_with_the_pages_of_earlier_ones() -> None:
    jobs = workflow(ROOT / ".github" / "workflows" / "docs.yaml")["jobs"]
    assert jobs["publish"]["if"] == "github.ref_type == 'tag' && vars.PAGES != ''"
    (checkout,) = (step for step in jobs["build"]["steps"] if step.get("uses", "").startswith("actions/checkout@"))
    assert checkout["with"]["fetch-depth"] == 0
    assert {"run": "make docs"} in jobs["build"]["steps"]


def test_krew_finds_the_archive_where_the_release_puts_it() -> None:
    packed, uploaded = (run for run in released() if "kubectl-zk-" in run)
    assert 'archive="kubectl-zk-$GITHUB_REF_NAME.tar.gz"' in packed and "$GITHUB_REF_NAME/$archive" in packed
    assert f"kubectl-zk-v{__version__}.tar.gz" == ARCHIVE and '"dist/kubectl-zk-$GITHUB_REF_NAME.tar.gz"' in uploaded


def test_nothing_that_makes_the_image_is_bound_to_an_architecture() -> None:
    """The base image is there for both; the rest is Python and what the linker of the base image finds."""
    sources = [ROOT / "Dockerfile", *(ROOT / "image").glob("*.py"), *(ROOT / "requirements").glob("runtime.*")]
    named = re.compile(r"amd64|x86[-_]64|aarch64|arm64|i[36]86|--platform|platform_machine|GOARCH", re.IGNORECASE)
    assert len(sources) >= 3
    assert {str(path): named.findall(path.read_text()) for path in sources} == {str(path): [] for path in sources}


def test_each_night_every_pin_of_the_image_is_found_to_have_a_wheel_for_arm64() -> None:
    ran = [step["run"] for step in steps(ROOT / ".github/workflows/nightly.yaml") if "run" in step]
    (asked,) = (command for command in ran if "aarch64" in command)
    assert all(
        word in asked.split() for word in ("--require-hashes", "--only-binary=:all:", "requirements/runtime.txt")
    )
    base = re.findall(r"^ARG BASE_IMAGE=.*python:([0-9.]+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base == re.findall(r"--python-version ([0-9.]+)", asked)
