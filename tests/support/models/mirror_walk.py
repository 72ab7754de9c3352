"""Random histories of one ConfigSync through the real code: edits on both sides, crashes, lost connections and answers.

`z` keys are edited in ZooKeeper only, `c` keys in the ConfigMap only, `s` keys on both sides. So for `z` and `c` keys
there is one truth, and nothing but it may ever appear on the other side, in the order in which it was written; for `s`
keys the properties S1 to S6 of `checkers` hold. Values are unique tokens. Everything follows from one seed.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from tests.support.fakes.zk import Fault
from tests.support.models.mirror_people import EVERYTHING, NARROW, People
from tests.support.worlds.mirror import ROOT
from zkoperator.errors import ConflictError, TransientError, UnknownOutcomeError
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.zk.port import Create

Action = tuple[str, tuple[Any, ...]]
TURNS = (0, 0, 1, 2, 5, 20)


class Model(People):
    """One episode. A script names its actions and the turns of the loop after each; without one they are random."""

    DIRECTIONS = ("TwoWay", "TwoWay", "TwoWay", "ZooKeeperToConfigMap", "ConfigMapToZooKeeper")
    GUARDS = (EVERYTHING, EVERYTHING, NARROW)

    def __init__(self, seed: int, script: Sequence[tuple[Action, int]] = ()) -> None:
        rng = random.Random(seed)
        random.seed(seed)
        super().__init__(rng, rng.choice(self.DIRECTIONS), rng.choice(self.GUARDS))
        self._script = iter(script)
        self.steps = 0

    async def main(self, steps: int) -> list[str]:
        """Run the episode as the task that no crash ends."""
        self._main = asyncio.current_task()
        return await self.run(steps)

    async def run(self, steps: int) -> list[str]:
        """Do the steps, heal everything, let it settle; return every violation."""
        self.create_sync()
        self.as_others(lambda: self.world.write(Create(ROOT, b""), Create(f"{ROOT}/zdir", b"")))
        self.as_others(lambda: self.world.config_map())
        await self.world.start()
        for _ in range(steps):
            self.steps += 1
            await self._step()
            if self.record.violations:
                break
        await self._settle()
        await self._stop()
        return self._judge()

    async def _step(self) -> None:
        if self._dead:
            await self._revive()
        scripted = next(self._script, None)
        (action, arguments), turns = scripted or (self.rng.choices(*ACTIONS)[0], self.rng.choice(TURNS))
        result = getattr(self, action)(*arguments)
        if result is not None:
            await result
        await self._turns(turns)

    def disconnect(self) -> None:
        self._interrupted()
        self.world.zk.disconnect()

    def expire(self) -> None:
        self._interrupted()
        for client in self._clients():
            self.world.zk.expire(client)

    def toggle_ensemble(self) -> None:
        if self.world.zk.is_up:
            self._interrupted()
            self.world.zk.down()
        else:
            self.world.zk.up()

    def toggle_hold(self) -> None:
        for client in self._clients():
            if client.is_held:
                self.world.zk.release(client)
            else:
                self._hold(client)

    def cut_watches(self) -> None:
        self.world.kube.cut_watches()

    def expire_watches(self) -> None:
        self.world.kube.expire_watches()

    def toggle_hiding(self) -> None:
        self._hidden = 0.0 if self._hidden else self.rng.choice([0.3, 1.0])
        if not self._hidden:
            self.world.kube.expire_watches()

    def lose_answer(self) -> None:
        self.world.zk.inject(self.rng.choice(list(Fault)), self.rng.choice(["multi", "set", "get", None]))

    def fail_request(self, is_after: bool) -> None:
        error = UnknownOutcomeError("no answer") if is_after else self.rng.choice(_REFUSALS)
        self._arm(is_after, lambda: _throw(error))

    async def crash(self) -> None:
        self._kill()
        await self._revive()

    async def crash_as_zombie(self) -> None:
        """The process dies while what it has sent is still under way: it is executed later."""
        clients = self._clients()
        for client in clients:
            self._hold(client)
        await self._turns(self.rng.choice([1, 5, 20]))
        self._kill()
        self._zombies += clients
        await self._revive(closing=False)

    async def crash_into_stale_lists(self) -> None:
        """The next process starts on an API server whose lists lag behind what was pushed already."""
        self.world.kube.freeze_lists(CONFIG_MAPS)
        self.edit_key()
        await asyncio.sleep(1.0)
        self._hidden = 1.0
        self._kill()
        await self._revive()
        await asyncio.sleep(1.0)
        self._hidden = 0.0
        self.world.kube.thaw_lists(CONFIG_MAPS)
        self.world.kube.expire_watches()

    def release_zombies(self) -> None:
        for client in self._zombies:
            self.world.zk.release(client)
        self._zombies = []

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _settle(self) -> None:
        """Heal everything; then both sides agree, conflicts excepted, and nobody writes any more."""
        self._armed.clear()
        self._hidden = 0.0
        self.world.kube.thaw_lists(CONFIG_MAPS)
        self.release_zombies()
        self.world.zk._injected.clear()
        self.world.zk.up()
        for client in self._clients():
            self.world.zk.release(client)
        if self._dead:
            await self._revive()
        self.world.kube.expire_watches()
        await asyncio.sleep(120.0)
        for _ in range(5):
            self.resolve()
            self.approve()
            await asyncio.sleep(60.0)
        if self.direction == "TwoWay":
            await self._probe()
        before = self._writes()
        await asyncio.sleep(100.0)
        if self._writes() != before:
            self.record.violations.append(f"L1: {self._writes() - before} writes in the quiet period")
        if self.world.ready(self.name) != ("True", "InSync"):
            ready = self.world.ready(self.name)
            self.record.violations.append(f"L1: Ready is {ready} at the end: {self.world.message(self.name)}")

    async def _probe(self) -> None:
        """After the same edit on both sides, an edit on one of them is no conflict."""
        for path in ("s0", "s1"):
            self.same_edit(path)
        await asyncio.sleep(10.0)
        self.as_others(lambda: self.world.edit(s0=self._new_token("c").decode()))
        self.as_others(lambda: self.world.node("s1", self._new_token("z")))
        await asyncio.sleep(20.0)

    def _writes(self) -> int:
        return sum(request.is_write for request in self.world.kube.operations) + len(self.record.zookeeper)


def _throw(error: Exception) -> None:
    raise error


_REFUSALS = (TransientError("503"), TransientError("429", retry_after_s=0.5), ConflictError("409"))
_WEIGHTED: tuple[tuple[int, Action], ...] = (
    (20, ("edit_znode", ())),
    (5, ("edit_znodes", ())),
    (20, ("edit_key", ())),
    (5, ("edit_keys", ())),
    (4, ("recreate", ())),
    (4, ("race_recreation", ())),
    (3, ("same_edit", ())),
    (4, ("resolve", ())),
    (2, ("approve", ())),
    (4, ("disconnect", ())),
    (2, ("expire", ())),
    (2, ("toggle_ensemble", ())),
    (3, ("toggle_hold", ())),
    (2, ("cut_watches", ())),
    (2, ("expire_watches", ())),
    (2, ("toggle_hiding", ())),
    (5, ("lose_answer", ())),
    (2, ("fail_request", (False,))),
    (3, ("fail_request", (True,))),
    (3, ("crash_in_request", (False,))),
    (3, ("crash_in_request", (True,))),
    (2, ("crash", ())),
    (3, ("crash_as_zombie", ())),
    (2, ("crash_into_stale_lists", ())),
    (2, ("release_zombies", ())),
    (4, ("replace", ())),
    (3, ("create_again", ())),
    (3, ("replace_unseen", ())),
    (3, ("replace_and_crash", ())),
    (3, ("rename", ())),
    (2, ("delete_znodes", ())),
    (2, ("delete_keys", ())),
    (12, ("wait", (0.1,))),
    (4, ("wait", (3.0,))),
)
ACTIONS = ([what for _, what in _WEIGHTED], [weight for weight, _ in _WEIGHTED])
