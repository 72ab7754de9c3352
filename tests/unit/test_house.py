"""Rules of the house that no linter knows."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_operator_is_a_source_root_and_never_shadows_the_stdlib_module() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not list((ROOT / "operator").rglob("operator.py"))


def test_requirements_name_no_index_and_pin_every_package_by_hash() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text and "--index" not in text and "--find-links" not in text, path
        pins = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
        assert pins and all(line.endswith("\\") for line in pins), path


def test_no_source_file_is_longer_than_400_lines() -> None:
    sources = [*(ROOT / "operator").rglob("*.py"), *(ROOT / "testbed").rglob("*.py")]
    long = {str(path.relative_to(ROOT)): n for path in sources if (n := path.read_text().count("\n")) > 400}
    assert sources and not long


def test_no_folder_with_tests_is_left_out_by_its_name(pytestconfig: pytest.Config) -> None:
    left_out = pytestconfig.getini("norecursedirs")
    folders = {part for path in (ROOT / "tests").rglob("test_*.py") for part in path.relative_to(ROOT).parts[:-1]}
    assert folders and not [name for name in folders if any(fnmatch(name, pattern) for pattern in left_out)]
