"""Who leads, on clocks that tests move: against the API in memory."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from tests.support.fakes.clock import settle
from tests.support.fakes.kube import Operation, unavailable
from tests.support.worlds.lease import TIMING, LeaseWorld, outage
from zkoperator.errors import UnknownOutcomeError
from zkoperator.kube.lease import NotLeaderError, Timing
from zkoperator.kube.port import LEASES


@pytest.fixture
async def world() -> AsyncIterator[LeaseWorld]:
    found = LeaseWorld()
    yield found
    found.api.before = lambda _: None
    for contender in found.everybody:
        await contender.stop()


async def test_the_first_contender_leads_at_once(world: LeaseWorld) -> None:
    a = world.join("a")
    await settle()
    assert a.leads
    assert world.lease()["holderIdentity"] == "a"
    a.elector.require()


async def test_a_write_may_take_until_shortly_before_another_replica_can_lead(world: LeaseWorld) -> None:
    a = world.join("a")
    await settle()
    fresh_s = a.elector.require()
    assert TIMING.hold_s < fresh_s < TIMING.lease_s
    a.clock.jump(TIMING.hold_s - 0.1)
    assert 0 < a.elector.require() < TIMING.margin_s
    a.clock.jump(0.2)
    with pytest.raises(NotLeaderError):
        a.elector.require()


async def test_two_never_lead_at_once_and_one_always_does(world: LeaseWorld) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(60)
    assert a.leads
    assert not b.leads


async def test_a_standby_takes_over_within_fifteen_seconds_of_a_kill(world: LeaseWorld) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(30)
    world.stand_still(a)
    assert await world.seconds_until(b) < 15


async def test_a_standby_takes_over_within_three_seconds_of_a_clean_stop(world: LeaseWorld) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(30)
    await a.stop()
    assert await world.seconds_until(b) < 3
    assert world.lease()["leaseTransitions"] == 1


async def test_a_standby_that_just_started_waits_a_whole_lease_of_its_own_clock(world: LeaseWorld) -> None:
    a = world.join("a")
    await world.advance(5)
    world.stand_still(a)
    b = world.join("b")
    waited = await world.seconds_until(b)
    assert TIMING.lease_s - 0.2 <= waited < 15


async def test_a_holder_that_was_stopped_past_its_lease_knows_that_it_does_not_lead(world: LeaseWorld) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(10)
    world.stand_still(a)
    await world.advance(30)
    assert b.leads
    # It goes on: nothing of it has run yet, and still it must not act.
    a.clock.jump(30)
    assert not a.leads
    with pytest.raises(NotLeaderError):
        a.elector.require()
    world.contenders.append(a)
    await world.advance(5)
    assert b.leads
    assert world.lease()["holderIdentity"] == "b"


async def test_a_holder_that_was_stopped_and_not_replaced_loses_and_gains_the_lease_again(world: LeaseWorld) -> None:
    a = world.join("a")
    await world.advance(5)
    lost = asyncio.create_task(a.elector.wait_lost())
    a.clock.jump(30)
    await world.advance(3)
    assert lost.done()
    assert a.leads


async def test_a_holder_that_cannot_renew_stops_before_anybody_can_take_over(world: LeaseWorld) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(10)

    def cut_off(operation: Operation) -> None:
        if a_runs[0]:
            unavailable(operation)

    a_runs = [False]
    world.api.before = cut_off
    led_last_s = gap_s = 0.0
    for _ in range(400):
        a_runs[0] = True
        await a.clock.advance(0.1)
        a_runs[0] = False
        await b.clock.advance(0.1)
        assert not (a.leads and b.leads)
        led_last_s += 0.1 if a.leads else 0
        gap_s += 0.1 if not a.leads and not b.leads else 0
        if b.leads:
            break
    assert b.leads
    assert led_last_s <= TIMING.hold_s
    assert gap_s >= TIMING.lease_s - TIMING.hold_s - 1


async def test_the_loss_is_told_at_the_moment_when_the_time_is_over(world: LeaseWorld) -> None:
    a = world.join("a")
    await world.advance(5)
    lost = asyncio.create_task(a.elector.wait_lost())
    async with outage(world):
        while a.leads:
            await a.clock.advance(0.01)
        assert lost.done()


async def test_a_sign_of_life_that_arrives_during_a_take_over_stops_it(world: LeaseWorld) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(5)
    world.stand_still(a)
    late: list[object] = []

    def renew_late(operation: Operation) -> None:
        if operation.verb == "patch" and not late:
            late.append(operation)
            world.api.edit(LEASES, "zkoperator-system", "zkoperator", {"spec": {"renewTime": "late"}})

    world.api.before = renew_late
    while not late:
        await world.advance(0.1)
    await world.advance(TIMING.lease_s - 1.5)
    assert not b.leads
    await world.seconds_until(b)


async def test_a_short_outage_does_not_cost_the_lease(world: LeaseWorld) -> None:
    a = world.join("a")
    await world.advance(5)
    lost = asyncio.create_task(a.elector.wait_lost())
    async with outage(world):
        await world.advance(4)
    await world.advance(20)
    assert a.leads
    assert not lost.done()
    lost.cancel()


async def test_a_renewal_whose_answer_is_lost_counts_from_the_one_before(world: LeaseWorld) -> None:
    a = world.join("a")
    await world.advance(5)

    def lose(operation: Operation) -> None:
        if operation.is_write:
            raise UnknownOutcomeError("lost")

    world.api.after = lose
    await world.advance(TIMING.hold_s + 0.1)
    assert not a.leads
    world.api.after = lambda _: None
    await world.advance(3)
    assert a.leads


async def test_an_acquisition_whose_answer_is_lost_is_found_out(world: LeaseWorld) -> None:
    calls = []

    def lose_first(operation: Operation) -> None:
        if operation.is_write:
            calls.append(operation)
            if len(calls) == 1:
                raise UnknownOutcomeError("lost")

    world.api.after = lose_first
    a = world.join("a")
    await world.advance(3)
    assert a.leads


async def test_two_that_race_for_a_dead_lease_do_not_both_get_it(world: LeaseWorld) -> None:
    a, b, c = world.join("a"), world.join("b"), world.join("c")
    await world.advance(10)
    world.stand_still(a)
    await world.advance(20)
    assert b.leads != c.leads


async def test_a_wall_clock_that_stands_still_looks_dead_to_nobody(
    world: LeaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Frozen(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime(2026, 1, 1, tzinfo=tz)  # type: ignore[arg-type]

    monkeypatch.setattr("zkoperator.kube.lease.datetime", Frozen)
    a, b = world.join("a"), world.join("b")
    await world.advance(60)
    assert a.leads
    assert not b.leads


def test_a_hold_as_long_as_the_lease_is_refused() -> None:
    with pytest.raises(ValueError, match="hold_s < lease_s"):
        Timing(lease_s=10, hold_s=10)
