"""Figures are ratios with a direction; a page keeps the sections that were not measured again."""

import json
from dataclasses import replace
from pathlib import Path

from bench.__main__ import discover
from bench.figures import Figure, percentile, save, table
from bench.plots import curves, snapshot
from bench.tls import Turn, Written, hangs, turns
from bench.tls_session import Cpu
from bench.tls_session import figures as session_figures

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


def test_the_worst_gap_of_all_rounds_counts_and_a_roll_costs_its_share() -> None:
    figures = {figure.name: figure for figure in turns("on", [Turn(30.0, 3.0, 1.0), Turn(50.0, 4.0, 2.0)])}
    gap = figures["on: longest gap between acknowledged writes in any roll"]
    assert (gap.value, gap.met) == (2.0, False)
    assert figures["on: edit to Ready, for each roll"].value == 40 / 3.5
    assert len(turns("on", [Turn(3.0, 0.0, 0.1)])) == 3, "there is no share where nothing was rolled"


def test_a_lost_write_and_a_failed_one_miss_their_goals() -> None:
    assert [figure.met for figure in Written(acknowledged=9, repeated=2).figures("renewed")] == [None, None, True, True]
    assert [figure.met for figure in Written(failed=1, lost=1).figures("renewed")] == [None, None, False, False]


def test_a_hang_with_tls_is_measured_by_hangs_without() -> None:
    assert hangs([13.0, 13.4, 12.8], [12.9, 13.1, 13.0]).met is True
    assert hangs([22.2, 22.7], [13.1]).met is False


def test_a_session_has_the_processor_time_of_both_ends_beside_that_of_the_plain_port() -> None:
    member, operator = session_figures("a read", [Cpu(40, 30), Cpu(60, 20), Cpu(50, 10)], [Cpu(25, 5)])
    assert (member.value, member.ratio, operator.value, operator.ratio) == (50, 2.0, 20, 4.0)


def test_names_of_figures_stay_the_same_so_that_a_run_finds_the_one_before() -> None:
    one, other = Written(acknowledged=9).figures("renewed"), Written(acknowledged=7, repeated=1).figures("renewed")
    assert [figure.name for figure in one] == [figure.name for figure in other]


def test_benches_are_found_by_their_names() -> None:
    assert {"tls", "tls_session", "mirror_tls", "zk_session"} <= discover().keys()
