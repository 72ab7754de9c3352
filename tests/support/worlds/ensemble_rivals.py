"""Two operators that each take themselves for the only one: at every request it is drawn who goes on, or what moves."""

import asyncio
import inspect
import random
from contextlib import suppress
from typing import Any

from tests.support.worlds.ensemble import KEY, EnsembleWorld
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.errors import ZkOperatorError

_UNTIL_PARKED = 12
"""Rounds of the event loop after which whoever was let go has come to its next request."""


class _Parked:
    """Something with requests, each of which waits for its turn. What is opened by one waits in the same way."""

    def __init__(self, inner: Any, rivals: "Rivals") -> None:
        self._inner = inner
        self._rivals = rivals

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def in_turn(*args: Any, **more: Any) -> Any:
            await self._rivals.park()
            result = await found(*args, **more)
            return _Parked(result, self._rivals) if name == "open" else result

        return in_turn


class Rivals:
    """Two operators of one world."""

    def __init__(self, world: EnsembleWorld, seed: int) -> None:
        self.world = world
        self.switches = 0
        self._lot = random.Random(seed)
        self._parked: list[asyncio.Future[None]] = []
        self._operators = [self._operator() for _ in range(2)]

    def _operator(self) -> EnsembleReconciler:
        api, parked = _Parked(self.world.api, self), _Parked(self.world, self)
        return self.world.operator_with(api, parked)

    async def park(self) -> None:
        """Wait until it is drawn that this request is made."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parked.append(turn)
        await turn

    async def passes(self, number: int) -> None:
        """Let each of them make so many passes, at each request of which another may go on or the world may move."""
        tasks = [asyncio.create_task(self._passes(operator, number)) for operator in self._operators]
        while True:
            for _ in range(_UNTIL_PARKED):
                await asyncio.sleep(0)
            if all(task.done() for task in tasks):
                break
            self._draw()
        await asyncio.gather(*tasks)

    def _draw(self) -> None:
        # A request that failed ends those that were made beside it.
        self._parked = [turn for turn in self._parked if not turn.done()]
        chosen = self._lot.randrange(len(self._parked) + 1)
        if chosen == len(self._parked):
            self.world.move()
            return
        self.switches += 1
        self._parked.pop(chosen).set_result(None)

    async def _passes(self, operator: EnsembleReconciler, number: int) -> None:
        for _ in range(number):
            await self.park()
            with suppress(ZkOperatorError):
                await operator.reconcile(KEY)
