"""The keyed loop: which key is looked at when."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import pytest

from tests.support.fakes.clock import FakeClock, settle
from zkoperator.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    TransientError,
    UnsafeError,
)
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain, Outcome, Pass

A, B, C = (Key("demo", name) for name in "abc")
FIXED = Backoff(first_s=1, limit_s=8, uniform=lambda low, high: high)
SLOW = Backoff(first_s=100, limit_s=100, uniform=lambda low, high: high)
RESYNC_S = 1000.0
INVALID = InvalidError((FieldError("spec.replicas", "use 1 to 9"),))

Reconcile = Callable[[Key], Awaitable[LookAgain]]


class World:
    """A loop on a fake clock, with everything that its passes did."""

    def __init__(self, reconcile: Reconcile | None = None, **options: int | float | Backoff) -> None:
        self.clock = FakeClock()
        self.passes: list[Pass] = []
        self.seen: Counter[Key] = Counter()
        self.raises: dict[Key, list[Exception]] = {}
        self.again_s: dict[Key, float] = {}
        self.loop = KeyedLoop(
            "Thing",
            reconcile or self.reconcile,
            slow_backoff=SLOW,
            resync_s=RESYNC_S,
            clock=self.clock,
            report=self.passes.append,
            **{"grace_s": 0.01, "backoff": FIXED, **options},  # type: ignore[arg-type]
        )

    def wake_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.loop.wake(key)

    async def reconcile(self, key: Key) -> LookAgain:
        self.seen[key] += 1
        errors = self.raises.get(key)
        if errors:
            raise errors.pop(0)
        return LookAgain(self.again_s[key]) if key in self.again_s else WHEN_WOKEN

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.loop.run())
        await settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def outcomes(self) -> list[Outcome]:
        return [each.outcome for each in self.passes]


class Gate:
    """A reconcile whose passes stand still until they are let go."""

    def __init__(self) -> None:
        self.inside: list[Key] = []
        self.started: Counter[Key] = Counter()
        self.finished: Counter[Key] = Counter()
        self._open: dict[Key, asyncio.Event] = {}

    async def __call__(self, key: Key) -> LookAgain:
        self.started[key] += 1
        self.inside.append(key)
        try:
            await self._open.setdefault(key, asyncio.Event()).wait()
        finally:
            self.inside.remove(key)
        self.finished[key] += 1
        return WHEN_WOKEN

    async def release(self, *keys: Key) -> None:
        for key in keys:
            self._open.setdefault(key, asyncio.Event()).set()
        await settle()
        for key in keys:
            self._open.pop(key, None)


async def test_a_woken_key_is_reconciled_once() -> None:
    world = World()
    async with world.running():
        world.loop.wake(A)
        await settle()
    assert world.seen == {A: 1}
    assert world.passes == [Pass(A, Outcome.SUCCESS, 0.0)]


async def test_wakes_before_the_start_are_not_lost() -> None:
    world = World()
    world.wake_all([A, B])
    async with world.running():
        assert world.seen == {A: 1, B: 1}


async def test_many_wakes_while_waiting_are_one_pass() -> None:
    gate = Gate()
    world = World(gate, concurrency=1)
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
    world = World(gate)
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
    world = World(gate)
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
    world = World(reconcile, concurrency=2, backoff=low)
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
        self.world = World(self, concurrency=2, backoff=Backoff(1, 8, uniform=lambda low, _: low))
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
    world = World(gate, concurrency=2)
    async with world.running():
        world.wake_all([A, B, C])
        await settle()
        assert gate.inside == [A, B]
        assert (world.loop.running, world.loop.depth) == (2, 1)
        await gate.release(A)
        assert gate.inside == [B, C]


async def test_a_pass_that_hangs_does_not_slow_others() -> None:
    gate = Gate()
    world = World(gate, concurrency=2)
    others = [Key("demo", f"other-{number}") for number in range(20)]
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.wake_all(others)
        await gate.release(*others)
        assert all(gate.finished[key] == 1 for key in others)


async def test_a_key_is_looked_at_again_when_it_asked_for_it() -> None:
    world = World()
    world.again_s[A] = 30
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(29.9)
        assert world.seen[A] == 1
        await world.clock.advance(0.2)
        assert world.seen[A] == 2


async def test_a_key_that_asks_for_nothing_is_looked_at_after_the_resync_period_give_or_take_a_tenth() -> None:
    world = World()
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(RESYNC_S * 0.89)
        assert world.seen[A] == 1
        await world.clock.advance(RESYNC_S * 0.22)
        assert world.seen[A] == 2


async def test_resyncs_of_many_keys_are_spread() -> None:
    world = World()
    keys = [Key("demo", str(number)) for number in range(100)]
    async with world.running():
        world.wake_all(keys)
        await world.clock.advance(RESYNC_S)
        done = sum(world.seen[key] == 2 for key in keys)
        assert 10 < done < 90


async def test_a_transient_error_is_retried_with_growing_delays() -> None:
    world = World()
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
    world = World()
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
    world = World()
    world.raises[A] = [TransientError("slow down", retry_after_s=20)]
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(19.9)
        assert world.seen[A] == 1
        await world.clock.advance(0.2)
        assert world.seen[A] == 2


async def test_the_servers_retry_after_counts_however_often_the_key_is_woken() -> None:
    world = World()
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
    world = World()
    world.raises[A] = [ConflictError("changed")]
    async with world.running():
        world.loop.wake(A)
        await settle()
        assert world.outcomes() == [Outcome.CONFLICT, Outcome.SUCCESS]


async def test_conflicts_that_repeat_are_backed_off() -> None:
    world = World()
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
    world = World()
    world.raises[A] = [error]
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(99)
        assert world.seen[A] == 1
        await world.clock.advance(2)
        assert world.seen[A] == 2


@pytest.mark.parametrize("error", [UnsafeError("blocked"), INVALID])
async def test_a_wake_does_not_wait_for_the_back_off_of_a_single_failure(error: Exception) -> None:
    world = World()
    world.raises[A] = [error]
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.wake(A)
        await settle()
        assert world.outcomes()[1:] == [Outcome.SUCCESS]


async def test_a_key_that_keeps_failing_is_paced_however_often_it_is_woken() -> None:
    world = World()
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
    world = World()
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
    world = World()
    world.raises[A] = [TransientError("away")] * 3 + [UnsafeError("blocked")] * 2
    with caplog.at_level(logging.INFO):
        async with world.running():
            world.loop.wake(A)
            await world.clock.advance(1000)
            world.loop.wake(A)
            await settle()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


async def test_the_gravest_error_of_a_group_decides() -> None:
    world = World()
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

    world = World(reconcile)
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(0.5)
        assert world.outcomes() == [Outcome.TRANSIENT]


async def test_a_pass_that_takes_too_long_is_cancelled_and_retried() -> None:
    gate = Gate()
    world = World(gate, pass_limit_s=0.05)
    async with world.running():
        world.loop.wake(A)
        async with asyncio.timeout(10):
            while not world.passes:
                await asyncio.sleep(0.01)
        assert world.outcomes() == [Outcome.TRANSIENT]
        assert gate.inside == []
        await world.clock.advance(1.1)
        assert gate.started[A] == 2


async def test_a_forgotten_key_is_not_looked_at_again() -> None:
    world = World()
    world.again_s[A] = 5
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.forget(A)
        await world.clock.advance(10 * RESYNC_S)
        assert world.seen[A] == 1


async def test_forgetting_during_a_pass_lets_it_end_and_drops_the_key() -> None:
    gate = Gate()
    world = World(gate)
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.forget(A)
        await gate.release(A)
        await world.clock.advance(10 * RESYNC_S)
        assert gate.started[A] == 1


async def test_a_wake_during_the_pass_that_forgets_the_key_is_not_lost() -> None:
    gate = Gate()
    world = World(gate)
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.wake(A)  # the object was created again, after the pass had found it gone
        world.loop.forget(A)
        await gate.release(A)
        assert gate.started[A] == 2


async def test_a_wake_brings_a_forgotten_key_back_even_during_its_pass() -> None:
    gate = Gate()
    world = World(gate)
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.loop.forget(A)
        world.loop.wake(A)
        await gate.release(A)
        assert gate.started[A] == 2


async def test_a_stop_lets_running_passes_finish_and_starts_no_other() -> None:
    gate = Gate()
    world = World(gate, concurrency=1, grace_s=10)
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
    world = World(gate)
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


async def test_a_report_that_raises_does_not_stop_the_key() -> None:
    world = World()
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


async def test_an_idle_loop_is_not_stalled() -> None:
    world = World()
    async with world.running():
        world.loop.wake(A)
        await world.clock.advance(500)
        assert world.loop.stalled_s() == 0


async def test_a_loop_whose_passes_stand_still_is_stalled_from_their_start() -> None:
    gate = Gate()
    world = World(gate)
    async with world.running():
        await world.clock.advance(100)
        world.loop.wake(A)
        await world.clock.advance(7)
        assert world.loop.stalled_s() == pytest.approx(7)


async def test_a_loop_whose_alarm_does_not_ring_is_stalled() -> None:
    world = World()
    world.again_s[A] = 5
    async with world.running():
        world.loop.wake(A)
        await settle()
        world.clock.jump(12)
        assert world.loop.stalled_s() == pytest.approx(7)


async def test_ten_thousand_keys_need_no_task_and_no_timer_of_the_event_loop_each() -> None:
    world = World()
    async with world.running():
        world.wake_all(Key("demo", str(number)) for number in range(10_000))
        async with asyncio.timeout(30):
            while world.loop.depth or world.loop.running:
                await asyncio.sleep(0)
        assert len(world.seen) == 10_000
        assert len(asyncio.all_tasks()) < 5
        assert len(world.clock._timers) < 50
