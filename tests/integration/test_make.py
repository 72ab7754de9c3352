"""The Makefile: what it lists, and that `make clean` leaves nothing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def make(directory: Path, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(["make", *arguments], cwd=directory, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with the Makefile, a source, and everything that git ignores where it comes up."""
    directory = tmp_path / "checkout"
    (directory / "operator").mkdir(parents=True)
    (directory / "operator/source.py").touch()
    for pattern in (ROOT / ".gitignore").read_text().split():
        name = pattern.strip("/").replace("*", "some")
        (directory / name / "inside").mkdir(parents=True)
        if not pattern.startswith((".", "/")):
            (directory / "operator" / name / "inside").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", directory)
    interpreter = directory / ".venv/bin/python"
    interpreter.parent.mkdir()
    interpreter.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "asked"}\n')
    interpreter.chmod(0o755)
    return directory


def test_clean_removes_every_cluster_and_everything_that_git_ignores(checkout: Path) -> None:
    make(checkout, "clean")
    left = {str(path.relative_to(checkout)) for path in checkout.rglob("*")}
    assert left == {"Makefile", "operator", "operator/source.py"}
    (asked,) = (checkout.parent / "asked").read_text().splitlines()
    assert asked.startswith("-m testbed clean zkop zkop-test ")


def test_every_cluster_that_something_here_makes_is_cleaned_up() -> None:
    cleaned = set(re.findall(r"^CLUSTERS = (.*)$", MAKEFILE, re.MULTILINE)[0].split()) - {"$(TEST_CLUSTER)"}
    sources = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py"), *(ROOT / "testbed").rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources if path != Path(__file__))
    made = set(re.findall(r'"(zkop(?:-[a-z]+)?|testbed-\d)"', text))
    assert made and made <= cleaned


def test_clean_works_before_anything_was_installed(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    make(checkout, "clean")


def test_the_cache_stays_until_it_is_asked_for_and_while_a_cluster_is_up(checkout: Path, tmp_path: Path) -> None:
    cache, state = tmp_path / "cache/zkoperator-testbed", tmp_path / "state"
    cache.mkdir(parents=True)
    where = (f"STATE={state}", f"XDG_CACHE_HOME={cache.parent}")
    make(checkout, "clean", *where)
    assert cache.exists()
    (state / "zkop").mkdir(parents=True)
    (state / "zkop/cluster.json").touch()
    assert "a cluster is up" in make(checkout, "clean-cache", *where, status=2)
    assert cache.exists()
    (state / "zkop/cluster.json").unlink()
    make(checkout, "clean-cache", *where)
    assert not cache.exists()


def test_help_lists_exactly_the_targets_that_are_there() -> None:
    phony = set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())
    described = set(re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert described == phony
    assert all(re.search(rf"^  {target} ", make(ROOT, "help"), re.MULTILINE) for target in phony)
