"""Keys that are forgotten, a loop that is stopped, and one that stands still."""

import asyncio

import pytest

from tests.support.fakes.clock import settle
from tests.support.worlds.keyed_loop import RESYNC_S, A, B, Gate, LoopWorld


async def test_a_forgotten_key_is_not_looked_at_again() -> None:
    world = LoopWorld()
    world.again_s[A] = 5
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.forget(A)
        await world.clock.advance(10 * RESYNC_S)
        assert world.seen[A] == 1


async def test_forgetting_during_a_pass_lets_it_end_and_drops_the_key() -> None:
    gate = Gate()
    world = LoopWorld(gate)
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.forget(A)
        await gate.release(A)
        await world.clock.advance(10 * RESYNC_S)
        assert gate.started[A] == 1


async def test_a_wake_during_the_pass_that_forgets_the_key_is_not_lost() -> None:
    gate = Gate()
    world = LoopWorld(gate)
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.wake(A)  # the object was created again, after the pass had found it gone
        world.loop.forget(A)
        await gate.release(A)
        assert gate.started[A] == 2


async def test_a_wake_brings_a_forgotten_key_back_even_during_its_pass() -> None:
    gate = Gate()
    world = LoopWorld(gate)
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.forget(A)
        world.loop.wake(A)
        await gate.release(A)
        assert gate.started[A] == 2


async def test_a_stop_lets_running_passes_finish_and_starts_no_other() -> None:
    gate = Gate()
    world = LoopWorld(gate, concurrency=1, grace_s=10)
    task = asyncio.create_task(world.loop.run())
    await settle()
    world.wake_all([A, B])
    await settle()
    task.cancel()
    await settle()
    assert not task.done()
    await gate.release(A)
    await asyncio.gather(task, return_exceptions=True)
    assert gate.finished == {A: 1}
    assert gate.started == {A: 1}


async def test_a_stop_cuts_off_what_does_not_finish_in_time_and_the_next_start_looks_at_it_first() -> None:
    gate = Gate()
    world = LoopWorld(gate)
    task = asyncio.create_task(world.loop.run())
    await settle()
    world.loop.wake(A)
    await settle()
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(task, return_exceptions=True)
    assert gate.inside == []
    async with world.running():
        assert gate.started[A] == 2


async def test_an_idle_loop_is_not_stalled() -> None:
    world = LoopWorld()
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(500)
        assert world.loop.stalled_s() == 0


async def test_a_loop_whose_passes_stand_still_is_stalled_from_their_start() -> None:
    gate = Gate()
    world = LoopWorld(gate)
    async with world.running():
        await world.clock.advance(100)
        world.loop.wake(A)
        await world.clock.advance(7)
        assert world.loop.stalled_s() == pytest.approx(7)


async def test_a_loop_whose_alarm_does_not_ring_is_stalled() -> None:
    world = LoopWorld()
    world.again_s[A] = 5
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.clock.jump(12)
        assert world.loop.stalled_s() == pytest.approx(7)
