"""The Lease as an object: edited, deleted, refused or made by others."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.fakes.clock import settle
from tests.support.fakes.kube import Operation, unavailable
from tests.support.worlds.lease import TIMING, LeaseWorld
from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.kube.port import LEASES


@pytest.fixture
async def world() -> AsyncIterator[LeaseWorld]:
    found = LeaseWorld()
    yield found
    found.api.before = lambda _: None
    for contender in found.everybody:
        await contender.stop()


async def test_a_foreign_edit_of_the_lease_costs_nothing(world: LeaseWorld) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(5)
    for number in range(20):
        note = {"metadata": {"annotations": {"note": str(number)}}}
        world.api.edit(LEASES, "zkoperator-system", "zkoperator", note)
        await world.advance(1)
        assert a.leads
    assert not b.leads


async def test_a_deleted_lease_is_made_again_by_its_holder_who_goes_on(world: LeaseWorld) -> None:
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


async def test_a_standby_that_finds_the_lease_gone_waits_for_the_end_of_a_holder_that_is_cut_off(
    world: LeaseWorld,
) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(20.5)
    world.stand_still(a)
    world.delete_lease()
    waited = await world.seconds_until(b)
    assert TIMING.lease_s <= waited < 15
    assert world.lease()["holderIdentity"] == "b"


async def test_a_lease_that_is_gone_counts_for_as_long_as_it_said_itself(world: LeaseWorld) -> None:
    a, b = world.join("a"), world.join("b")
    await world.advance(5)
    world.stand_still(a)
    world.api.edit(LEASES, "zkoperator-system", "zkoperator", {"spec": {"leaseDurationSeconds": 40}})
    await world.advance(3)
    world.delete_lease()
    assert 40 <= await world.seconds_until(b) < 45


async def test_a_lease_that_is_gone_is_waited_for_anew_after_it_was_there_again(world: LeaseWorld) -> None:
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


async def test_a_holder_that_was_replaced_and_finds_no_lease_does_not_lead_beside_the_other(world: LeaseWorld) -> None:
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


async def test_who_has_never_seen_a_lease_leads_at_once_even_after_it_could_not_be_made(world: LeaseWorld) -> None:
    def forbid(operation: Operation) -> None:
        if operation.is_write:
            raise ForbiddenError("may not create leases")

    world.api.before = forbid
    a = world.join("a")
    await world.advance(8)
    assert not a.leads
    world.api.before = lambda _: None
    assert await world.seconds_until(a) < 6


async def test_a_lease_that_nobody_has_answered_for_yet_is_a_problem_until_the_first_answer(
    world: LeaseWorld, monkeypatch: pytest.MonkeyPatch
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


async def test_a_lost_race_for_the_lease_is_an_answer(world: LeaseWorld) -> None:
    def lose(operation: Operation) -> None:
        if operation.is_write:
            raise ConflictError("somebody else was first")

    world.api.before = lose
    a = world.join("a")
    await settle()
    assert not a.leads
    assert a.elector.problem is None


async def test_a_first_answer_that_is_a_refusal_is_logged_once(
    world: LeaseWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.api.before = unavailable
    world.join("a")
    await world.advance(5)
    assert caplog.text.count("cannot read or write the lease") == 1


async def test_a_missing_permission_is_a_problem_in_words(world: LeaseWorld) -> None:
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
