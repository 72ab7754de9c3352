"""What the documents say was tested is what the testbed has."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from testbed.jars import VERSIONS
from zkoperator.settings import DEFAULT_IMAGE

ROOT = Path(__file__).parents[3]


def test_the_default_image_is_the_release_that_is_tested_most() -> None:
    assert DEFAULT_IMAGE.endswith(f":{VERSIONS[-1]}")


@pytest.mark.parametrize("page", ["README.md", "docs/support.md"])
def test_pages_name_the_tested_releases_of_zookeeper(page: str) -> None:
    assert f"{', '.join(VERSIONS[:-1])} and {VERSIONS[-1]}" in (ROOT / page).read_text()


def test_an_upgrade_leads_through_all_of_them() -> None:
    text = (ROOT / "tests/e2e/test_ensemble_roll.py").read_text()
    assert re.findall(r'"(3\.\d\.\d)"', text.split("MEMBERS")[0]) == list(VERSIONS)


def test_the_pure_parts_are_tested_with_each_python_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [text.rpartition(" ")[2] for text in project["classifiers"] if "Python :: 3." in text]
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yaml").read_text())
    assert workflow["jobs"]["pure"]["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"
