"""What `make demo` tells is true, to the last command that it prints."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from testbed.story import PREFIX
from tests.e2e.conftest import kubectl
from tests.support.models.documents import ROOT

CHAPTERS = (
    "an ensemble of three members",
    "znode to ConfigMap: ",
    "ConfigMap to znode: ",
    "one reads the new colour from its mounted file",
    "one is restarted once with the new colour",
    "is killed while writes go on",
    "it grows to five",
)


@pytest.fixture
def story() -> Iterator[str]:
    try:
        told = subprocess.run([sys.executable, "-m", "testbed.story"], cwd=ROOT, capture_output=True, text=True)
        assert told.returncode == 0, told.stdout + told.stderr
        yield told.stdout
    finally:
        kubectl("delete", "namespace", "demo", "--ignore-not-found", "--wait=false")


@pytest.mark.timeout(1500)
def test_the_story_of_the_demo_is_told_to_its_end_and_its_advice_works(story: str) -> None:
    places = [story.index(chapter) for chapter in CHAPTERS]
    assert places == sorted(places)
    advice = [line.strip() for line in story.splitlines() if line.strip().startswith(PREFIX)]
    assert len(advice) >= 4
    for command in advice:
        # This is inside already, and an editor that changes nothing stands for a person.
        inside = command.removeprefix(PREFIX).strip()
        done = subprocess.run(
            inside, shell=True, cwd=ROOT, env={**os.environ, "EDITOR": "true"}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{inside}\n{done.stdout}\n{done.stderr}"
