"""A ConfigSync and an operator that is killed at its n-th write, before or after the commit, in a time of its own.

A story says what people do and what they wait for. It is told once undisturbed, and then once for each write of the
operator, to the API server (Events and status included) and to the ensemble. Whoever looks at both sides afterwards,
and at every value that the operator wrote on the way, cannot tell the runs apart.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.fakes.kube import Operation as Request
from tests.support.fakes.warp import LoopClock, run_warped, silent
from tests.support.fakes.zk import Fault
from tests.support.models.histories import History, State, replay
from tests.support.models.mirror_witness import Witness
from tests.support.worlds.mirror import World
from zkoperator.mirror.settings import MirrorSettings

SETTINGS = MirrorSettings(retry_s=5.0)
_WITHIN_S = 300.0
_QUIET_S = 60.0
Writes = dict[str, list[bytes | None]]
"""Key -> the values that the operator gave it, in order; None for a deletion."""


class Scene(World):
    """A world that people act in while the operator dies at most once, and is started again at once.

    Args:
        direction: of the ConfigSync.
        number: the write at which the operator dies, 0 for never.
        is_after: whether that write is carried out.
    """

    def __init__(self, direction: str, number: int = 0, *, is_after: bool = False) -> None:
        super().__init__(SETTINGS)
        self.clock = LoopClock()
        self.direction = direction
        self.writes = 0
        self.fatal = ""
        self._number = number
        self._is_after = is_after
        self._is_dead = False
        self._main = asyncio.current_task()
        self._fault_for = self.zk.fault_for
        self.zk.fault_for = self._served  # type: ignore[method-assign]
        self.kube.before = lambda request: self._requested(request, is_after=False)
        self.kube.after = lambda request: self._requested(request, is_after=True)
        self.witness = Witness(self, direction)

    def do(self, work: Callable[[], Any]) -> None:
        """Do what somebody else does."""
        self.witness.as_others(work)

    async def until(self, probe: Callable[[], Any], *, within_s: float = _WITHIN_S) -> None:
        """Wait for what people wait for, and keep the operator running meanwhile."""
        end_s = self.clock.now_s() + within_s
        while not probe():
            assert self.clock.now_s() < end_s, f"{self.fatal}: {self.status(self.witness.name)}, {self.data()}"
            await self._rest(0.05)

    async def rest(self, seconds: float = _QUIET_S) -> None:
        """Let everything that is under way finish."""
        end_s = self.clock.now_s() + seconds
        while self.clock.now_s() < end_s:
            await self._rest(0.5)

    async def _rest(self, seconds: float) -> None:
        if self._is_dead:
            self._is_dead = False
            await self.restart()
        await asyncio.sleep(seconds)

    def _requested(self, request: Request, *, is_after: bool) -> None:
        if is_after:
            self.witness.see_config_map(by_operator=True)
        if not request.is_write:
            return
        self.writes += not is_after
        if is_after is self._is_after and self._is_due(f"{request.verb} {request.resource.plural}"):
            raise asyncio.CancelledError

    def _served(self, call: Any) -> Fault | None:
        if call.is_write:
            self.writes += 1
            if self._is_due(call.name):
                return Fault.DROP_AFTER if self._is_after else Fault.DROP_BEFORE
        return self._fault_for(call)

    def _is_due(self, what: str) -> bool:
        """Kill the operator if this is the write for it."""
        if self.fatal or self.writes != self._number:
            return False
        self.fatal = f"{what}, {'after' if self._is_after else 'before'} it, as write {self.writes}"
        self._is_dead = True
        for task in asyncio.all_tasks():
            if task is not self._main and task is not asyncio.current_task():
                task.cancel()
        return True


@dataclass(frozen=True, slots=True)
class Story:
    """What people do with one ConfigSync.

    Args:
        name: of the story.
        tell: does it, and asserts what people see.
        directions: of the ConfigSync.
        is_exact: whether the operator writes the same values on the way, whatever it is killed at.
        ends: whether the ConfigSync is gone in the end.
    """

    name: str
    tell: Callable[[Scene], Awaitable[None]]
    directions: tuple[str, ...]
    is_exact: bool = True
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What one telling has left behind."""

    writes: int
    fatal: str
    sides: tuple[State, State]
    written: tuple[Writes, Writes]
    violations: tuple[str, ...] = ()


def tell(story: Story, direction: str, number: int = 0, *, is_after: bool = False) -> Told:
    """Tell the story in a loop and a time of its own, with the operator killed at a write."""
    told: list[Told] = []

    async def work() -> None:
        async with _scene(direction, number, is_after) as scene:
            try:
                await story.tell(scene)
                await scene.rest()
            except AssertionError as error:
                scene.witness.record.violations.append(str(error))
            told.append(_told(scene, ends=story.ends))

    with silent():
        run_warped(work())
    return told[0]


def differences(story: Story, direction: str) -> Iterable[str]:
    """Tell the story undisturbed and then killed everywhere; return in what the endings differ."""
    calm = tell(story, direction)
    yield from calm.violations
    for is_after in (False, True):
        for number in range(1, 1000):
            told = tell(story, direction, number, is_after=is_after)
            if not told.fatal:
                break
            yield from (f"killed at {told.fatal}: {one}" for one in (*told.violations, *_compared(story, calm, told)))


def _compared(story: Story, calm: Told, told: Told) -> Iterable[str]:
    if told.sides != calm.sides:
        yield f"in the end {told.sides}, not {calm.sides}"
    if story.is_exact and told.written != calm.written:
        yield f"the operator wrote {told.written}, not {calm.written}"


def _told(scene: Scene, *, ends: bool) -> Told:
    witness = scene.witness
    histories = tuple(witness.record.zookeeper), tuple(witness.record.config_map)
    ready = scene.ready(witness.name) if not ends else ("True", "InSync")
    wrong = [] if ready == ("True", "InSync") else [f"Ready is {ready} in the end: {scene.message(witness.name)}"]
    return Told(
        writes=scene.writes,
        fatal=scene.fatal,
        sides=(replay(histories[0]), replay(histories[1])),
        written=(_written(histories[0]), _written(histories[1])),
        violations=(*witness.record.violations, *wrong),
    )


def _written(history: History) -> Writes:
    found: Writes = {}
    for commit in history:
        if commit.by_operator:
            for key, value in commit.changes.items():
                found.setdefault(key, []).append(value)
    return found


@asynccontextmanager
async def _scene(direction: str, number: int, is_after: bool) -> AsyncIterator[Scene]:
    scene = Scene(direction, number, is_after=is_after)
    await scene.start()
    try:
        yield scene
    finally:
        await scene.stop()
