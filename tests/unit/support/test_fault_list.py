"""docs/faults.md lists all scenarios, and every test that it names exists and is run by a make target."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "faults.md").read_text()
ROWS = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)
NO_REASON = "does not apply: "


def test_all_scenarios_have_a_test_or_a_reason() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 45))
    bare = [number for number, where in ROWS if "::test_" not in where and not where.startswith(NO_REASON)]
    assert bare == []


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) > 60
    missing = [
        f"{file}::{test}"
        for file, test in NAMED
        if not (ROOT / file).exists() or (test and f"def {test}(" not in (ROOT / file).read_text())
    ]
    assert missing == []


def test_every_test_that_is_named_is_run_by_a_make_target() -> None:
    tests = [(file, test) for file, test in NAMED if Path(file).name.startswith("test_")]
    unreached = [f"{file}::{test}" for file, test in tests if not is_reached(file, is_exhaustive(file, test))]
    assert unreached == []


@pytest.mark.parametrize(
    ("file", "exhaustive", "reached"),
    [
        ("tests/unit/a/test_x.py", False, True),
        ("tests/faults/test_x.py", True, True),
        ("tests/e2e/test_x.py", True, True),
        ("tests/e2e/after/test_replicas.py", False, True),
        ("tests/e2e/after/test_nobody_runs_this.py", False, False),
        ("tests/elsewhere/test_x.py", False, False),
        ("tests/elsewhere/test_x.py", True, False),
    ],
)
def test_what_no_target_runs_is_noticed(file: str, exhaustive: bool, reached: bool) -> None:
    assert is_reached(file, exhaustive) is reached


def is_exhaustive(file: str, test: str) -> bool:
    """Whether the test, or its whole file, is left out of the default run."""
    source = (ROOT / file).read_text()
    above = source.partition(f"def {test}(")[0].rpartition("\n\n")[2] if test else ""
    return "@pytest.mark.exhaustive" in above or "pytestmark = pytest.mark.exhaustive" in source


def is_reached(file: str, exhaustive: bool) -> bool:
    makefile = (ROOT / "Makefile").read_text()
    if file.startswith("tests/e2e/"):
        script = (ROOT / "tests" / "e2e" / "run").read_text()
        own = "tests/e2e/run" in makefile and (not exhaustive or re.search(r"e2e/run .*-m exhaustive", makefile))
        return bool(own) and (Path(file).parent.name == "e2e" or Path(file).stem.removeprefix("test_") in script)
    runs = re.findall(r"/pytest (.*)", makefile)
    return any(
        Path(file).is_relative_to(directory)
        for run in runs
        if ("-m exhaustive" in run) is exhaustive
        for directory in re.findall(r"tests/\S+", run)
    )
