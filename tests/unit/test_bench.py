"""Figures are ratios with a direction; a page keeps the sections that were not measured again."""

import json
from dataclasses import replace
from pathlib import Path

from bench.figures import Figure, percentile, save, table
from bench.plots import curves, snapshot

LATENCY = Figure("latency p50", 2.6, "ms", floor=2.0, floor_name="bare loop", goal=1.3)


def test_a_goal_is_a_ratio_to_the_floor_in_its_direction() -> None:
    assert LATENCY.ratio == 1.3
    assert LATENCY.met is True
    assert Figure("rate", 79, "1/s", floor=100, goal=0.8, more_is_better=True).met is False
    assert Figure("memory", 200, "MiB", goal=256).met is True
    assert Figure("memory", 200, "MiB").met is None


def test_a_missed_goal_is_visible_in_the_table() -> None:
    assert "missed" not in table([LATENCY])
    assert "missed" in table([Figure("x", 3.0, "ms", floor=1.0, goal=2)])


def test_a_percentile_is_a_sample() -> None:
    assert percentile([5, 1, 3, 2, 4], 0.5) == 3
    assert percentile([1, 2], 0.99) == 2


def test_saving_one_bench_keeps_the_others(tmp_path: Path) -> None:
    save(tmp_path, {"first": [LATENCY]}, {"cores": 2}, {"first": {"day": "2026-11-22", "load_before": 0.1}})
    save(
        tmp_path, {"second": [Figure("x", 1, "s")]}, {"cores": 2}, {"second": {"day": "2026-11-23", "load_before": 0.2}}
    )
    kept = json.loads((tmp_path / "figures.json").read_text())["benches"]
    assert set(kept) == {"first", "second"}
    assert kept["first"][0]["ratio"] == 1.3
    assert "bare loop" in (tmp_path / "FIGURES.md").read_text()


def test_the_page_shows_a_second_run_beside_the_first(tmp_path: Path) -> None:
    for value, day, load in ((2.6, "2026-11-22", 0.1), (2.5, "2026-11-23", 0.2)):
        save(
            tmp_path, {"one": [replace(LATENCY, value=value)]}, {"cores": 2}, {"one": {"day": day, "load_before": load}}
        )
    page = (tmp_path / "FIGURES.md").read_text()
    assert "Measured 2026-11-23, load before 0.2; the run before: 2026-11-22, load 0.1." in page
    assert "| latency p50 | 2.5  | 2.6 " in page


def test_a_curve_has_a_point_for_each_size() -> None:
    points = [Figure("x", value, "ms", curve="cost", size=size) for size, value in ((100, 2.0), (1, 1.0))]
    found = curves([*points, LATENCY])
    assert [point.size for point in found["cost"]] == [1, 100]
    assert snapshot("cost", found["cost"]).count("<circle") == 2
