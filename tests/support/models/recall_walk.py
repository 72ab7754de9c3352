"""Random rounds of one ConfigSync whose ConfigMap is written whole, by the real code, against `recall_witness`.

Each round ends with everything in sync or waiting for a decision, and both sides are as the witness says. Everything
follows from one seed; values are unique tokens.
"""

import random

from tests.support.fakes.kube import Operation as Request
from tests.support.fakes.warp import run_warped, silent
from tests.support.models.mirror_crash_points import Scene
from tests.support.models.recall_witness import PULL, PUSH, TWO_WAY, Common, RecallWitness, Settled, settled
from tests.support.worlds.mirror import NAMESPACE, ROOT, SUPER
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.zk.port import Create, Delete, Operation, Set

KEYS = ("s0", "s1", "s2", "s3", "s4", "s5")
KEEP = "keep"
WIDE = {"maxKeys": 100, "maxPercent": 100}
NARROW = {"maxKeys": 1, "maxPercent": 100}
_LAG_S = 10.0


class Walk(Scene):
    """One walk: rounds of edits, the last of which may be wide enough for the guard."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        super().__init__(self.rng.choice((TWO_WAY, TWO_WAY, PULL, PUSH)))
        self.guard = self.rng.choice((WIDE, WIDE, NARROW))
        self.known = RecallWitness()
        self.problems: list[str] = []
        self.story: list[str] = [self.direction, str(self.guard["maxKeys"])]
        self._token = 0
        self._seen = 0

    async def run(self, rounds: int) -> None:
        """Do the rounds, until one of them goes wrong or waits for an approval."""
        await self.start()
        self.do(lambda: self.write(Create(ROOT, b""), Create(f"{ROOT}/{KEEP}", b"keep")))
        self.do(lambda: self.config_map(**{KEEP: "keep"}))
        self.sync(direction=self.direction, deletionGuard=self.guard)
        await self._rest(_LAG_S)
        self._note()
        for _ in range(rounds):
            await self._edit()
            await self._wait_for_decisions()
            if not await self._write_whole():
                break
        await self.stop()

    # What happens in a round.

    async def _edit(self) -> None:
        """Edit one side, so that the other follows; sometimes the status has no time to tell of it."""
        for _ in range(self.rng.randint(1, 3)):
            keys = self.rng.sample(KEYS, self.rng.randint(1, 3))
            deletes = 0.0 if self.guard == NARROW else 0.25
            if self.direction == PULL or (self.direction == TWO_WAY and self.rng.random() < 0.5):
                self._edit_znodes(keys, deletes)
            else:
                self._edit_config_map(keys, deletes)
            await self._rest(self.rng.choice((3.0, _LAG_S)))
            self._note()

    async def _wait_for_decisions(self) -> None:
        """Sometimes a key is in conflict before the ConfigMap is written, or deletions wait."""
        chance = self.rng.random()
        if chance < 0.3 and self.direction == TWO_WAY:
            key = self.rng.choice(KEYS)
            self._edit_znodes([key], 0.2 if self.at(key) is not None and self.guard == WIDE else 0.0)
            self._edit_config_map([key], 0.0)
        elif chance < 0.6 and self.guard == NARROW and self.direction != PUSH:
            there = [key for key in KEYS if key in self.znodes() and key in self.values()]
            if len(there) > 1:
                self._edit_znodes(self.rng.sample(there, 2), 1.0)
        else:
            return
        await self._rest(_LAG_S)
        self._note()

    async def _write_whole(self) -> bool:
        """Replace the ConfigMap, with the operator running or not; compare; decide what waits. False: end here."""
        is_down, is_bare = self.rng.random() < 0.7, self.rng.random() < 0.8
        loses_status = is_down and self.rng.random() < 0.1
        loses_ledger = is_down and self.direction != PULL and self.rng.random() < 0.1
        self.story.append(f"down={is_down} bare={is_bare} status={not loses_status} ledger={not loses_ledger}")
        if is_down:
            await self.stop()
        self._edit_znodes(self.rng.sample(KEYS, self.rng.randint(0, 3)), 0.3)
        self._edit_config_map(self.rng.sample(KEYS, self.rng.randint(0, 3)), 0.3, is_bare=is_bare)
        if loses_status:
            self.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": {"common": None}}, subresource="status")
        if loses_ledger:
            self._drop_ledger()
        common = {key: self._common(key, is_down and is_bare, loses_status) for key in KEYS}
        before = {key: (self.znodes().get(key), self.values().get(key)) for key in KEYS}
        if is_down and is_bare:
            self.known.forget(key for key in KEYS if common[key] is None)
        if is_down:
            await self.start()
        await self._rest(2 * _LAG_S)
        if loses_ledger and not (is_bare and loses_status):
            self._compare({key: Settled(*before[key]) for key in KEYS}, common, reason="SourceRegressed")
            return False
        expected = {key: settled(self.direction, common[key], *before[key]) for key in KEYS}
        deletions = [key for key in KEYS if expected[key].deletes(*before[key])]
        if len(deletions) > self.guard["maxKeys"]:
            expected |= {key: Settled(*before[key]) for key in deletions}
            self._compare(expected, common, pending=len(deletions))
            return False
        self._compare(expected, common)
        await self._decide()
        return not self.problems and self.guard == WIDE

    async def _decide(self) -> None:
        """Settle every conflict, so that the next round starts in sync."""
        for _ in range(3):
            keys = [item["key"] for item in self.status().get("conflicts", [])]
            if not keys:
                break
            side = {PULL: "zookeeper", PUSH: "configmap"}.get(
                self.direction, self.rng.choice(("zookeeper", "configmap"))
            )
            self.annotate(resolve=",".join(f"{key}={side}" for key in keys))
            await self._rest(_LAG_S)
        self._note()

    # What is there, and what should be.

    def znodes(self) -> dict[str, bytes]:
        """Return the values of the znodes."""
        return {key: value for key in (*KEYS, KEEP) if (value := self.at(key)) is not None}

    def values(self) -> dict[str, bytes]:
        """Return the values of the ConfigMap."""
        return self.data() or {}

    def _common(self, key: str, is_bare: bool, loses_status: bool) -> Common:
        if not is_bare:
            return self.known.remembered(key)
        if loses_status:
            return None
        try:
            mzxid = self.zk.tree.get(f"{ROOT}/{key}", SUPER).stat.mzxid
        except ZkOperatorError:
            mzxid = 0
        return self.known.recalled(key, self.at(key), mzxid)

    def _compare(
        self, expected: dict[str, Settled], common: dict[str, Common], *, reason: str = "", pending: int = 0
    ) -> None:
        znodes, values = self.znodes(), self.values()
        status = self.status()
        conflicts = {item["key"] for item in status.get("conflicts", [])}
        for key, outcome in expected.items():
            found = Settled(znodes.get(key), values.get(key), key in conflicts and not reason)
            if found != outcome:
                self._complain(f"{key} (common {common[key]!r}): {found}, not {outcome}")
        if reason and self.ready() != ("False", reason):
            self._complain(f"Ready is {self.ready()}, not {reason}")
        if not reason and status.get("pending", {}).get("deletes", 0) != pending:
            self._complain(f"{status.get('pending')} wait, not {pending}")

    def _complain(self, problem: str) -> None:
        self.problems.append(f"{'; '.join(self.story[-6:])}: {problem}")

    def _note(self) -> None:
        """Everything has settled."""
        self._note_pushes()
        self.known.both_are(self.znodes(), self.values())

    def _requested(self, request: Request, *, is_after: bool) -> None:
        super()._requested(request, is_after=is_after)
        self._note_pushes()
        if is_after and request.resource is CONFIG_SYNCS and request.subresource == "status":
            zxid = str(self.status().get("zxid") or "0x0")
            self.known.status_was_written(int(zxid, 16), self.znodes(), self.values())

    def _note_pushes(self) -> None:
        history = self.witness.record.zookeeper
        for commit in history[self._seen :]:
            if commit.by_operator:
                self.known.was_pushed(commit.at, commit.changes)
        self._seen = len(history)

    # How it is done.

    def _new(self, side: str) -> str:
        self._token += 1
        return f"{side}{self._token}"

    def _edit_znodes(self, keys: list[str], deletes: float) -> None:
        operations: list[Operation] = []
        for key in keys:
            path = f"{ROOT}/{key}"
            if self.at(key) is None:
                if deletes < 1.0:
                    operations.append(Create(path, self._new("z").encode()))
            elif self.rng.random() < deletes:
                operations.append(Delete(path, -1))
            else:
                operations.append(Set(path, self._new("z").encode(), -1))
        self.story.append(f"znodes {operations}")
        self.do(lambda: self.write(*operations))

    def _edit_config_map(self, keys: list[str], deletes: float, *, is_bare: bool = False) -> None:
        data: dict[str, str | None] = {}
        for key in keys:
            is_deletion = key in self.values() and self.rng.random() < deletes
            data[key] = None if is_deletion else self._new("c")
        self.story.append(f"config map {data}")
        meta = {"metadata": {"annotations": None}} if is_bare else {}
        self.do(lambda: self.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {**meta, "data": data}))

    def _drop_ledger(self) -> None:
        names = self.zk.tree.children("/zkoperator/configsyncs", SUPER).names
        self.do(lambda: self.write(*(Delete(f"/zkoperator/configsyncs/{name}", -1) for name in names)))


def walk(seed: int, rounds: int = 4) -> list[str]:
    """Return everything in which one walk differs from what the page says."""
    problems: list[str] = []

    async def work() -> None:
        stage = Walk(seed)
        await stage.run(rounds)
        problems.extend(stage.problems)

    with silent():
        run_warped(work())
    return problems
