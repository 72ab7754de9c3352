"""Reverts and the holds that follow them: pure, with the time given."""

from zkoperator.mirror.model.decision import Action, Decision
from zkoperator.mirror.model.flapping import MAX_KEYS, FlapLog


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
