"""Delays between attempts."""

import pytest

from zkoperator.runtime.backoff import Backoff, spread_s


def longest(low: float, high: float) -> float:
    return high


def shortest(low: float, high: float) -> float:
    return low


def test_the_longest_delay_doubles_up_to_the_limit() -> None:
    backoff = Backoff(first_s=1, limit_s=10, uniform=longest)
    assert [backoff.delay_s(attempt) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_a_delay_is_never_zero() -> None:
    backoff = Backoff(first_s=1, limit_s=10, uniform=shortest)
    assert [backoff.delay_s(attempt) for attempt in (1, 5)] == pytest.approx([0.1, 1.0])


def test_the_millionth_attempt_still_has_a_delay() -> None:
    assert Backoff(first_s=1, limit_s=10, uniform=longest).delay_s(1_000_000) == 10


def test_periods_are_spread_to_both_sides() -> None:
    assert spread_s(100, uniform=shortest) == pytest.approx(90)
    assert spread_s(100, uniform=longest) == pytest.approx(110)
