"""The operator, a real process on a whole cluster, is killed at its writes to Kubernetes and to ZooKeeper.

A life is the creation of an ensemble, growth, shrinking, a roll, an upgrade and deletion, with a writer. Its end is
known exactly: how often each object came and went, which configurations were committed, every acknowledged write.
"""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.conftest import Space, cluster
from tests.support.faults.crash import kept, unexpected
from tests.support.faults.proxies.journal import Phase
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_site import EnsembleSite, Killer, Lives, operator_of
from tests.support.worlds.ensemble_story import Ensemble, Manifest

OLD, NEW = "docker.io/library/zookeeper:3.9.4", "docker.io/library/zookeeper:3.9.5"
DELETED = {"size": "1Gi", "retention": {"whenScaled": "Delete", "whenDeleted": "Delete"}}
CREATION = ("creation", cluster(3, image=OLD, storage=DELETED))
EDITS: tuple[tuple[str, int, Manifest], ...] = (
    ("growth", 5, {"replicas": 5}),
    ("shrinking", 3, {"replicas": 3}),
    ("roll", 3, {"jvm": {"heapPercent": 40}}),
    ("upgrade", 3, {"image": NEW}),
)
CHAPTERS = ("creation", *(name for name, _, _ in EDITS))
FEWEST = {"creation": 12, "growth": 4, "shrinking": 4, "roll": 4, "upgrade": 4}
"""Writes that each chapter has at least, whatever the status says meanwhile."""

STRIDE = 4
"""In a life that is killed again and again, so many writes lie between two kills."""

Points = Mapping[str, Sequence[tuple[int, Phase]]]


@dataclass
class Life:
    """What a life was like: kills and writes by chapter, births and deaths by object, committed configurations."""

    kills: dict[str, list[str]] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)
    objects: dict[str, tuple[int, int]] = field(default_factory=dict)
    configurations: list[set[int]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{sum(map(len, self.kills.values()))} kills in {sum(self.writes.values())} writes: {self.kills}"


EXPECTED = {
    **{f"pods/main-zk-{n}": (3, 3) for n in range(3)},
    **{f"pods/main-zk-{n}": (1, 1) for n in (3, 4)},
    **{f"persistentvolumeclaims/data-main-zk-{n}": (1, 1) for n in range(5)},
    "services/main-zk": (1, 1),
    "services/main-zk-members": (1, 1),
    "configmaps/main-zk-config": (1, 1),
    "configmaps/main-zk-discovery": (1, 1),
    "secrets/main-zk-admin": (1, 1),
    "secrets/main-zk-binding": (1, 1),
    "statefulsets/main-zk": (1, 1),
    "poddisruptionbudgets/main-zk": (1, 1),
    "networkpolicies/main-zk": (1, 1),
}
"""Each member is born once, rolled once and upgraded once."""


@asynccontextmanager
async def chapter(site: EnsembleSite, killer: Killer, life: Life, name: str, points: Points) -> AsyncIterator[None]:
    before = len(killer.kills)
    killer.arm(*points.get(name, ()))
    yield
    site.journal.set_trap(None)
    life.kills[name], life.writes[name] = killer.kills[before:], len(site.writes)


async def live(site: EnsembleSite, points: Points) -> Life:
    """One whole life, killed at these points."""
    main, life, killer = Ensemble(site.space), Life(), Killer(site.journal, site.operator)

    async def gone() -> bool:
        objects = {name: count for name, count in lives.counted().items() if name in EXPECTED}
        return all(born == died for born, died in objects.values())

    async with Lives(site.space) as lives, kept(site.operator):
        async with chapter(site, killer, life, CREATION[0], points):
            await site.space.api.create(site.space.path("zookeeperclusters"), CREATION[1])
            await main.ready(3)
        async with main.written():
            for name, voters, spec in EDITS:
                async with chapter(site, killer, life, name, points):
                    await main.edit(**spec)
                    await main.ready(voters)
            assert (await main.status())["version"] == "3.9.5"
            life.configurations = await main.configurations()
        await main.delete("zookeeperclusters", "main")
        site.operator.kill()
        await eventually(gone, within_s=180)
        life.objects = {name: n for name, n in lives.counted().items() if "main-zk" in name}
    assert unexpected(site.operator.log.read_text(errors="replace")) is None
    return life


def assert_undisturbed(life: Life) -> None:
    assert life.objects == EXPECTED, life
    assert life.configurations == [{1, 2, 3}, {1, 2, 3, 4, 5}, {1, 2, 3}], life


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(2, 10))])
async def test_a_kill_in_each_chapter_of_a_life_changes_nothing_in_the_end(site: EnsembleSite, seed: int) -> None:
    chosen = random.Random(seed)
    phases = list(Phase)
    points = {name: [(chosen.randint(1, FEWEST[name]), chosen.choice(phases))] for name in CHAPTERS}
    # The founding is what can go wrong only once: it is killed thrice.
    points["creation"] = [(n, chosen.choice(phases)) for n in sorted(chosen.sample(range(1, FEWEST["creation"]), 3))]
    life = await live(site, points)
    site.space.tell(str(life))
    assert {name: len(kills) for name, kills in life.kills.items()} == {n: len(points[n]) for n in CHAPTERS}
    assert_undisturbed(life)


@pytest.mark.exhaustive
@pytest.mark.timeout(36000)
async def test_a_kill_at_any_write_of_a_life_changes_nothing_in_the_end(site: EnsembleSite) -> None:
    undisturbed = await live(site, {})
    assert_undisturbed(undisturbed)
    kills = 0
    for phase in Phase:
        for first in range(1, STRIDE + 1):
            points = {
                name: [(number, phase) for number in range(first, undisturbed.writes[name] + 1, STRIDE)]
                for name in CHAPTERS
            }
            life = await live(site, points)
            assert_undisturbed(life)
            kills += sum(map(len, life.kills.values()))
    writes = undisturbed.writes
    site.space.tell(f"{kills} kills in {2 * STRIDE} lives of {sum(writes.values())} writes each: {writes}")
    assert kills > sum(writes.values())


async def test_two_operators_at_once_without_a_lease_do_what_one_does(
    space: Space, operator_away: None, kubeconfig: Path, tmp_path: Path
) -> None:
    main = Ensemble(space)
    pair = [operator_of(space, kubeconfig, tmp_path) for _ in range(2)]
    with pair[0], pair[1]:
        async with Lives(space, ("pods", "persistentvolumeclaims")) as lives:
            await space.apply(cluster(3))
            await main.ready(3)
            async with main.written():
                for spec, voters in (({"replicas": 5}, 5), ({"replicas": 3}, 3), ({"jvm": {"heapPercent": 40}}, 3)):
                    await main.edit(**spec)
                    await main.ready(voters)
        assert [operator.exit_code for operator in pair] == [None, None]
    assert await main.configurations() == [{1, 2, 3}, {1, 2, 3, 4, 5}, {1, 2, 3}]
    members = {f"pods/main-zk-{n}": (2, 1) for n in range(3)} | {f"pods/main-zk-{n}": (1, 1) for n in (3, 4)}
    assert lives.counted() == members | {f"persistentvolumeclaims/data-main-zk-{n}": (1, 0) for n in range(5)}
    for operator in pair:
        assert unexpected(operator.log.read_text(errors="replace")) is None
