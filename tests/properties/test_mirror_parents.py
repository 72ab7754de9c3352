"""Keys that are parents of one another, empty values and the root itself: every edit arrives, and none is invented.

Each step edits different keys, on either side, with the operator up or down. There is no conflict to be had, whatever
the policy is, and in the end both sides hold what was last written of each key. An empty znode that has or had children
is no key of its own: a value that became empty there may stay or go.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.fakes.warp import LoopClock, run_warped, silent
from tests.support.worlds.mirror import ROOT, SUPER, World
from zkoperator.mirror.model import selected_znodes
from zkoperator.mirror.model.merge_base import EMPTY_DIGEST, short
from zkoperator.mirror.plan import plan, push
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.zk.port import Create, Set

PATHS = {"a": "a", "a__b": "a/b", "a__c": "a/c", "d__e__f": "d/e/f", "d__e": "d/e", "g": "g", "__root": ""}
VALUES = ("", "x", "y", "z")
SEEDS, STEPS = 20, 25
OPEN_GUARD = {"maxKeys": 1000, "maxPercent": 100}
"""Deletions count over minutes, and a walk makes many: here it is not the guard that is judged."""
POLICIES = ("Hold", "PreferZooKeeper", "PreferConfigMap")
SHARE_OF_CONFIG_MAP = {"TwoWay": 0.5, "ZooKeeperToConfigMap": 0.0, "ConfigMapToZooKeeper": 1.0}
SPECS = [
    *({"direction": "TwoWay", "conflictPolicy": policy} for policy in POLICIES),
    *({"direction": direction} for direction in ("ZooKeeperToConfigMap", "ConfigMapToZooKeeper")),
]


@dataclass
class Walk:
    """One life of a subtree; `told` are its last steps, for whoever reads a failure."""

    seed: int
    spec: dict[str, Any]
    told: list[object] = field(default_factory=list)
    of_config_map: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.world = World(MirrorSettings(flap_reverts=10**9, retry_s=5.0))
        self.world.clock = LoopClock()

    async def run(self) -> None:
        world = self.world
        world.write(Create(ROOT, b""))
        world.config_map()
        for number in range(8):  # so that no deletion is that of the last common key
            self.pad(f"pad{number}")
        world.sync(**self.spec, deletionGuard=OPEN_GUARD)
        await world.start()
        await self.settled({})
        for _ in range(STEPS):
            await self.step()
        await world.stop()

    def pad(self, key: str) -> None:
        if SHARE_OF_CONFIG_MAP[self.spec["direction"]] == 1.0:
            self.world.edit(**{key: "1"})
        else:
            self.world.node(key, "1")

    async def step(self) -> None:
        is_down = self.rng.random() < 0.4
        if is_down:
            await (self.world.stop() if self.rng.random() < 0.5 else self.world.abandon())
        self.of_config_map.clear()
        keys = self.rng.sample(list(PATHS), self.rng.randint(1, 4))
        edits = {key: value for key in keys if (value := self.edit(key, keys)) is not Nothing}
        self.told = [*self.told[-3:], ("down" if is_down else "up", edits)]
        if is_down:
            await self.world.start()
        await self.settled(edits)

    def edit(self, key: str, keys: list[str]) -> object:
        """Edit the key on one side; returns the new value, None for absent, `Nothing` where nothing could be done."""
        value = self.rng.choice(VALUES) if self.rng.random() < 0.67 else None
        if self.rng.random() < SHARE_OF_CONFIG_MAP[self.spec["direction"]]:
            return self.edit_key(key, value)
        parent = PATHS[key].rpartition("/")[0]
        return self.edit_znode(PATHS[key], value, can_go=key != "__root" and parent not in map(PATHS.get, keys))

    def edit_znode(self, path: str, value: str | None, *, can_go: bool) -> object:
        if value is not None and self.world.at(path) == value.encode():
            return Nothing
        if value is not None:
            self.world.node(path, value) if path else self.world.write(Set(ROOT, value.encode(), -1))
            if value == "" and self.had_children(path):
                return Nothing  # no key, and goes with its last child if a push has made it
        elif not can_go or self.world.at(path) is None or self.children(path):
            return Nothing
        else:
            self.world.drop(path)
        return value

    def edit_key(self, key: str, value: str | None) -> object:
        before = self.world.data() or {}
        if value is None and key not in before:
            return Nothing
        if value is None or before.get(key) != value.encode():
            self.of_config_map.add(key)
        self.world.edit(**{key: value})
        return value

    async def settled(self, edits: dict[str, object]) -> None:
        """Wait until all is in sync, and look for every edit on both sides."""
        await asyncio.sleep(10.0)  # what is as it should be at once may be so by chance
        for _ in range(120):
            if not self.missing(edits):
                return
            await asyncio.sleep(0.5)
        raise AssertionError((self.missing(edits), self.seed, self.spec, self.told))

    def missing(self, edits: dict[str, object]) -> object:
        """What is not as it should be, nothing when all is well."""
        if self.world.ready() != ("True", "InSync"):
            return self.world.status().get("conditions", "no status")
        for key, value in edits.items():
            znode, held = self.world.at(PATHS[key]), (self.world.data() or {}).get(key)
            wanted = value.encode() if isinstance(value, str) else None
            is_empty_parent = znode == b"" and (key == "__root" or self.had_children(PATHS[key]))
            if is_empty_parent and not wanted:
                is_right = held == wanted if key in self.of_config_map else held in (None, b"")
            else:
                is_right = (znode, held) == (wanted, wanted)
            if not is_right:
                return key, value, znode, held
        return None

    def had_children(self, path: str) -> bool:
        return self.world.zk.tree.get(f"{ROOT}/{path}".rstrip("/"), SUPER).stat.cversion > 0

    def children(self, path: str) -> list[str]:
        return list(self.world.zk.tree.children(f"{ROOT}/{path}".rstrip("/"), SUPER).names)


Nothing = object()


def walks(spec: dict[str, Any], seeds: range) -> None:
    for seed in seeds:
        run_warped(Walk(seed, spec).run())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: "-".join(spec.values()))
def test_edits_of_different_keys_all_arrive_whichever_of_them_are_parents(spec: dict[str, Any]) -> None:
    with silent():
        walks(spec, range(SEEDS))


def _empty_values_of_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(push, "EMPTY_PARENT", EMPTY_DIGEST)
    patch.setattr(push, "EMPTY_PUSHED", EMPTY_DIGEST)


def _leaves_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(selected_znodes, "holds_children", lambda _: False)


def _emptied_is_restored(patch: pytest.MonkeyPatch) -> None:
    def is_reverted(item: Any, base: Any, ledger: Any, snapshot: Any) -> bool:
        pushed, znode = ledger.entries.get(item.key) if ledger else None, snapshot.nodes.get(item.path)
        if pushed is None or znode is None:
            return False
        return bool(short(znode.digest) != pushed.digest and znode.mzxid <= ledger.zxid_of(pushed))

    patch.setattr(plan, "is_reverted", is_reverted)


BUGS = (_empty_values_of_nobody, _leaves_for_ever, _emptied_is_restored)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__.strip("_"))
def test_the_walks_notice_a_seeded_bug(monkeypatch: pytest.MonkeyPatch, bug: Callable[[Any], None]) -> None:
    bug(monkeypatch)
    with silent(), pytest.raises(AssertionError):
        walks(SPECS[0], range(SEEDS))


@pytest.mark.exhaustive
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: "-".join(spec.values()))
def test_edits_of_different_keys_all_arrive_in_very_many_walks(spec: dict[str, Any]) -> None:
    with silent():
        walks(spec, range(10_000, 10_300))
