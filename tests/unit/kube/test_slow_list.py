"""The slow list finds what was missed, and costs nothing when nothing happened."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.fakes.clock import FakeClock, settle
from tests.support.fakes.kube import FakeKube, Operation, unavailable
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.kube.slow_list import SlowList
from zkoperator.runtime.keys import Key

A, B = Key("demo", "a"), Key("demo", "b")


class World:
    def __init__(self, namespaces: tuple[str, ...] = ()) -> None:
        self.api = FakeKube()
        self.clock = FakeClock()
        self.wakes: list[Key] = []
        self.census = SlowList(self.api, CONFIG_SYNCS, namespaces, wake=self.wake, clock=self.clock)
        self.task: asyncio.Task[None] | None = None

    def wake(self, key: Key, version: str) -> None:
        assert version == self.version(key)
        self.wakes.append(key)

    def version(self, key: Key) -> str:
        """The version of the object, empty when there is none."""
        found = self.api.peek(CONFIG_SYNCS, key.namespace, key.name) or {"metadata": {"resourceVersion": ""}}
        return str(found["metadata"]["resourceVersion"])

    def put(self, key: Key) -> None:
        self.api.put(CONFIG_SYNCS, {"metadata": {"name": key.name, "namespace": key.namespace}, "spec": {}})

    async def start(self) -> None:
        self.task = asyncio.create_task(self.census.run())
        await settle()

    async def woken_in(self, seconds: float) -> list[Key]:
        await self.clock.advance(seconds)
        found = sorted(self.wakes)
        self.wakes.clear()
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    found = World()
    yield found
    if found.task is not None:
        found.task.cancel()
        await asyncio.gather(found.task, return_exceptions=True)


async def test_the_first_list_comes_at_once_and_wakes_all(world: World) -> None:
    world.put(A)
    world.put(B)
    await world.start()
    assert await world.woken_in(0) == [A, B]
    await asyncio.wait_for(world.census.wait_listed(), 5)


async def test_what_appeared_changed_or_vanished_is_woken_within_a_period_and_a_tenth(world: World) -> None:
    world.put(A)
    await world.start()
    await world.woken_in(0)
    world.put(B)
    assert await world.woken_in(67) == [B]
    world.api.edit(CONFIG_SYNCS, "demo", "a", {"spec": {"mode": "Paused"}})
    assert await world.woken_in(67) == [A]
    world.api.remove(CONFIG_SYNCS, "demo", "a")
    assert await world.woken_in(67) == [A]


async def test_nothing_that_stayed_the_same_is_woken(world: World) -> None:
    world.put(A)
    await world.start()
    await world.woken_in(0)
    assert await world.woken_in(600) == []


async def test_a_key_that_others_saw_and_no_list_did_is_woken_when_it_is_gone(world: World) -> None:
    await world.start()
    world.census.add_known(A)
    assert await world.woken_in(67) == [A]
    assert await world.woken_in(600) == []


async def test_a_failed_list_wakes_nobody_and_is_repeated_soon(world: World) -> None:
    world.put(A)
    await world.start()
    await world.woken_in(0)
    world.api.before = unavailable
    assert await world.woken_in(200) == []
    assert world.census.problem == "the API server is away"
    world.api.before = lambda _: None
    world.api.remove(CONFIG_SYNCS, "demo", "a")
    assert await world.woken_in(31) == [A]
    assert world.census.problem is None


async def test_a_kind_that_is_not_installed_is_a_problem_in_words(world: World) -> None:
    world.api.missing_kinds.add(CONFIG_SYNCS.plural)
    await world.start()
    assert world.census.problem is not None
    assert CONFIG_SYNCS.plural in world.census.problem


async def test_a_namespace_that_may_not_be_listed_takes_nothing_from_those_after_it_and_is_a_problem() -> None:
    world = World(("lost", "demo"))

    def forbid(operation: Operation) -> None:
        if operation.namespace == "lost":
            raise ForbiddenError("may not list configsyncs in namespace lost")

    world.put(Key("lost", "c"))
    await world.start()
    world.wakes.clear()
    world.api.before = forbid
    world.api.remove(CONFIG_SYNCS, "lost", "c")
    world.put(A)
    assert await world.woken_in(67) == [A], "and nothing is known to have vanished where nothing was listed"
    assert world.census.problem == "may not list configsyncs in namespace lost"
    world.api.edit(CONFIG_SYNCS, "demo", "a", {"spec": {"mode": "Paused"}})
    assert await world.woken_in(67) == [A]
    assert world.task is not None
    world.task.cancel()
    await asyncio.gather(world.task, return_exceptions=True)


async def test_only_the_namespaces_asked_for_are_listed() -> None:
    world = World(("demo", "other"))
    for key in (A, Key("other", "c"), Key("elsewhere", "d")):
        world.put(key)
    await world.start()
    assert await world.woken_in(0) == [A, Key("other", "c")]
    world.census.add_known(Key("elsewhere", "d"))
    assert await world.woken_in(67) == []
    assert world.task is not None
    world.task.cancel()
    await asyncio.gather(world.task, return_exceptions=True)
