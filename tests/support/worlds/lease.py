"""Contenders for the Lease on clocks that tests move."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.fakes.clock import FakeClock
from tests.support.fakes.kube import FakeKube, unavailable
from zkoperator.kube.lease import Elector, Timing
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


class LeaseWorld:
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


@asynccontextmanager
async def outage(world: LeaseWorld) -> AsyncIterator[None]:
    world.api.before = unavailable
    yield
    world.api.before = lambda _: None
