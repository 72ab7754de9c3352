"""Bursts, flapping and what this process knows better than its informer: pure, with the time given."""

from itertools import pairwise

import pytest

from zkoperator.mirror.model.debounce import Burst
from zkoperator.mirror.model.decision import Action, Decision
from zkoperator.mirror.model.flapping import MAX_KEYS, FlapLog
from zkoperator.mirror.model.merge_base import Side
from zkoperator.mirror.model.names import rollout_annotation
from zkoperator.mirror.model.selection import Selection
from zkoperator.mirror.observe.config_map_cache import ConfigMapCache


def test_the_first_change_after_a_pause_goes_at_once() -> None:
    burst = Burst(quiet_s=0.05, longest_s=2.0)
    assert burst.wait_s(1, 10.0) == 0
    burst.wrote(10.0)
    assert burst.wait_s(2, 10.2) == 0


def test_a_burst_is_written_when_quiet_and_never_later_than_the_longest_wait() -> None:
    burst = Burst(quiet_s=0.05, longest_s=2.0)
    now_s, zxid, writes = 10.0, 0, []
    while now_s < 20.0:
        zxid += 1
        if burst.wait_s(zxid, now_s) == 0:
            writes.append(now_s)
            burst.wrote(now_s)
        now_s += 0.01
    gaps = [after - before for before, after in pairwise(writes)]
    assert writes[0] == 10.0
    assert gaps[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6], abs=0.03)
    assert max(gaps) <= 2.02
    assert len(writes) == 9
    assert 0 < burst.wait_s(zxid, now_s) <= 2.0


def test_a_revert_counts_only_while_it_is_recent() -> None:
    log = FlapLog(window_s=60, reverts=4, hold_s=300)
    revert = Decision("a", "a", Action.TO_CONFIG_MAP, b"z", b"c")
    for number in range(8):
        log.note([revert], number * 100.0)
    assert not log.held(800.0)
    for number in range(4):
        log.note([revert], 900.0 + number)
    assert log.held(904.0) == {"a"}
    assert log.held(904.0 + 300) == frozenset()


def test_a_decision_lets_a_held_key_go() -> None:
    log = FlapLog(window_s=60, reverts=2, hold_s=300)
    for number in range(3):
        log.note([Decision("a", "a", Action.TO_CONFIG_MAP, b"z", b"c")], float(number))
    assert log.held(3.0) == {"a"}
    log.release(["a"])
    assert log.held(3.0) == frozenset()


def test_what_can_be_part_of_no_revert_any_more_is_forgotten() -> None:
    log = FlapLog(window_s=60, reverts=4, hold_s=300)
    log.note([Decision(f"k{number}", "k", Action.TO_ZOOKEEPER, None, b"c") for number in range(MAX_KEYS + 50)], 0.0)
    assert len(log._writes) == MAX_KEYS
    log.note([Decision("late", "late", Action.TO_ZOOKEEPER, None, b"c")], 30.0)
    log.held(61.0)
    assert set(log._writes) == {"late"}
    log.held(91.0)
    assert not log._writes


def _version(number: str) -> dict[str, object]:
    return {"metadata": {"name": "shop", "uid": "1", "resourceVersion": number}}


def test_an_informer_that_shows_what_was_replaced_is_late() -> None:
    target = ConfigMapCache()
    target.wrote("a", _version("b"), 0.0)
    target.wrote("b", _version("c"), 0.0)
    for late in ("a", "b"):
        assert target.newest(_version(late), 1.0) == _version("c")
    assert target.newest(_version("c"), 1.0) == _version("c")
    assert target.newest(_version("d"), 1.0) == _version("d")


def test_an_informer_that_shows_a_lower_number_is_late() -> None:
    target = ConfigMapCache()
    target.wrote("10", _version("14"), 0.0)
    assert target.newest(_version("12"), 1.0) == _version("14")
    assert target.newest(_version("15"), 1.0) == _version("15")


def test_globs_stay_within_a_segment_unless_doubled() -> None:
    def takes(include: str, path: str) -> bool:
        return Selection("/apps/shop", (include,)).takes(path)

    assert [takes("*", path) for path in ("a", "a/b", "")] == [True, False, True]
    assert [takes("**", path) for path in ("a", "a/b", "")] == [True, True, True]
    assert [takes("a/**", path) for path in ("a", "a/b/c", "ab")] == [True, True, False]
    assert [takes("**/b", path) for path in ("b", "a/b", "a/x/b", "ab")] == [True, True, True, False]
    assert [takes("a/**/b", path) for path in ("a/b", "a/x/y/b", "ab")] == [True, True, False]
    assert [takes("?.json", path) for path in ("a.json", "ab.json", "ajson")] == [True, False, False]


def test_the_annotation_of_a_long_name_is_short_and_its_own() -> None:
    names = {rollout_annotation("x" * 63), rollout_annotation("x" * 70 + "a"), rollout_annotation("x" * 70 + "b")}
    assert len(names) == 3
    assert all(len(name.partition("/")[2]) <= 63 for name in names)
    assert {str(side) for side in Side} == {"zookeeper", "configmap"}
