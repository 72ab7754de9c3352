"""The keyed loop when passes fail: what is retried when, what is logged, and what a stop cuts off."""

import asyncio
import logging

import pytest

from tests.support.fakes.clock import settle
from tests.support.worlds.keyed_loop import A, Gate, LoopWorld
from zkoperator.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    TransientError,
    UnsafeError,
)
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain, Outcome, Pass

INVALID = InvalidError((FieldError("spec.replicas", "use 1 to 9"),))


async def test_a_transient_error_is_retried_with_growing_delays() -> None:
    world = LoopWorld()
    world.raises[A] = [TransientError("away")] * 4
    async with world.running():
        world.loop.wake(A)
        times: list[int] = []
        for _ in range(160):
            if world.seen[A] > len(times):
                times.append(round(world.clock.now_s() - 1000))
            await world.clock.advance(0.1)
    assert times == [0, 1, 3, 7, 15]


async def test_a_success_forgets_earlier_failures() -> None:
    world = LoopWorld()
    world.raises[A] = [TransientError("away")] * 3
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(8)
        assert world.outcomes()[-1] is Outcome.SUCCESS
        world.raises[A] = [TransientError("away")]
        world.loop.wake(A)
        await world.clock.advance(1.1)
        assert world.seen[A] == 6


async def test_the_servers_retry_after_is_the_least_delay() -> None:
    world = LoopWorld()
    world.raises[A] = [TransientError("slow down", retry_after_s=20)]
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(19.9)
        assert world.seen[A] == 1
        await world.clock.advance(0.2)
        assert world.seen[A] == 2


async def test_the_servers_retry_after_counts_however_often_the_key_is_woken() -> None:
    world = LoopWorld()
    world.raises[A] = [TransientError("slow down", retry_after_s=20)] * 2
    async with world.running():
        for _ in range(199):
            world.loop.wake(A)
            await world.clock.advance(0.1)
        assert world.seen[A] == 1
        await world.clock.advance(0.2)
        assert world.seen[A] == 2
        world.loop.wake(A)
        await world.clock.advance(19.5)
        assert world.seen[A] == 2
        await world.clock.advance(0.5)
        assert world.outcomes()[-1] is Outcome.SUCCESS


async def test_a_conflict_is_looked_at_again_at_once() -> None:
    world = LoopWorld()
    world.raises[A] = [ConflictError("changed")]
    async with world.running():
        world.loop.wake(A)
        await settle()
        assert world.outcomes() == [Outcome.CONFLICT, Outcome.SUCCESS]


async def test_conflicts_that_repeat_are_backed_off() -> None:
    world = LoopWorld()
    world.raises[A] = [ConflictError("changed")] * 1000
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(0)
        assert world.seen[A] == 3
        await world.clock.advance(60)
        assert world.seen[A] < 20


@pytest.mark.parametrize(
    "error", [UnsafeError("2 of 3 voters in sync"), ForbiddenError("may not patch configmaps"), INVALID]
)
async def test_what_somebody_else_must_resolve_is_retried_slowly(error: Exception) -> None:
    world = LoopWorld()
    world.raises[A] = [error]
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(99)
        assert world.seen[A] == 1
        await world.clock.advance(2)
        assert world.seen[A] == 2


@pytest.mark.parametrize("error", [UnsafeError("blocked"), INVALID])
async def test_a_wake_does_not_wait_for_the_back_off_of_a_single_failure(error: Exception) -> None:
    world = LoopWorld()
    world.raises[A] = [error]
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.wake(A)
        await settle()
        assert world.outcomes()[1:] == [Outcome.SUCCESS]


async def test_a_key_that_keeps_failing_is_paced_however_often_it_is_woken() -> None:
    world = LoopWorld()
    world.raises[A] = [ForbiddenError("no")] * 10_000
    async with world.running():
        for _ in range(100):
            world.loop.wake(A)
            await world.clock.advance(0.1)
        assert world.seen[A] <= 12
        assert world.seen[A] >= 5


async def test_an_unexpected_error_is_retried_and_its_stack_is_logged_once_without_its_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = LoopWorld()
    world.raises[A] = [KeyError("hunter2")] * 3
    with caplog.at_level(logging.INFO):
        async with world.running():
            world.loop.wake(A)
            await world.clock.advance(20)
    assert world.outcomes() == [Outcome.UNEXPECTED] * 3 + [Outcome.SUCCESS]
    assert caplog.text.count("KeyError") == 1
    assert "in reconcile" in caplog.text
    assert "hunter2" not in caplog.text
    assert caplog.text.count("reconciled again") == 1


async def test_only_transitions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    world = LoopWorld()
    world.raises[A] = [TransientError("away")] * 3 + [UnsafeError("blocked")] * 2
    with caplog.at_level(logging.INFO):
        async with world.running():
            world.loop.wake(A)
            await world.clock.advance(1000)
            world.loop.wake(A)
            await settle()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


async def test_the_gravest_error_of_a_group_decides() -> None:
    world = LoopWorld()
    world.raises[A] = [ExceptionGroup("two", [TransientError("away"), ExceptionGroup("inner", [INVALID])])]
    async with world.running():
        world.loop.wake(A)
        await settle()
    assert world.outcomes() == [Outcome.INVALID]
    assert world.passes[0].error is INVALID


async def test_a_pass_that_waits_for_something_that_is_cancelled_is_retried_later() -> None:
    async def reconcile(_: Key) -> LookAgain:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future
        return WHEN_WOKEN

    world = LoopWorld(reconcile)
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(0.5)
        assert world.outcomes() == [Outcome.TRANSIENT]


async def test_a_pass_that_takes_too_long_is_cancelled_and_retried() -> None:
    gate = Gate()
    world = LoopWorld(gate, pass_limit_s=0.05)
    async with world.running():
        world.loop.wake(A)
        async with asyncio.timeout(10):
            while not world.passes:
                await asyncio.sleep(0.01)
        assert world.outcomes() == [Outcome.TRANSIENT]
        assert gate.inside == []
        await world.clock.advance(1.1)
        assert gate.started[A] == 2


async def test_a_report_that_raises_does_not_stop_the_key() -> None:
    world = LoopWorld()
    calls = []

    def report(each: Pass) -> None:
        calls.append(each)
        raise RuntimeError("a metric is wrong")

    world.loop = KeyedLoop("Thing", world.reconcile, clock=world.clock, report=report)
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.wake(A)
        await settle()
        assert len(calls) == 2
