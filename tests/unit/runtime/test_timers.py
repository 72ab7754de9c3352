"""One timer a key."""

from zkoperator.runtime.keys import Key
from zkoperator.runtime.timers import KeyedTimers

A, B = Key("demo", "a"), Key("demo", "b")
NEVER = float("inf")


def test_keys_come_due_in_order_and_once() -> None:
    timers = KeyedTimers()
    timers.set(A, 2)
    timers.set(B, 1)
    assert timers.next_s() == 1
    assert timers.pop_due(2) == [B, A]
    assert timers.pop_due(100) == []
    assert timers.next_s() == NEVER


def test_setting_a_timer_again_replaces_it_in_both_directions() -> None:
    timers = KeyedTimers()
    timers.set(A, 5)
    timers.set(A, 9)
    assert timers.pop_due(5) == []
    timers.set(A, 7)
    assert timers.pop_due(7) == [A]
    assert timers.pop_due(100) == []


def test_a_cancelled_timer_never_fires_and_can_be_set_again() -> None:
    timers = KeyedTimers()
    timers.set(A, 5)
    timers.cancel(A)
    assert timers.next_s() == NEVER
    timers.set(A, 5)
    assert timers.pop_due(5) == [A]


def test_a_timer_that_is_moved_all_the_time_does_not_pile_up() -> None:
    timers = KeyedTimers()
    for number in range(10_000):
        timers.set(A, 600 + number)
    assert len(timers._heap) < 200
    assert timers.pop_due(20_000) == [A]
