"""The figures of the sizing guide are those that were measured."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| [^|]+ \| ([^|]+) \| `([^`]+)` \|$", re.MULTILINE)
GUIDE = ROW.findall((ROOT / "docs" / "sizing.md").read_text())
FIGURES = (ROOT / "bench" / "FIGURES.md").read_text()


def number(text: str) -> float:
    found = re.match(r"[0-9.,]+", text)
    assert found is not None, text
    return float(found[0].replace(",", ""))


@pytest.mark.parametrize(("told", "figure"), GUIDE, ids=[figure for _, figure in GUIDE])
def test_a_figure_is_about_what_was_measured(told: str, figure: str) -> None:
    """About, so that a new measurement needs no new guide unless it says something else."""
    assert len(GUIDE) >= 7
    (line,) = re.findall(rf"^\| {re.escape(figure)} +\| ([0-9.,]+) +\| [0-9.,]* +\| (\S+)", FIGURES, re.MULTILINE)
    measured, unit = line
    assert told.split()[1].removesuffix(" of a core") in unit or unit == "%"
    assert 0.6 <= number(told) / number(measured) <= 1.6
