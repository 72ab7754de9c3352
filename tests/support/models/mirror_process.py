"""One operator process that a model lets live, fail, die and start again. Time passes only when nobody has work."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from tests.support.fakes.kube import Operation as Request
from tests.support.fakes.warp import LoopClock
from tests.support.fakes.zk import FakeZk, Fault
from tests.support.models.mirror_witness import Witness
from tests.support.worlds.mirror import World
from zkoperator.mirror.settings import MirrorSettings

SETTINGS = MirrorSettings(flap_reverts=10**9, retry_s=5.0)


class Process(Witness):
    """A world with one operator process, whose requests can be made to fail, and who watches it."""

    def __init__(self, rng: random.Random, direction: str) -> None:
        super().__init__(World(SETTINGS), direction)
        self.rng = rng
        self.world.clock = LoopClock()
        self.world.zk.request_timeout_s = 10.0
        self.world.zk.rng = rng
        self._hidden = 0.0
        self._armed: list[Callable[[Request, bool], None]] = []
        self._dead = False
        self._main: asyncio.Task[Any] | None = None
        self._zombies: list[FakeZk] = []
        self._fault_for = self.world.zk.fault_for
        self.world.zk.fault_for = self._lost  # type: ignore[method-assign]
        self.world.kube.before = lambda request: self._hook(request, is_after=False)
        self.world.kube.after = lambda request: self._hook(request, is_after=True)
        self.world.kube.hide = lambda _resource, _event: self.rng.random() < self._hidden

    def _clients(self) -> list[FakeZk]:
        return [client for client in self.world.zk._clients if client not in self._zombies]

    def _arm(self, is_after: bool, act: Callable[[], None]) -> None:
        def once(request: Request, now_after: bool) -> None:
            if request.is_write and now_after is is_after and request.resource.plural != "events":
                self._armed.remove(once)
                act()

        self._armed.append(once)

    def _hook(self, request: Request, *, is_after: bool) -> None:
        if is_after:
            self.see_config_map(by_operator=True)
            self._see_status()
            if request.resource.plural == "events":
                self._see_event()
        for armed in list(self._armed):
            armed(request, is_after)

    def crash_in_request(self, is_after: bool) -> None:
        """Let the operator die at its next write to the API server."""
        self._arm(is_after, self._die)

    def _die(self) -> None:
        self._kill()
        raise asyncio.CancelledError

    def _hold(self, client: FakeZk) -> None:
        """Stall a connection. Whatever is on its way to the operator may be lost with it."""
        self._interrupted()
        self.world.zk.hold(client)

    def _interrupted(self) -> None:
        self._interruptions.append(self.world.zk.zxid)

    def _lost(self, call: Any) -> Fault | None:
        fault = self._fault_for(call)
        if fault is not None:
            # The request is executed after this, as the next transaction.
            self._interruptions.append(self.world.zk.zxid + 1)
        return fault

    def _kill(self) -> None:
        self._dead = True
        self._interrupted()
        self.deletions.crashed(self.status().get("deletions", {}).get("keys", ()))
        me = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not self._main and task is not me:
                task.cancel()

    async def _revive(self, *, closing: bool = True) -> None:
        self._dead = False
        if closing:
            for client in self._clients():
                self.world.zk.release(client)
            await self.world.stop()
        else:
            await self.world.abandon()
        await self._start()

    async def _start(self) -> None:
        while True:
            starting = asyncio.ensure_future(self.world.start())
            await asyncio.wait([starting], timeout=60.0)
            if starting.done() and not starting.cancelled() and starting.exception() is None:
                return
            self._hidden = 0.0
            starting.cancel()
            await self.world.stop()

    async def _stop(self) -> None:
        await self.world.stop()

    async def _turns(self, number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    def _is_calm(self) -> bool:
        """Nothing is broken or under way, so that what is common is known to status, or to the process that goes on."""
        self._armed.clear()
        self._hidden = 0.0
        self.world.zk._injected.clear()
        is_well = self.world.zk.is_up and not any(client.is_held for client in self._clients())
        is_well = is_well and not self._dead and not self._zombies
        return is_well and self.world.ready(self.name) == ("True", "InSync")
