"""The order in which waiting keys are served."""

import pytest

from zkoperator.runtime.keys import Key
from zkoperator.runtime.queue import WOKEN_IN_A_ROW, FairQueue


def key(name: object) -> Key:
    return Key("demo", str(name))


def drain(queue: FairQueue) -> list[str]:
    return [queue.pop().name for _ in range(len(queue))]


def test_woken_keys_are_served_in_the_order_of_their_wakes() -> None:
    queue = FairQueue()
    for name in ("b", "a", "c", "a"):
        queue.push_woken(key(name))
    assert drain(queue) == ["b", "a", "c"]


def test_a_woken_key_overtakes_ten_thousand_that_are_due() -> None:
    queue = FairQueue()
    for number in range(10_000):
        queue.push_due(key(number))
    queue.push_woken(key("news"))
    assert queue.pop() == key("news")


def test_a_flood_of_wakes_does_not_starve_a_key_that_is_due() -> None:
    queue = FairQueue()
    queue.push_due(key("due"))
    for number in range(100):
        queue.push_woken(key(number))
    assert key("due") in [queue.pop() for _ in range(WOKEN_IN_A_ROW + 1)]


def test_a_key_that_is_due_and_woken_is_served_once() -> None:
    queue = FairQueue()
    queue.push_due(key("a"))
    queue.push_woken(key("a"))
    queue.push_due(key("a"))
    assert drain(queue) == ["a"]


def test_a_discarded_key_is_not_served() -> None:
    queue = FairQueue()
    queue.push_due(key("a"))
    queue.push_woken(key("b"))
    queue.discard(key("a"))
    queue.discard(key("b"))
    with pytest.raises(KeyError):
        queue.pop()
