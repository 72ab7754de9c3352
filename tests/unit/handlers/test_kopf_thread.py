"""A kopf that begins to end is ended as a whole, whatever clings to life."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from tests.support.waiting import eventually
from zkoperator.handlers.kopf_thread import ROOT, KopfEndingError, KopfThread
from zkoperator.runtime.clock import MONOTONIC

Body = Callable[[], Coroutine[Any, Any, None]]


async def _forever() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    await asyncio.sleep(0.05)
    raise ValueError("a watch has failed")


def _kopf(**children: Body) -> Callable[[], "asyncio.Task[None]"]:
    """A kopf that never ends by itself, with tasks of these names."""

    async def run() -> None:
        held = {asyncio.create_task(body(), name=name) for name, body in children.items()}
        while held:  # as kopf waits: without a limit, and for all
            await asyncio.wait(held)

    return lambda: asyncio.create_task(run())


@pytest.fixture(autouse=True)
async def _no_thread_stays() -> AsyncIterator[None]:
    yield
    await eventually(lambda: "kopf" not in {thread.name for thread in threading.enumerate()})


async def test_what_ends_kopf_ends_its_life() -> None:
    life = KopfThread(lambda: asyncio.create_task(_fail()), MONOTONIC)
    assert isinstance(await asyncio.wait_for(life.ended, 30), ValueError)


async def test_a_kopf_that_has_begun_to_end_is_ended() -> None:
    life = KopfThread(_kopf(**{ROOT: _fail, "watcher for a": _forever}), MONOTONIC)
    assert isinstance(await asyncio.wait_for(life.ended, 30), KopfEndingError)


async def test_what_swallows_a_cancellation_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 3:
            try:
                await _forever()
            except asyncio.CancelledError:
                swallowed += 1
        await _forever()

    life = KopfThread(_kopf(**{ROOT: _fail, "watcher for a": stubborn}), MONOTONIC)
    assert isinstance(await asyncio.wait_for(life.ended, 30), KopfEndingError)
    assert swallowed == 3


async def test_it_lives_on_while_its_root_does_and_then_ends_when_asked() -> None:
    life = KopfThread(_kopf(**{ROOT: _forever, "worker for a": _fail}), MONOTONIC)
    await asyncio.wait({life.ended}, timeout=2.5)  # two beats
    assert not life.ended.done()
    await life.end()
    assert await life.ended is None
