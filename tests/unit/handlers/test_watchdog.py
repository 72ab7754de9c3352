"""Who notices that kopf does not see."""

import pytest

from tests.support.fakes.clock import FakeClock
from zkoperator.handlers.watchdog import Watchdog
from zkoperator.runtime.keys import Key

A = Key("demo", "a")
HORIZON_S, MISSED_AFTER_S = 70.0, 5.0


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.alarms = 0
        self.age_s = 1000.0
        self.watchdog = Watchdog(
            self.bark,
            age_s=lambda: self.age_s,
            horizon_s=HORIZON_S,
            missed_after_s=MISSED_AFTER_S,
            clock=self.clock,
        )

    def bark(self) -> None:
        self.alarms += 1


@pytest.fixture
def world() -> World:
    return World()


async def test_a_change_that_kopf_never_tells_of_is_an_alarm(world: World) -> None:
    world.watchdog.change_found(A)
    await world.clock.advance(MISSED_AFTER_S + 1)
    assert world.alarms == 1


async def test_a_change_that_kopf_told_before_is_none(world: World) -> None:
    world.watchdog.event_seen(A)
    await world.clock.advance(HORIZON_S - 1)
    world.watchdog.change_found(A)
    await world.clock.advance(MISSED_AFTER_S + 1)
    assert world.alarms == 0


async def test_a_change_that_kopf_tells_a_little_later_is_none(world: World) -> None:
    world.watchdog.change_found(A)
    await world.clock.advance(MISSED_AFTER_S - 1)
    world.watchdog.event_seen(A)
    await world.clock.advance(10)
    assert world.alarms == 0


async def test_what_kopf_told_long_ago_does_not_excuse_it(world: World) -> None:
    world.watchdog.event_seen(A)
    await world.clock.advance(3 * HORIZON_S)
    world.watchdog.change_found(A)
    await world.clock.advance(MISSED_AFTER_S + 1)
    assert world.alarms == 1


async def test_a_kopf_that_has_just_started_missed_nothing(world: World) -> None:
    world.age_s = 10
    world.watchdog.change_found(A)
    await world.clock.advance(MISSED_AFTER_S + 1)
    assert world.alarms == 0


async def test_what_kopf_told_long_ago_is_not_kept(world: World) -> None:
    for number in range(100):
        world.watchdog.event_seen(Key("demo", f"gone-{number}"))
        world.watchdog.event_seen(A)
        await world.clock.advance(10)
    kept = len(world.watchdog._seen_s)
    assert kept < 20
    world.watchdog.change_found(A)
    await world.clock.advance(MISSED_AFTER_S + 1)
    assert world.alarms == 0
