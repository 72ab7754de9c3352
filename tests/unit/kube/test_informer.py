"""The informer on a clock that tests move, against the API in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.fakes.clock import FakeClock, settle
from tests.support.fakes.kube import FakeKube, Operation, unavailable
from zkoperator.errors import ForbiddenError, TransientError
from zkoperator.kube.informer import Informer
from zkoperator.kube.port import CONFIG_MAPS, Manifest
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.keys import Key

FIXED = Backoff(first_s=1, limit_s=8, uniform=lambda low, high: high)
SLOW = Backoff(first_s=100, limit_s=100, uniform=lambda low, high: high)
A, B = Key("demo", "a"), Key("demo", "b")


class World:
    def __init__(self, namespaces: tuple[str, ...] = ()) -> None:
        self.api = FakeKube()
        self.clock = FakeClock()
        self.wakes: list[Key] = []
        self.informer = Informer(
            self.api,
            CONFIG_MAPS,
            namespaces,
            on_change=self.wakes.append,
            clock=self.clock,
            backoff=FIXED,
            slow_backoff=SLOW,
        )

    def put(self, key: Key, **data: str) -> Manifest:
        return self.api.put(CONFIG_MAPS, {"metadata": {"name": key.name, "namespace": key.namespace}, "data": data})

    def count(self, verb: str) -> int:
        return sum(operation.verb == verb for operation in self.api.operations)

    async def woken(self) -> list[Key]:
        await self.clock.advance(0)
        found = self.wakes[:]
        self.wakes.clear()
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    found = World()
    found.put(A)
    task = asyncio.create_task(found.informer.run())
    await settle()
    assert await found.woken() == [A]
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_store_is_right_when_a_wake_comes(world: World) -> None:
    world.put(B, colour="red")
    assert await world.woken() == [B]
    found = world.informer.get(B)
    assert found is not None
    assert found["data"] == {"colour": "red"}
    world.api.remove(CONFIG_MAPS, "demo", "b")
    assert await world.woken() == [B]
    assert world.informer.get(B) is None


async def test_a_list_that_finds_nothing_new_wakes_nobody(world: World) -> None:
    world.api.expire_watches()
    await world.clock.advance(2)
    assert world.count("list") == 2
    assert await world.woken() == []


async def test_what_vanished_while_no_watch_was_open_is_woken(world: World) -> None:
    world.api.hide = lambda _resource, event: event.type == "DELETED"
    world.api.remove(CONFIG_MAPS, "demo", "a")
    assert await world.woken() == []
    world.api.expire_watches()
    await world.clock.advance(2)
    assert await world.woken() == [A]
    assert world.informer.keys() == ()


async def test_a_version_that_is_compacted_away_is_listed_anew(world: World) -> None:
    world.api.before = unavailable
    world.api.cut_watches()
    await settle()
    world.put(B)
    world.api.remove(CONFIG_MAPS, "demo", "a")
    world.api.compact()
    world.api.before = lambda _: None
    await world.clock.advance(10)
    assert sorted(await world.woken()) == [A, B]
    assert world.informer.keys() == (B,)


async def test_watches_that_are_closed_at_once_are_not_repeated_hotly(world: World) -> None:
    before = world.count("watch")
    for _ in range(300):
        world.api.cut_watches()
        await world.clock.advance(0.1)
    assert world.count("watch") - before < 30


async def test_after_several_watches_that_fail_the_version_is_not_trusted_any_more(world: World) -> None:
    def refuse_watches(operation: Operation) -> None:
        if operation.verb == "watch":
            raise TransientError("Timeout: Too large resource version")

    world.api.before = refuse_watches
    world.api.cut_watches()
    await world.clock.advance(30)
    assert world.count("list") >= 2


async def test_a_forbidden_kind_is_a_problem_at_once_and_asked_for_slowly(world: World) -> None:
    def forbid(_: Operation) -> None:
        raise ForbiddenError("may not watch configmaps")

    world.api.before = forbid
    world.api.cut_watches()
    await world.clock.advance(5)
    assert world.informer.problem == "may not watch configmaps"
    asked = len(world.api.operations)
    await world.clock.advance(90)
    assert len(world.api.operations) == asked
    world.api.before = lambda _: None
    await world.clock.advance(30)
    assert world.informer.problem is None


async def test_objects_that_may_not_be_followed_any_more_are_told_once(world: World) -> None:
    def forbid(_: Operation) -> None:
        raise ForbiddenError("may not watch configmaps")

    world.api.before = forbid
    world.api.cut_watches()
    await world.clock.advance(450)
    assert await world.woken() == [A]
    assert world.informer.refusal("demo") == "may not watch configmaps"


async def test_a_refusal_is_over_once_the_watch_holds(world: World) -> None:
    def forbid(_: Operation) -> None:
        raise ForbiddenError("may not watch configmaps")

    world.api.before = forbid
    world.api.cut_watches()
    await world.clock.advance(5)
    world.api.before = lambda _: None
    await world.clock.advance(130)
    assert world.informer.refusal("demo") is None


async def test_the_servers_retry_after_is_the_least_delay(world: World) -> None:
    def busy(_: Operation) -> None:
        raise TransientError("429", retry_after_s=20)

    world.api.before = busy
    world.api.cut_watches()
    await world.clock.advance(3)
    asked = len(world.api.operations)
    await world.clock.advance(16)
    assert len(world.api.operations) == asked


async def test_a_bookmark_moves_the_version_on_and_wakes_nobody(world: World) -> None:
    world.api.put(CONFIG_MAPS, {"metadata": {"name": "x", "namespace": "demo"}})
    await world.woken()
    world.api.put(CONFIG_MAPS, {"metadata": {"name": "y", "namespace": "demo"}})
    await world.woken()
    world.api.send_bookmarks()
    assert await world.woken() == []
    world.api.compact()
    world.api.cut_watches()
    await world.clock.advance(3)
    assert world.count("list") == 1


def forbid_lost(operation: Operation) -> None:
    if operation.namespace == "lost":
        raise ForbiddenError("may not list configmaps in namespace lost")


@pytest.fixture
async def partial_world() -> AsyncIterator[World]:
    """One of two namespaces may not be listed."""
    found = World(("lost", "demo"))
    found.put(A)
    found.api.before = forbid_lost
    task = asyncio.create_task(found.informer.run())
    await settle()
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_namespace_that_may_not_be_listed_keeps_no_other_waiting_and_stays_a_problem(
    partial_world: World,
) -> None:
    await asyncio.wait_for(partial_world.informer.wait_synced(), 5)
    assert partial_world.informer.keys() == (A,)
    partial_world.put(B)
    assert B in await partial_world.woken()
    await partial_world.clock.advance(1000)
    assert partial_world.informer.problem == "may not list configmaps in namespace lost"


async def test_nothing_is_absent_from_a_namespace_that_was_never_listed(partial_world: World) -> None:
    lost = Key("lost", "c")
    with pytest.raises(ForbiddenError, match="never listed"):
        partial_world.informer.get(lost)
    assert partial_world.informer.get(B) is None
    partial_world.api.before = lambda _: None
    await partial_world.clock.advance(101)
    assert partial_world.informer.get(lost) is None
    assert partial_world.informer.problem is None


async def test_a_namespace_whose_permission_is_taken_away_keeps_its_last_picture(partial_world: World) -> None:
    lost = Key("lost", "c")
    partial_world.put(lost)
    partial_world.api.before = lambda _: None
    await partial_world.clock.advance(101)
    partial_world.api.before = forbid_lost
    partial_world.api.expire_watches()
    await partial_world.clock.advance(5)
    assert partial_world.informer.problem == "may not list configmaps in namespace lost"
    assert partial_world.informer.get(lost) is not None
    assert partial_world.informer.get(Key("lost", "d")) is None


async def test_nobody_starts_when_no_namespace_may_be_listed() -> None:
    world = World(("lost",))
    world.api.before = forbid_lost
    task = asyncio.create_task(world.informer.run())
    await world.clock.advance(1000)
    assert not world.informer.synced
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
