"""What people do with both sides of a ConfigSync, and with the ConfigSync itself, in a random walk.

`z` keys are edited in ZooKeeper only, `c` keys in the ConfigMap only, `s` keys on both sides. Values are unique tokens.
"""

import asyncio
import random
from typing import Any

from tests.support.fakes.zk import Fault
from tests.support.models.mirror_process import SETTINGS, Process
from tests.support.models.mirror_witness import PATHS, zk_state
from tests.support.worlds.mirror import NAMESPACE, ROOT
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror.model.names import BASE_ANNOTATION, SYNC_LABEL
from zkoperator.zk.port import Create, Delete, Operation, Set
from zkoperator.zk.snapshot import digest_of

EVERYTHING = {"maxKeys": 1_000_000, "maxPercent": 100}
NARROW = {"maxKeys": 2, "maxPercent": 100}
_NAMES = ("shop", "store")
_PATIENCE = 120


class People(Process):
    """A process, and everybody beside it.

    Args:
        rng: chooses.
        direction: of the ConfigSync.
        guard: its `deletionGuard`.
    """

    def __init__(self, rng: random.Random, direction: str, guard: dict[str, int]) -> None:
        super().__init__(rng, direction)
        self.guard = guard
        self._token = 0
        self._raced = ""

    def create_sync(self) -> None:
        """Create the ConfigSync under its present name."""
        self.world.sync(self.name, direction=self.direction, deletionGuard=self.guard, configMap={"name": "shop"})
        self.deletions.begin(self.guard["maxKeys"])

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

    def delete_znodes(self) -> None:
        """Many znodes go at once."""
        there = [path for path in self._paths("z") if self.world.at(path) is not None]
        if len(there) > 1:
            gone = self.rng.sample(there, self.rng.randint(2, len(there)))
            self.as_others(lambda: self.world.write(*(Delete(f"{ROOT}/{path}", -1) for path in gone)))

    def delete_keys(self) -> None:
        """Many keys go at once."""
        there = [key for key in map(_key, self._paths("c")) if key in (self.world.data() or {})]
        if len(there) > 1:
            gone = self.rng.sample(there, self.rng.randint(2, len(there)))
            self.as_others(lambda: self.world.edit(**dict.fromkeys(gone)))

    def resolve(self) -> None:
        keys = [item["key"] for item in self.status().get("conflicts", [])]
        if keys:
            sides = ["zookeeper", "configmap"] if self.direction == "TwoWay" else [_source_side(self.direction)]
            self.world.annotate(self.name, resolve=",".join(f"{key}={self.rng.choice(sides)}" for key in keys))

    def approve(self) -> None:
        held = self.status().get("pending", {}).get("hash")
        if held:
            self.world.annotate(self.name, approve_deletions=held)

    async def replace(self) -> None:
        """Somebody writes the whole ConfigMap over what is there: with its label, without our annotations."""
        await asyncio.sleep(1.0)
        if self._is_calm() and not self._awaits_deletion():
            self._write_whole(created=False)
            await asyncio.sleep(1.0)

    async def replace_and_crash(self) -> None:
        """The same, and the operator dies at the next write. Nobody edits anything until the next one has settled it.

        What was pulled is known from the status, which lags; what was pushed from the ledger, which does not.
        """
        lag_s = 2 * SETTINGS.status_lag_s if self.direction != "ConfigMapToZooKeeper" else 0.0
        await asyncio.sleep(1.0 + lag_s)
        if self._is_calm() and self._is_known() and not self._awaits_deletion():
            self.crash_in_request(self.rng.random() < 0.5)
            self._write_whole(created=self.rng.random() < 0.5)
            await self._settled("replace_and_crash")

    async def rename(self) -> None:
        """The ConfigSync is deleted and created, under another name or the same, and gets the ConfigMap.

        Nobody edits anything until it has settled: it knows nothing of what was common before.
        """
        await asyncio.sleep(1.0)
        if not self._is_calm() or not self._is_known() or self._awaits_deletion():
            return
        if self.rng.random() < 0.7:
            self.crash_in_request(self.rng.random() < 0.5)
        self.emptied |= {key for key, value in (self.world.data() or {}).items() if not value}
        self.world.kube.remove(CONFIG_SYNCS, NAMESPACE, self.name)
        await self._turns(self.rng.choice((0, 1, 5, 50)))
        self.name = self.rng.choice(_NAMES)
        self.create_sync()
        await self._turns(self.rng.choice((0, 1, 5, 50)))
        labels = {"metadata": {"labels": {SYNC_LABEL: self.name}}}
        self.as_others(lambda: self.world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", labels))
        await self._settled("rename")

    async def create_again(self) -> None:
        """The same by deleting it first."""
        await asyncio.sleep(1.0)
        if self._is_calm() and not self._awaits_deletion():
            self._write_whole(created=True)
            await asyncio.sleep(1.0)

    async def replace_unseen(self) -> None:
        """The same while nobody looks, with edits of znodes that the ConfigMap's own do not touch."""
        await asyncio.sleep(2 * SETTINGS.status_lag_s)
        if self._is_calm() and not self._awaits_deletion():
            self._kill()
            self._write_whole(created=self.rng.random() < 0.5)
            await self._revive()
            await asyncio.sleep(2.0)

    # How they do it.

    def _is_known(self) -> bool:
        """Whether both sides are equal and the ConfigMap says so itself."""
        found = self.world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop") or {"metadata": {}}
        is_annotated = BASE_ANNOTATION in (found["metadata"].get("annotations") or {})
        return is_annotated and self.world.ready(self.name) == ("True", "InSync") and not self._unequal()

    def _awaits_deletion(self) -> bool:
        """Whether a key is still to go from a side where nobody edits it.

        Who writes the whole ConfigMap then writes that key anew, and what a deleted znode had is not known any more.
        """
        left, right = zk_state(self.world), self.world.data() or {}
        gone = dict.fromkeys(right.keys() - left.keys(), "z") | dict.fromkeys(left.keys() - right.keys(), "c")
        return any(key.rpartition("__")[2][0] == own for key, own in gone.items())

    async def _settled(self, action: str) -> None:
        """Wait until all is in sync. Start the operator again if it dies, and decide what waits for a decision."""
        for _ in range(_PATIENCE):
            if self._dead:
                await self._revive()
            elif self._is_known():
                return
            self.resolve()
            self.approve()
            await asyncio.sleep(1.0)
        self.record.violations.append(f"{action}: Ready is {self.world.ready(self.name)}")

    def _lost(self, call: Any) -> Fault | None:
        if call.name == "multi" and self._raced and self.world.znode(self._raced) is not None:
            full, self._raced = self._raced, ""
            again = Delete(full, -1), Create(full, self._new_token("z", recreates=True))
            self.as_others(lambda: self.world.write(*again))
        return super()._lost(call)

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
            key = _key(path)
            is_deletion = key in present and self.rng.random() < 0.25
            data[key] = None if is_deletion else self._new_token("c").decode()
        self.as_others(lambda: self.world.edit(**data))

    def _write_whole(self, *, created: bool) -> None:
        present = {key: value.decode() for key, value in (self.world.data() or {}).items()}
        own = [_key(path) for path in self._paths("c")]
        for key in self.rng.sample(own, 2):
            if key in present and self.rng.random() < 0.4:
                del present[key]
            else:
                present[key] = self._new_token("c").decode()

        def write() -> None:
            if created:
                self.world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")
                self.world.config_map(label=self.name, **present)
                return
            gone: dict[str, str | None] = dict.fromkeys(self.world.data() or {})
            whole = {"metadata": {"annotations": None}, "data": {**gone, **present}}
            self.world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", whole)

        self.as_others(write)


def _key(path: str) -> str:
    return path.replace("/", "__")


def _source_side(direction: str) -> str:
    return "zookeeper" if direction == "ZooKeeperToConfigMap" else "configmap"
