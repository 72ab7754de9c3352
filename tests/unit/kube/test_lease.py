"""Who leads, on clocks that tests move: against the API in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from tests.support.fakes.clock import FakeClock, settle
from tests.support.fakes.kube import FakeKube, Operation, unavailable
from zkoperator.errors import ConflictError, ForbiddenError, UnknownOutcomeError
from zkoperator.kube.lease import Elector, NotLeaderError, Timing
from zkoperator.kube.port import LEASES, Manifest

TIMING = Timing()


class Contender:
    """An elector that runs, with a clock of its own."""

    def __init__(self, api: FakeKube, identity: str, clock: FakeClock) -> None:
        self.clock = clock
        self.elector = Elector(api, "zkoperator-system", "zkoperator", identity, clock=clock)
        self._task = asyncio.create_task(self.elector.run())

    @property
    def leads(self) -> bool:
        return self.elector.is_leader()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class World:
    """An API server and any number of contenders whose clocks go at the same speed."""

    def __init__(self) -> None:
        self.api = FakeKube()
        self.contenders: list[Contender] = []
        self.everybody: list[Contender] = []

    def join(self, identity: str) -> Contender:
        clock = FakeClock(start_s=len(self.everybody) * 1e6)  # clocks of two machines have nothing in common
        contender = Contender(self.api, identity, clock)
        self.contenders.append(contender)
        self.everybody.append(contender)
        return contender

    def stand_still(self, contender: Contender) -> None:
        """Killed without a goodbye, or stopped by a signal: nothing of it runs any more."""
        self.contenders.remove(contender)

    async def advance(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            for contender in self.contenders:
                await contender.clock.advance(0.1)
            assert sum(contender.leads for contender in self.contenders) <= 1

    def lease(self) -> Manifest:
        found = self.api.peek(LEASES, "zkoperator-system", "zkoperator")
        assert found is not None
        spec: Manifest = found["spec"]
        return spec

    def delete_lease(self) -> None:
        self.api.remove(LEASES, "zkoperator-system", "zkoperator")

    async def seconds_until(self, contender: Contender, limit_s: float = 60) -> float:
        waited = 0.0
        while not contender.leads:
            assert waited < limit_s
            await self.advance(0.1)
            waited += 0.1
        return waited


@pytest.fixture
async def world() -> AsyncIterator[World]:
    found = World()
    yield found
    found.api.before = lambda _: None
    for contender in found.everybody:
        await contender.stop()


@asynccontextmanager
async def outage(world: World) -> AsyncIterator[None]:
    world.api.before = unavailable
    yield
    world.api.before = lambda _: None


async def test_the_first_contender_leads_at_once(world: World) -> None:
    a = world.join("a")
    await settle()
    assert a.leads
    assert world.lease()["holderIdentity"] == "a"
    a.elector.require()


async def test_a_write_may_take_until_shortly_before_another_replica_can_lead(world: World) -> None:
    a = world.join("a")
    await settle()
    fresh_s = a.elector.require()
    assert TIMING.hold_s < fresh_s < TIMING.lease_s
    a.clock.jump(TIMING.hold_s - 0.1)
    assert 0 < a.elector.require() < TIMING.margin_s
    a.clock.jump(0.2)
    with pytest.raises(NotLeaderError):
        a.elector.require()


async def test_two_never_lead_at_once_and_one_always_does(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(60)
    assert a.leads
    assert not b.leads


async def test_a_standby_takes_over_within_fifteen_seconds_of_a_kill(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(30)
    world.stand_still(a)
    assert await world.seconds_until(b) < 15


async def test_a_standby_takes_over_within_three_seconds_of_a_clean_stop(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(30)
    await a.stop()
    assert await world.seconds_until(b) < 3
    assert world.lease()["leaseTransitions"] == 1


async def test_a_standby_that_just_started_waits_a_whole_lease_of_its_own_clock(world: World) -> None:
    a = world.join("a")
    await world.advance(5)
    world.stand_still(a)
    b = world.join("b")
    waited = await world.seconds_until(b)
    assert TIMING.lease_s - 0.2 <= waited < 15


async def test_a_holder_that_was_stopped_past_its_lease_knows_that_it_does_not_lead(world: World) -> None:
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


async def test_a_holder_that_was_stopped_and_not_replaced_loses_and_gains_the_lease_again(world: World) -> None:
    a = world.join("a")
    await world.advance(5)
    lost = asyncio.create_task(a.elector.wait_lost())
    a.clock.jump(30)
    await world.advance(3)
    assert lost.done()
    assert a.leads


async def test_a_holder_that_cannot_renew_stops_before_anybody_can_take_over(world: World) -> None:
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


async def test_the_loss_is_told_at_the_moment_when_the_time_is_over(world: World) -> None:
    a = world.join("a")
    await world.advance(5)
    lost = asyncio.create_task(a.elector.wait_lost())
    async with outage(world):
        while a.leads:
            await a.clock.advance(0.01)
        assert lost.done()


async def test_a_sign_of_life_that_arrives_during_a_take_over_stops_it(world: World) -> None:
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


async def test_a_short_outage_does_not_cost_the_lease(world: World) -> None:
    a = world.join("a")
    await world.advance(5)
    lost = asyncio.create_task(a.elector.wait_lost())
    async with outage(world):
        await world.advance(4)
    await world.advance(20)
    assert a.leads
    assert not lost.done()
    lost.cancel()


async def test_a_renewal_whose_answer_is_lost_counts_from_the_one_before(world: World) -> None:
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


async def test_an_acquisition_whose_answer_is_lost_is_found_out(world: World) -> None:
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


async def test_two_that_race_for_a_dead_lease_do_not_both_get_it(world: World) -> None:
    a, b, c = world.join("a"), world.join("b"), world.join("c")
    await world.advance(10)
    world.stand_still(a)
    await world.advance(20)
    assert b.leads != c.leads


async def test_a_foreign_edit_of_the_lease_costs_nothing(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(5)
    for number in range(20):
        note = {"metadata": {"annotations": {"note": str(number)}}}
        world.api.edit(LEASES, "zkoperator-system", "zkoperator", note)
        await world.advance(1)
        assert a.leads
    assert not b.leads


async def test_a_deleted_lease_is_made_again_by_its_holder_who_goes_on(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(5)
    lost = asyncio.create_task(a.elector.wait_lost())
    for _ in range(30):
        world.delete_lease()
        await world.advance(2.3)
        assert a.leads
        assert world.lease()["holderIdentity"] == "a"
    assert not b.leads
    assert not lost.done()
    lost.cancel()


async def test_a_standby_that_finds_the_lease_gone_waits_for_the_end_of_a_holder_that_is_cut_off(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(20.5)
    world.stand_still(a)
    world.delete_lease()
    waited = await world.seconds_until(b)
    assert TIMING.lease_s <= waited < 15
    assert world.lease()["holderIdentity"] == "b"


async def test_a_lease_that_is_gone_counts_for_as_long_as_it_said_itself(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(5)
    world.stand_still(a)
    world.api.edit(LEASES, "zkoperator-system", "zkoperator", {"spec": {"leaseDurationSeconds": 40}})
    await world.advance(3)
    world.delete_lease()
    assert 40 <= await world.seconds_until(b) < 45


async def test_a_lease_that_is_gone_is_waited_for_anew_after_it_was_there_again(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(5)
    world.stand_still(a)
    lease = world.api.peek(LEASES, "zkoperator-system", "zkoperator")
    assert lease is not None
    for _ in range(3):
        world.delete_lease()
        await world.advance(TIMING.lease_s - 2)
        world.api.put(LEASES, lease)
        await world.advance(2)
        assert not b.leads
    world.delete_lease()
    assert await world.seconds_until(b) >= TIMING.lease_s


async def test_a_holder_that_was_replaced_and_finds_no_lease_does_not_lead_beside_the_other(world: World) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(10)
    world.stand_still(a)
    await world.advance(30)
    assert b.leads
    world.contenders.append(a)
    a.clock.jump(30)
    world.delete_lease()
    await world.advance(5)
    assert b.leads


async def test_who_has_never_seen_a_lease_leads_at_once_even_after_it_could_not_be_made(world: World) -> None:
    def forbid(operation: Operation) -> None:
        if operation.is_write:
            raise ForbiddenError("may not create leases")

    world.api.before = forbid
    a = world.join("a")
    await world.advance(8)
    assert not a.leads
    world.api.before = lambda _: None
    assert await world.seconds_until(a) < 6


async def test_a_wall_clock_that_stands_still_looks_dead_to_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
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


async def test_a_lease_that_nobody_has_answered_for_yet_is_a_problem_until_the_first_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await answered.wait()

    answered = asyncio.Event()
    monkeypatch.setattr(world.api, "get", hang)
    a = world.join("a")
    await settle()
    assert a.elector.problem == "the API server has not answered for the lease yet"
    answered.set()
    await settle()
    assert a.elector.problem is None


async def test_a_lost_race_for_the_lease_is_an_answer(world: World) -> None:
    def lose(operation: Operation) -> None:
        if operation.is_write:
            raise ConflictError("somebody else was first")

    world.api.before = lose
    a = world.join("a")
    await settle()
    assert not a.leads
    assert a.elector.problem is None


async def test_a_first_answer_that_is_a_refusal_is_logged_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.api.before = unavailable
    world.join("a")
    await world.advance(5)
    assert caplog.text.count("cannot read or write the lease") == 1


async def test_a_missing_permission_is_a_problem_in_words(world: World) -> None:
    def forbid(_: Operation) -> None:
        raise ForbiddenError("may not get leases")

    world.api.before = forbid
    a = world.join("a")
    await world.advance(1)
    assert a.elector.problem == "may not get leases"
    world.api.before = lambda _: None
    await world.advance(10)
    assert a.leads
    assert a.elector.problem is None


def test_a_hold_as_long_as_the_lease_is_refused() -> None:
    with pytest.raises(ValueError, match="hold_s < lease_s"):
        Timing(lease_s=10, hold_s=10)
