"""Random histories of one ConfigSync through the real code: edits on both sides, crashes, lost connections and answers.

`z` keys are edited in ZooKeeper only, `c` keys in the ConfigMap only, `s` keys on both sides. So for `z` and `c` keys
there is one truth, and nothing but it may ever appear on the other side, in the order in which it was written; for `s`
keys the properties S1 to S6 of `checkers` hold. Values are unique tokens. Everything follows from one seed.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.fakes.kube import Operation as Request
from tests.support.fakes.warp import LoopClock
from tests.support.fakes.zk import FakeZk, Fault
from tests.support.models.mirror_witness import PATHS, Witness
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator.errors import ConflictError, TransientError, UnknownOutcomeError
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.zk.port import Create, Delete, Operation, Set
from zkoperator.zk.snapshot import digest_of

SETTINGS = MirrorSettings(flap_reverts=10**9, retry_s=5.0)
HOUR_S = 3600.0
EVERYTHING = {"maxKeys": 1_000_000, "maxPercent": 100}


Action = tuple[str, tuple[Any, ...]]
TURNS = (0, 0, 1, 2, 5, 20)


class Model(Witness):
    """One episode. A script names its actions and the turns of the loop after each; without one they are random."""

    DIRECTIONS = ("TwoWay", "TwoWay", "TwoWay", "ZooKeeperToConfigMap", "ConfigMapToZooKeeper")

    def __init__(self, seed: int, script: Sequence[tuple[Action, int]] = ()) -> None:
        self.rng = random.Random(seed)
        self._script = iter(script)
        random.seed(seed)
        super().__init__(World(SETTINGS), self.rng.choice(self.DIRECTIONS))
        self.world.clock = LoopClock()
        self.world.zk.request_timeout_s = 10.0
        self.world.zk.rng = self.rng
        self.steps = 0
        self._token = 0
        self._raced = ""
        self._hidden = 0.0
        self._armed: list[Callable[[Request, bool], None]] = []
        self._dead = False
        self._zombies: list[FakeZk] = []
        self._fault_for = self.world.zk.fault_for
        self.world.zk.fault_for = self._lost  # type: ignore[method-assign]
        self.world.kube.before = lambda request: self._hook(request, is_after=False)
        self.world.kube.after = lambda request: self._hook(request, is_after=True)
        self.world.kube.hide = lambda _resource, _event: self.rng.random() < self._hidden

    async def run(self, steps: int) -> list[str]:
        """Do the steps, heal everything, let it settle; return every violation."""
        self.world.sync(direction=self.direction, deletionGuard=EVERYTHING)
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

    # What happens.

    async def _step(self) -> None:
        if self._dead:
            await self._revive()
        scripted = next(self._script, None)
        (action, arguments), turns = scripted or (self.rng.choices(*ACTIONS)[0], self.rng.choice(TURNS))
        result = getattr(self, action)(*arguments)
        if result is not None:
            await result
        await self._turns(turns)

    def edit_znode(self) -> None:
        self._zk_edit([self.rng.choice(self._paths("z"))])

    def edit_znodes(self) -> None:
        self._zk_edit(self.rng.sample(self._paths("z"), 3))

    def edit_key(self) -> None:
        self._cm_edit([self.rng.choice(self._paths("c"))])

    def edit_keys(self) -> None:
        self._cm_edit(self.rng.sample(self._paths("c"), 3))

    def recreate(self) -> None:
        path = self.rng.choice(self._paths("z"))
        full = f"{ROOT}/{path}"
        if self.world.znode(full) is not None:
            self.as_others(
                lambda: self.world.write(Delete(full, -1), Create(full, self._new_token("z", recreates=True)))
            )

    def same_edit(self, path: str = "") -> None:
        """Both sides get the same value from different hands."""
        path = path or self.rng.choice(["s0", "s1"])
        full, token = f"{ROOT}/{path}", self._new_token("z")
        self._doubled.add(repr(token))
        exists = self.world.znode(full) is not None
        self.as_others(lambda: self.world.write(Set(full, token, -1) if exists else Create(full, token)))
        self.as_others(lambda: self.world.edit(**{path: token.decode()}))

    async def race_recreation(self) -> None:
        """Somebody creates a znode again, at the same version, while its next value is on the way."""
        path = self.rng.choice(["s0", "s1"])
        full = f"{ROOT}/{path}"
        if self.world.znode(full) is None:
            return
        again: list[Operation] = [Delete(full, -1), Create(full, self._new_token("z", recreates=True))]
        self.as_others(lambda: self.world.write(*again))
        await asyncio.sleep(1.0)
        if path in (self.world.data() or {}):
            self._raced = full
            self.as_others(lambda: self.world.edit(**{path: self._new_token("c").decode()}))
            await self._turns(self.rng.randrange(1, 30))
            self._raced = ""

    def resolve(self) -> None:
        keys = [item["key"] for item in self.world.status().get("conflicts", [])]
        if keys:
            sides = ["zookeeper", "configmap"] if self.direction == "TwoWay" else [_source_side(self.direction)]
            self.world.annotate(resolve=",".join(f"{key}={self.rng.choice(sides)}" for key in keys))

    def approve(self) -> None:
        held = self.world.status().get("pending", {}).get("hash")
        if held:
            self.world.annotate(approve_deletions=held)

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

    def crash_in_request(self, is_after: bool) -> None:
        self._arm(is_after, self._die)

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

    async def replace(self) -> None:
        """Somebody writes the whole ConfigMap over what is there: with its label, without our annotations."""
        await asyncio.sleep(1.0)
        if self._is_calm():
            self._write_whole(created=False)
            await asyncio.sleep(1.0)

    async def create_again(self) -> None:
        """The same by deleting it first."""
        await asyncio.sleep(1.0)
        if self._is_calm():
            self._write_whole(created=True)
            await asyncio.sleep(1.0)

    async def replace_unseen(self) -> None:
        """The same while nobody looks, with edits of znodes that the ConfigMap's own do not touch."""
        await asyncio.sleep(2 * SETTINGS.status_lag_s)
        if self._is_calm():
            self._kill()
            self._write_whole(created=self.rng.random() < 0.5)
            await self._revive()
            await asyncio.sleep(2.0)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    # How it is done.

    def _paths(self, own: str) -> list[str]:
        return [path for path in PATHS if path.rpartition("/")[2][0] in (own, "s")]

    def _new_token(self, side: str, *, recreates: bool = False) -> bytes:
        self._token += 1
        token = f"{side}{self._token}".encode()
        if recreates:
            self._recreated.add(repr(token))
        self._tokens[digest_of(token)[:12].hex()[:12]] = token
        return token

    def _zk_edit(self, paths: list[str]) -> None:
        operations: list[Operation] = []
        for path in paths:
            full = f"{ROOT}/{path}"
            exists = self.world.znode(full) is not None
            if exists and self.rng.random() < 0.25:
                operations.append(Delete(full, -1))
            else:
                token = self._new_token("z")
                operations.append(Set(full, token, -1) if exists else Create(full, token))
        self.as_others(lambda: self.world.write(*operations))

    def _cm_edit(self, paths: list[str]) -> None:
        present = self.world.data() or {}
        data: dict[str, str | None] = {}
        for path in paths:
            key = path.replace("/", "__")
            is_deletion = key in present and self.rng.random() < 0.25
            data[key] = None if is_deletion else self._new_token("c").decode()
        self.as_others(lambda: self.world.edit(**data))

    def _is_calm(self) -> bool:
        """Nothing is broken or under way, so that what is common is known to status, or to the process that goes on."""
        self._armed.clear()
        self._hidden = 0.0
        self.world.zk._injected.clear()
        is_well = self.world.zk.is_up and not any(client.is_held for client in self._clients())
        is_well = is_well and not self._dead and not self._zombies
        return is_well and self.world.ready() == ("True", "InSync")

    def _write_whole(self, *, created: bool) -> None:
        present = {key: value.decode() for key, value in (self.world.data() or {}).items()}
        own = [path.replace("/", "__") for path in self._paths("c")]
        for key in self.rng.sample(own, 2):
            if key in present and self.rng.random() < 0.4:
                del present[key]
            else:
                present[key] = self._new_token("c").decode()

        def write() -> None:
            if created:
                self.world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")
                self.world.config_map(**present)
                return
            gone: dict[str, str | None] = dict.fromkeys(self.world.data() or {})
            whole = {"metadata": {"annotations": None}, "data": {**gone, **present}}
            self.world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", whole)

        self.as_others(write)

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
            self._see_config_map(by_operator=True)
            self._see_status()
            if request.resource.plural == "events":
                self._see_event()
        for armed in list(self._armed):
            armed(request, is_after)

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
        if call.name == "multi" and self._raced and self.world.znode(self._raced) is not None:
            full, self._raced = self._raced, ""
            again = Delete(full, -1), Create(full, self._new_token("z", recreates=True))
            self.as_others(lambda: self.world.write(*again))
        fault = self._fault_for(call)
        if fault is not None:
            # The request is executed after this, as the next transaction.
            self._interruptions.append(self.world.zk.zxid + 1)
        return fault

    def _kill(self) -> None:
        self._dead = True
        self._interrupted()
        me = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not self._driver and task is not me:
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

    @property
    def _driver(self) -> asyncio.Task[Any] | None:
        return self._main

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
        for _ in range(3):
            self.resolve()
            self.approve()
            await asyncio.sleep(60.0)
        if self.direction == "TwoWay":
            await self._probe()
        before = self._writes()
        await asyncio.sleep(100.0)
        if self._writes() != before:
            self.record.violations.append(f"L1: {self._writes() - before} writes in the quiet period")
        if self.world.ready() != ("True", "InSync"):
            self.record.violations.append(f"L1: Ready is {self.world.ready()} at the end: {self.world.message()}")

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

    async def main(self, steps: int) -> list[str]:
        self._main = asyncio.current_task()
        return await self.run(steps)


def _source_side(direction: str) -> str:
    return "zookeeper" if direction == "ZooKeeperToConfigMap" else "configmap"


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
    (12, ("wait", (0.1,))),
    (4, ("wait", (3.0,))),
)
ACTIONS = ([what for _, what in _WEIGHTED], [weight for weight, _ in _WEIGHTED])
