"""The keyed loop: which key is looked at when."""

import asyncio
import random
from collections import Counter

import pytest

from tests.support.fakes.clock import settle
from tests.support.worlds.keyed_loop import RESYNC_S, A, B, C, Gate, LoopWorld
from zkoperator.errors import (
    ConflictError,
    TransientError,
    UnsafeError,
)
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain, Outcome, Pass


async def test_a_woken_key_is_reconciled_once() -> None:
    world = LoopWorld()
    async with world.running():
        world.loop.wake(A)
        await settle()
    assert world.seen == {A: 1}
    assert world.passes == [Pass(A, Outcome.SUCCESS, 0.0)]


async def test_wakes_before_the_start_are_not_lost() -> None:
    world = LoopWorld()
    world.wake_all([A, B])
    async with world.running():
        assert world.seen == {A: 1, B: 1}


async def test_many_wakes_while_waiting_are_one_pass() -> None:
    gate = Gate()
    world = LoopWorld(gate, concurrency=1)
    async with world.running():
        world.loop.wake(A)
        await settle()
        for _ in range(10):
            world.loop.wake(B)
        await gate.release(A, B)
        await settle()
        assert gate.started == {A: 1, B: 1}


async def test_wakes_during_a_pass_cause_exactly_one_more() -> None:
    gate = Gate()
    world = LoopWorld(gate)
    async with world.running():
        world.loop.wake(A)
        await settle()
        for _ in range(10):
            world.loop.wake(A)
        assert gate.started == {A: 1}
        await gate.release(A)
        assert gate.started == {A: 2}
        await gate.release(A)
        await world.clock.advance(10)
        assert gate.started == {A: 2}


async def test_a_key_never_has_two_passes_at_once() -> None:
    gate = Gate()
    world = LoopWorld(gate)
    async with world.running():
        for _ in range(5):
            world.loop.wake(A)
            await settle()
            assert gate.inside == [A]


async def test_a_key_that_is_due_and_woken_while_all_slots_are_busy_has_one_pass() -> None:
    gate = Gate()
    failures = [TransientError("away"), TransientError("away")]

    async def reconcile(key: Key) -> LookAgain:
        if key == A and failures:
            raise failures.pop()
        return await gate(key)

    low = Backoff(first_s=1, limit_s=8, uniform=lambda low, high: low)
    world = LoopWorld(reconcile, concurrency=2, backoff=low)
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(0.1)
        assert failures == []
        world.wake_all([B, C])
        await world.clock.advance(0.3)  # the retry is due now, and a wake is paced until later
        world.loop.wake(A)
        await gate.release(B)
        await gate.release(C)
        await world.clock.advance(5)
        assert gate.inside == [A]
        await gate.release(A)
        assert gate.started[A] == 1


class Chance:
    """Passes that take a while and end as chance has it; what a wake is about is a version that a pass must see."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = LoopWorld(self, concurrency=2, backoff=Backoff(1, 8, uniform=lambda low, _: low))
        self.wanted: Counter[Key] = Counter()
        self.seen: Counter[Key] = Counter()
        self.inside: Counter[Key] = Counter()
        self.most_at_once = 0
        self.calm = False

    async def __call__(self, key: Key) -> LookAgain:
        self.inside[key] += 1
        self.most_at_once = max(self.most_at_once, self.inside[key])
        found = self.wanted[key]
        try:
            await self.world.clock.sleep(self.dice.choice([0, 0.1, 0.5, 2]))
            if not self.calm and self.dice.random() < 0.8:
                raise self.dice.choice(
                    [TransientError("away")] * 3 + [ConflictError("changed"), UnsafeError("blocked")]
                )
        finally:
            self.inside[key] -= 1
        self.seen[key] = max(self.seen[key], found)
        return WHEN_WOKEN if self.calm else self.dice.choice([WHEN_WOKEN, LookAgain(0.2), LookAgain(2)])

    async def step(self) -> None:
        key = self.dice.choice([A, B, C, Key("demo", "d")])
        match self.dice.choice(["wake"] * 6 + ["wait"] * 5 + ["forget"]):
            case "wake":
                self.wanted[key] += 1
                self.world.loop.wake(key)
            case "forget" if not self.inside[key]:
                self.seen[key] = self.wanted[key]
                self.world.loop.forget(key)
            case _:
                await self.world.clock.advance(self.dice.choice([0, 0.1, 0.2, 0.5]))


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_no_key_has_two_passes_at_once_and_no_wake_is_lost(seed: int) -> None:
    chance = Chance(seed)
    async with chance.world.running():
        for _ in range(500):
            await chance.step()
        chance.calm = True
        await chance.world.clock.advance(250)
        assert chance.seen == chance.wanted
        assert chance.most_at_once == 1
        assert Outcome.UNEXPECTED not in chance.world.outcomes()


async def test_passes_of_different_keys_run_at_once_up_to_the_limit() -> None:
    gate = Gate()
    world = LoopWorld(gate, concurrency=2)
    async with world.running():
        world.wake_all([A, B, C])
        await settle()
        assert gate.inside == [A, B]
        assert (world.loop.running, world.loop.depth) == (2, 1)
        await gate.release(A)
        assert gate.inside == [B, C]


async def test_a_pass_that_hangs_does_not_slow_others() -> None:
    gate = Gate()
    world = LoopWorld(gate, concurrency=2)
    others = [Key("demo", f"other-{number}") for number in range(20)]
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.wake_all(others)
        await gate.release(*others)
        assert all(gate.finished[key] == 1 for key in others)


async def test_a_key_is_looked_at_again_when_it_asked_for_it() -> None:
    world = LoopWorld()
    world.again_s[A] = 30
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(29.9)
        assert world.seen[A] == 1
        await world.clock.advance(0.2)
        assert world.seen[A] == 2


async def test_a_key_that_asks_for_nothing_is_looked_at_after_the_resync_period_give_or_take_a_tenth() -> None:
    world = LoopWorld()
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(RESYNC_S * 0.89)
        assert world.seen[A] == 1
        await world.clock.advance(RESYNC_S * 0.22)
        assert world.seen[A] == 2


async def test_resyncs_of_many_keys_are_spread() -> None:
    world = LoopWorld()
    keys = [Key("demo", str(number)) for number in range(100)]
    async with world.running():
        world.wake_all(keys)
        await world.clock.advance(RESYNC_S)
        done = sum(world.seen[key] == 2 for key in keys)
        assert 10 < done < 90


async def test_ten_thousand_keys_need_no_task_and_no_timer_of_the_event_loop_each() -> None:
    world = LoopWorld()
    async with world.running():
        world.wake_all(Key("demo", str(number)) for number in range(10_000))
        async with asyncio.timeout(30):
            while world.loop.depth or world.loop.running:
                await asyncio.sleep(0)
        assert len(world.seen) == 10_000
        assert len(asyncio.all_tasks()) < 5
        assert len(world.clock._timers) < 50
