"""Random histories of one ConfigSync through the real code: edits on both sides, crashes, lost connections and answers.

`z` keys are edited in ZooKeeper only, `c` keys in the ConfigMap only, `s` keys on both sides. So for `z` and `c` keys
there is one truth, and nothing but it may ever appear on the other side, in the order in which it was written; for `s`
keys the properties S1 to S6 of `checkers` hold. Values are unique tokens. Everything follows from one seed.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.checkers import ONE_WAY, TWO_WAY, Run, Violation, check
from tests.support.fake_kube import Operation as Request
from tests.support.fake_zk import FakeZk, Fault
from tests.support.fake_zk_tree import Change
from tests.support.histories import OPERATOR, Commit
from tests.support.mirror_world import NAMESPACE, ROOT, SUPER, World
from tests.support.warp import LoopClock, run_warped
from zkoperator.errors import ConflictError, TransientError, UnknownOutcomeError
from zkoperator.kube.port import CONFIG_MAPS, EVENTS
from zkoperator.mirror.tuning import MirrorSettings
from zkoperator.zk.picture import digest_of
from zkoperator.zk.port import Create, Delete, EventType, Operation, Set

PATHS = ("z0", "zdir/z1", "zdir/z2", "c0", "cdir/c1", "cdir/c2", "s0", "s1")
SETTINGS = MirrorSettings(flap_reverts=10**9, retry_s=5.0)
HOUR_S = 3600.0
EVERYTHING = {"maxKeys": 1_000_000, "maxPercent": 100}


@dataclass(slots=True)
class Recorder:
    """Both sides as they were committed, and everything that was wrong already."""

    zookeeper: list[Commit] = field(default_factory=list)
    config_map: list[Commit] = field(default_factory=list)
    losers: set[tuple[str, bytes]] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)


class Model:
    """One episode."""

    DIRECTIONS = ("TwoWay", "TwoWay", "TwoWay", "ZooKeeperToConfigMap", "ConfigMapToZooKeeper")

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        random.seed(seed)
        self.world = World(SETTINGS)
        self.world.clock = LoopClock()
        self.world.zk.request_timeout_s = 10.0
        self.world.zk.rng = self.rng
        self.direction = self.rng.choice(self.DIRECTIONS)
        self.record = Recorder()
        self.steps = 0
        self.overwrites = 0
        self._token = 0
        self._tokens: dict[str, bytes] = {}
        self._doubled: set[str] = set()
        self._recreated: set[str] = set()
        self._raced = ""
        self._interruptions: list[int] = []
        self._is_ours = True
        self._zk_state: dict[str, bytes] = {}
        self._cm_state: dict[str, bytes] = {}
        self._last_stamp: str | None = None
        self._hidden = 0.0
        self._armed: list[Callable[[Request, bool], None]] = []
        self._dead = False
        self._zombies: list[FakeZk] = []
        self._publish = self.world.zk.publish
        self.world.zk.publish = self._published  # type: ignore[method-assign]
        self._fault_for = self.world.zk.fault_for
        self.world.zk.fault_for = self._lost  # type: ignore[method-assign]
        self.world.kube.before = lambda request: self._hook(request, is_after=False)
        self.world.kube.after = lambda request: self._hook(request, is_after=True)
        self.world.kube.hide = lambda _resource, _event: self.rng.random() < self._hidden

    async def run(self, steps: int) -> list[str]:
        """Do the steps, heal everything, let it settle; return every violation."""
        self.world.sync(direction=self.direction, deletionGuard=EVERYTHING)
        self._as_others(lambda: self.world.write(Create(ROOT, b""), Create(f"{ROOT}/zdir", b"")))
        self._as_others(lambda: self.world.config_map())
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
        action, arguments = self.rng.choices(*_ACTIONS)[0]
        result = getattr(self, action)(*arguments)
        if result is not None:
            await result
        await self._turns(self.rng.choice([0, 0, 1, 2, 5, 20]))

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
            self._as_others(
                lambda: self.world.write(Delete(full, -1), Create(full, self._new_token("z", recreates=True)))
            )

    def same_edit(self) -> None:
        """Both sides get the same value from different hands."""
        path = self.rng.choice(["s0", "s1"])
        full, token = f"{ROOT}/{path}", self._new_token("z")
        self._doubled.add(repr(token))
        exists = self.world.znode(full) is not None
        self._as_others(lambda: self.world.write(Set(full, token, -1) if exists else Create(full, token)))
        self._as_others(lambda: self.world.edit(**{path: token.decode()}))

    async def race_recreation(self) -> None:
        """Somebody creates a znode again, at the same version, while its next value is on the way."""
        path = self.rng.choice(["s0", "s1"])
        full = f"{ROOT}/{path}"
        if self.world.znode(full) is None:
            return
        again: list[Operation] = [Delete(full, -1), Create(full, self._new_token("z", recreates=True))]
        self._as_others(lambda: self.world.write(*again))
        await asyncio.sleep(1.0)
        if path in (self.world.data() or {}):
            self._raced = full
            self._as_others(lambda: self.world.edit(**{path: self._new_token("c").decode()}))
            await self._turns(self.rng.randrange(1, 30))
            self._raced = ""

    def resolve(self) -> None:
        keys = [item["key"] for item in self.world.status().get("conflicts", [])]
        if keys:
            sides = ["zookeeper", "configmap"] if self.direction == "TwoWay" else [_source_side(self.direction)]
            self.world.annotate(resolve=",".join(f"{key}={self.rng.choice(sides)}" for key in keys))

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
                self.world.zk.hold(client)

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
            self.world.zk.hold(client)
        await self._turns(self.rng.choice([1, 5, 20]))
        self._kill()
        self._zombies += clients
        await self._revive(closing=False)

    def release_zombies(self) -> None:
        for client in self._zombies:
            self.world.zk.release(client)
        self._zombies = []

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
        self._as_others(lambda: self.world.write(*operations))

    def _cm_edit(self, paths: list[str]) -> None:
        present = self.world.data() or {}
        data: dict[str, str | None] = {}
        for path in paths:
            key = path.replace("/", "__")
            is_deletion = key in present and self.rng.random() < 0.25
            data[key] = None if is_deletion else self._new_token("c").decode()
        self._as_others(lambda: self.world.edit(**data))

    def _as_others(self, work: Callable[[], Any]) -> None:
        self._is_ours = False
        try:
            work()
        finally:
            self._is_ours = True
        self._see_config_map(by_operator=False)

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

    def _interrupted(self) -> None:
        self._interruptions.append(self.world.zk.zxid)

    def _lost(self, call: Any) -> Fault | None:
        if call.name == "multi" and self._raced and self.world.znode(self._raced) is not None:
            full, self._raced = self._raced, ""
            again = Delete(full, -1), Create(full, self._new_token("z", recreates=True))
            self._as_others(lambda: self.world.write(*again))
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
            await asyncio.sleep(60.0)
        before = self._writes()
        await asyncio.sleep(100.0)
        if self._writes() != before:
            self.record.violations.append(f"L1: {self._writes() - before} writes in the quiet period")
        if self.world.ready() != ("True", "InSync"):
            self.record.violations.append(f"L1: Ready is {self.world.ready()} at the end: {self.world.message()}")

    def _writes(self) -> int:
        return sum(request.is_write for request in self.world.kube.operations) + len(self.record.zookeeper)

    # What is seen.

    def _published(self, changes: Any) -> None:
        listed: list[Change] = list(changes)
        self._publish(listed)
        state = _zk_state(self.world)
        changed = _difference(self._zk_state, state)
        if self._is_ours:
            self._judge_needless(listed, changed)
        if changed:
            before, self._zk_state = self._zk_state, state
            author = OPERATOR if self._is_ours else "client"
            self.record.zookeeper.append(Commit(self.world.zk.zxid, author, changed))
            if self._is_ours:
                self._judge_write("ZooKeeper", "z", changed, before)

    def _judge_needless(self, changes: list[Change], changed: dict[str, bytes | None]) -> None:
        for change in changes:
            if change.type is EventType.DATA_CHANGED and change.path.startswith(f"{ROOT}/"):
                key = change.path.removeprefix(f"{ROOT}/").replace("/", "__")
                if key not in changed:
                    self.record.violations.append(f"needless: ZooKeeper {key}: equal bytes were written")

    def _see_config_map(self, *, by_operator: bool) -> None:
        manifest = self.world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
        state = self.world.data() or {}
        changed = _difference(self._cm_state, state)
        stamp = ((manifest or {}).get("metadata", {}).get("annotations") or {}).get("zkoperator.dev/zxid")
        moved = stamp if stamp != self._last_stamp else None
        if not changed and moved is None:
            return
        before, self._cm_state, self._last_stamp = self._cm_state, state, stamp
        author = OPERATOR if by_operator else "user"
        number = len(self.record.config_map) + 1
        self.record.config_map.append(Commit(number, author, changed, int(moved, 16) if moved else None))
        if by_operator:
            self._judge_write("ConfigMap", "c", changed, before)

    def _judge_write(self, side: str, own: str, changed: dict[str, bytes | None], before: dict[str, bytes]) -> None:
        """The operator never writes a key that is only ever edited on this side, except to undo drift."""
        for key, value in changed.items():
            if key.rpartition("__")[2][0] == own:
                was = before.get(key)
                self.record.violations.append(f"echo: {side} {key}: {was!r} -> {value!r}")

    def _see_status(self) -> None:
        for item in self.world.status().get("conflicts", []):
            if item["key"].rpartition("__")[2][0] != "s":
                self.record.violations.append(f"invented conflict: {item['key']}")
            for side in ("zookeeper", "configMap"):
                token = self._tokens.get(item.get(side, ""))
                if token is not None:
                    self.record.losers.add((item["key"], token))

    def _see_event(self) -> None:
        """An Overwrote event names a foreign re-creation that was overwritten unseen: it lost openly."""
        noted = [item for item in self.world.kube.every(EVENTS) if item["reason"] == "Overwrote"]
        for item in noted[self.overwrites :]:
            self.overwrites += 1
            key = item["note"].split()[1].removeprefix(f"{ROOT}/").replace("/", "__")
            for commit in self.record.zookeeper:
                value = commit.changes.get(key)
                if value is not None:
                    self.record.losers.add((key, value))

    def _judge(self) -> list[str]:
        record = self.record
        keys = frozenset(path.replace("/", "__") for path in (*PATHS, "zdir", "cdir"))
        run = Run(tuple(record.zookeeper), tuple(record.config_map), keys, frozenset(record.losers))
        checks = TWO_WAY if self.direction == "TwoWay" else tuple(one for one in ONE_WAY if one.__name__ in _ONE_WAY)
        found = [one for one in check(run, checks) if not self._is_ambiguous(one)]
        return [*record.violations, *map(str, found), *self._ordered(), *self._unequal()]

    def _is_ambiguous(self, violation: Violation) -> bool:
        """Violations that prove nothing.

        A value that two hands wrote names no write: that it came back after one deletion is no resurrection. And a
        re-creation at the same version that was overwritten is told by the answer to the push: not if that was lost.
        """
        if violation.rule == "S5":
            return any(token in violation.detail for token in self._doubled)
        recreated = [token for token in self._recreated if token in violation.detail]
        return bool(recreated) and any(self._was_overwritten_unanswered(violation.key, token) for token in recreated)

    def _was_overwritten_unanswered(self, key: str, token: str) -> bool:
        current: dict[str, bytes | None] = {}
        for commit in self.record.zookeeper:
            over = repr(current.get(key))
            current.update(commit.changes)
            if commit.by_operator and key in commit.changes and over == token:
                return any(commit.at <= zxid <= commit.at + _SOON for zxid in self._interruptions)
        return False

    def _ordered(self) -> list[str]:
        """On the other side, the values of a key with one writer appear in the order in which they were written."""
        found = []
        for side, own in (("config_map", "z"), ("zookeeper", "c")):
            last: dict[str, int] = {}
            for commit in getattr(self.record, side):
                for key, value in commit.changes.items():
                    if value and commit.by_operator and key.rpartition("__")[2][0] == own:
                        number = int(value[1:])
                        if number <= last.get(key, 0):
                            found.append(f"order: {side} {key}: {value!r} after {last[key]}")
                        last[key] = number
        return found

    def _unequal(self) -> list[str]:
        left, right = _zk_state(self.world), self.world.data() or {}
        if self.direction == "TwoWay":
            return [f"unequal: {key}" for key in sorted(left.keys() | right.keys()) if left.get(key) != right.get(key)]
        source, copy = (left, right) if self.direction == "ZooKeeperToConfigMap" else (right, left)
        return [f"unequal: {key}" for key in sorted(source) if source[key] != copy.get(key)]

    async def main(self, steps: int) -> list[str]:
        self._main = asyncio.current_task()
        return await self.run(steps)


def _source_side(direction: str) -> str:
    return "zookeeper" if direction == "ZooKeeperToConfigMap" else "configmap"


def _throw(error: Exception) -> None:
    raise error


def _zk_state(world: World) -> dict[str, bytes]:
    """The subtree as keys: leaves, and inner znodes that have data."""
    state: dict[str, bytes] = {}
    pending = [""]
    while pending:
        path = pending.pop()
        full = f"{ROOT}/{path}" if path else ROOT
        data = world.znode(full)
        if data is None:
            continue
        names = world.zk.tree.children(full, SUPER).names
        pending += [f"{path}/{name}" if path else name for name in names]
        if data or (not names and path):
            state[path.replace("/", "__") if path else "__root"] = data
    return state


def _difference(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, bytes | None]:
    return {key: after.get(key) for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)}


_SOON = 2
"""Transactions within which the answer to a push was under way."""
_ONE_WAY = ("s1_provenance", "s4_no_time_travel", "s6_isolation")
_REFUSALS = (TransientError("503"), TransientError("429", retry_after_s=0.5), ConflictError("409"))
_WEIGHTED: tuple[tuple[int, tuple[str, tuple[Any, ...]]], ...] = (
    (20, ("edit_znode", ())),
    (5, ("edit_znodes", ())),
    (20, ("edit_key", ())),
    (5, ("edit_keys", ())),
    (4, ("recreate", ())),
    (4, ("race_recreation", ())),
    (3, ("same_edit", ())),
    (4, ("resolve", ())),
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
    (2, ("release_zombies", ())),
    (12, ("wait", (0.1,))),
    (4, ("wait", (3.0,))),
)
_ACTIONS = ([what for _, what in _WEIGHTED], [weight for weight, _ in _WEIGHTED])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one episode."""

    direction: str
    steps: int
    violations: list[str]


def episode(seed: int, steps: int) -> Outcome:
    """Run one episode in a loop of its own, without a real second of waiting."""
    outcome: list[Outcome] = []

    async def work() -> None:
        model = Model(seed)
        violations = await model.main(steps)
        outcome.append(Outcome(model.direction, model.steps, violations))

    logging.disable(logging.CRITICAL)
    try:
        run_warped(work())
    finally:
        logging.disable(logging.NOTSET)
    return outcome[0]
