"""A backup as the beginning of an ensemble, new or not, with an API server in memory and Jobs that are played."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import rewritten
from tests.support.worlds.ensemble_restore import (
    EPOCH,
    LOCATION,
    STORAGE,
    UNREADABLE,
    WHAT_IT_HOLDS,
    RestoreWorld,
    restore_world,
)
from zkoperator.ensemble.apply import recovery as writer
from zkoperator.ensemble.model.names import RECOVER, RESTORE
from zkoperator.ensemble.plan import plan, recovery, restore
from zkoperator.ensemble.plan.progress import Recovery
from zkoperator.ensemble.plan.steps import RecordBootstrap
from zkoperator.kube.port import JOBS, PERSISTENT_VOLUME_CLAIMS, STATEFUL_SETS, ZOOKEEPER_BACKUPS, ZOOKEEPER_CLUSTERS

Patch = pytest.MonkeyPatch
NAMED = {"fromBackup": {"name": "night"}}


def new(**origin: Any) -> RestoreWorld:
    return restore_world(3, bootstrap=origin or NAMED)


async def served() -> RestoreWorld:
    """An ensemble that has served for a while, and a backup of before."""
    world = restore_world(3)
    await world.rest()
    world.back_up()
    for _ in range(10):
        await world.turn()
    assert world.acknowledged > WHAT_IT_HOLDS
    return world


# A new ensemble


async def a_new_ensemble_begins_with_the_backup() -> None:
    world = new()
    world.back_up()
    await world.rest()
    assert world.founded == 0, "nobody founds an empty ensemble"
    assert world.acknowledged >= WHAT_IT_HOLDS
    found = world.incarnation
    assert (found["number"], found["seed"], found["from"]) == (1, "main-zk-0", "Backup")
    assert found["approved"] == "spec.bootstrap.fromBackup"
    assert found["epoch"] > EPOCH
    assert {"startedAt", "completedAt"} <= found.keys()
    assert set(world.begun.values()) == {found["epoch"]}


async def a_backup_of_another_kubernetes_is_named_by_its_place() -> None:
    world = new(fromBackup={"storage": STORAGE, "path": LOCATION})
    await world.rest()
    assert world.incarnation["epoch"] > EPOCH
    assert world.api.every(ZOOKEEPER_BACKUPS) == ()


async def a_new_ensemble_waits_for_its_backup() -> None:
    world = new()
    await world.wait(5)
    assert world.condition("Progressing")["reason"] == "Restoring"
    assert "no ZooKeeperBackup night" in world.condition("Progressing")["message"]
    assert world.api.every(STATEFUL_SETS) == ()
    world.back_up(conditions=[failed_condition()])
    await world.wait(1)
    assert "is not complete" in world.condition("Progressing")["message"]
    world.complete("night")
    await world.rest()


async def volumes_with_data_come_before_the_backup() -> None:
    """Whoever creates the cluster again from the same manifest gets what its volumes have."""
    world = new()
    world.back_up()
    await world.rest()
    had = world.acknowledged
    raw = world.cluster() or {}
    world.api.remove(ZOOKEEPER_CLUSTERS, "demo", "main")
    world.api.collect_garbage()
    world.move()
    meta = {"name": "main", "namespace": "demo"}
    kept = {key: raw[key] for key in ("apiVersion", "kind", "spec")}
    world.api.put(ZOOKEEPER_CLUSTERS, {**kept, "metadata": meta})
    await world.rest()
    assert world.acknowledged >= had
    assert world.incarnation == {}
    assert "was not used" in world.condition("Degraded")["message"]


async def a_failed_fetch_says_why_and_is_tried_again() -> None:
    world = new()
    world.answers = [UNREADABLE]
    world.back_up()
    await world.until(lambda: world.condition_or_none("Degraded", "RestoreFailed") is not None)
    assert "its SHA-256 is another" in world.condition("Degraded")["message"]
    assert world.api.every(STATEFUL_SETS) == ()
    await world.rest()


# An ensemble that gives up what it has


async def it_goes_back_to_the_backup() -> None:
    world = await served()
    world.restore("night@0")
    had = world.acknowledged
    await world.until(lambda: bool(world.incarnation))
    assert world.copied and world.copied[-1] >= had, "what it had is copied first"
    await world.rest()
    assert world.epochs == [0x10000 + max(EPOCH, 0)] or len(world.epochs) == 1
    assert set(world.begun.values()) == set(world.epochs)
    assert (world.incarnation["number"], world.incarnation["approved"]) == (1, "night@0")
    copies = [each["metadata"]["name"] for each in world.api.every(ZOOKEEPER_BACKUPS)]
    assert len(copies) == 2


async def a_backup_that_cannot_be_read_stops_nobody() -> None:
    world = await served()
    world.answers = [UNREADABLE]
    world.restore("night@0")
    await refused(world, "its SHA-256 is another", turns=30)
    assert world.copied == []


async def a_copy_that_fails_stops_nobody() -> None:
    world = await served()
    world.copies_fail = True
    world.restore("night@0")
    await refused(world, "the present data cannot be copied", turns=30)


async def a_restore_is_carried_out_once() -> None:
    world = await served()
    world.restore("night@0")
    await world.rest()
    await world.wait(20)
    assert world.incarnation["number"] == 1
    assert world.condition("Progressing")["reason"] == "Settled"
    assert "remove the annotation" in world.condition("Degraded")["message"]


async def an_approval_of_an_earlier_incarnation_is_refused() -> None:
    world = await served()
    world.restore("night@0")
    await world.rest()
    world.back_up("other")
    world.restore("other@0")
    await refused(world, "write other@1", number=1, turns=20)


async def a_backup_that_is_not_complete_is_refused() -> None:
    world = restore_world(3)
    await world.rest()
    world.back_up(conditions=[{**failed_condition()}])
    world.restore("night@0")
    await refused(world, "is not complete")
    world.withdraw()
    await world.wait(2)
    world.restore("other@0")
    await refused(world, "no ZooKeeperBackup other")


async def members_that_may_serve_unseen_refuse_it() -> None:
    world = await served()
    world.dark = frozenset({1, 2, 3})
    await world.wait(40)
    world.restore("night@0")
    await refused(world, "a quorum may serve unseen", turns=20)


async def an_election_is_no_reason_to_do_without_a_copy() -> None:
    world = await served()
    await world.lose(1, 2)
    world.restore("night@0")
    await world.wait(10)
    assert world.incarnation == {}
    world.come_back()
    await world.until(lambda: bool(world.incarnation))
    assert world.copied


async def a_lost_quorum_can_be_restored_without_a_copy() -> None:
    world = await served()
    await world.lose(1, 2)
    await world.wait(40)
    world.restore("night@0")
    await world.rest()
    assert world.copied == []
    assert world.incarnation["number"] == 1


async def a_failed_fetch_can_be_taken_back() -> None:
    world = await served()
    world.restore("night@0")
    await world.until(lambda: bool(world.incarnation))
    world.answers = [UNREADABLE] * 50
    await world.until(lambda: world.condition_or_none("Degraded", "RestoreFailed") is not None)
    message = world.condition("Progressing")["message"]
    assert "its SHA-256 is another" in message and f"{RESTORE}-" in message
    world.withdraw()
    had = world.acknowledged
    await world.rest()
    assert world.incarnation == {} and world.begun == {}
    assert world.acknowledged >= had, "everybody goes on with what it had"


async def nothing_is_fetched_before_the_end_of_every_pod_of_the_past() -> None:
    world = await served()
    world.lingering = {2}
    world.restore("night@0")
    await world.wait(60)
    assert not world.has_job("fetch")
    assert "main-zk-1" in world.condition("Progressing")["message"]
    world.lingering.clear()
    await world.rest()


async def a_claim_of_the_seed_that_is_gone_is_made_anew() -> None:
    world = await served()
    world.restore("night@0")
    await world.until(lambda: bool(world.incarnation) and not world.pods)
    world.api.remove(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(1))
    await world.rest()


async def the_check_goes_and_the_fetch_stays_for_its_log() -> None:
    world = await served()
    world.restore("night@0")
    await world.rest()
    assert not world.has_job("check") and world.has_job("fetch")


async def a_survivor_takes_the_place_of_a_seed_that_does_not_lead() -> None:
    world = await with_a_seed_that_does_not_start()
    await world.wait(60)
    world.api.edit(ZOOKEEPER_CLUSTERS, "demo", "main", {"metadata": {"annotations": {RECOVER: "main-zk-1@0xffffff"}}})
    await world.wait(5)
    world.stuck = frozenset()
    await world.rest()
    assert world.incarnation["from"] == "Survivor"


async def with_a_seed_that_does_not_start() -> RestoreWorld:
    world = await served()
    world.restore("night@0")
    await world.until(lambda: bool(world.incarnation) and not world.pods)
    world.stuck = frozenset({1})
    await world.until(lambda: 1 in world.pods)
    return world


async def refused(world: RestoreWorld, why: str, *, turns: int = 5, number: int = 0) -> None:
    await world.until(lambda: world.condition_or_none("Progressing", "RestoreRefused") is not None, turns)
    found = world.condition("Progressing")
    assert why in found["message"], found
    assert world.incarnation.get("number", 0) == number
    assert sorted(world.pods) == [1, 2, 3], "nobody is stopped"


def failed_condition() -> dict[str, Any]:
    told = {"reason": "Unreachable", "message": "words of it", "lastTransitionTime": "2026-11-30T12:00:00Z"}
    return {"type": "Complete", "status": "False", "observedGeneration": 1, **told}


Story = Callable[[], Awaitable[None]]
Seed = Callable[[Patch], None]


def _nothing(*_: Any) -> None:
    return None


def _founding_not_complete(patch: Patch) -> None:
    """Record as for an empty ensemble, so that empty members may found one beside the seed."""
    whole = restore.found_from_backup

    def seeded(*arguments: Any) -> Recovery:
        found = whole(*arguments)
        steps = [replace(step, complete=False) for step in found.steps if isinstance(step, RecordBootstrap)]
        return replace(found, steps=tuple(steps))

    patch.setattr(plan, "found_from_backup", seeded)


def _blind_to_pods_that_end(patch: Patch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    whole = recovery._continue

    def blind(cluster: Any, observed: Any, *rest: Any) -> Recovery:
        return whole(cluster, observed if observed.replicas else replace(observed, pods={}), *rest)

    patch.setattr(recovery, "_continue", blind)
    patch.setattr(writer.RecoveryWriter, "_require_end_of_the_past", nothing)


def _taken_at_its_word(patch: Patch) -> None:
    patch.setattr(restore, "restore_text", lambda cluster: cluster.meta.annotations.get(RESTORE, ""))


GUARDS: tuple[tuple[Story, Seed], ...] = (
    (a_new_ensemble_begins_with_the_backup, _founding_not_complete),
    (a_new_ensemble_begins_with_the_backup, lambda patch: patch.setattr(recovery, "_fetch", _nothing)),
    (a_backup_that_cannot_be_read_stops_nobody, lambda patch: patch.setattr(restore, "_check", _nothing)),
    (a_copy_that_fails_stops_nobody, lambda patch: patch.setattr(restore, "_secure", _nothing)),
    (it_goes_back_to_the_backup, lambda patch: patch.setattr(restore, "_secure", _nothing)),
    (an_election_is_no_reason_to_do_without_a_copy, lambda patch: patch.setattr(restore, "LOST_S", 0.0)),
    (members_that_may_serve_unseen_refuse_it, lambda patch: patch.setattr(restore, "may_serve_unseen", lambda *_: "")),
    (a_failed_fetch_can_be_taken_back, lambda patch: patch.setattr(recovery, "is_withdrawn", lambda *_: False)),
    (nothing_is_fetched_before_the_end_of_every_pod_of_the_past, _blind_to_pods_that_end),
    (a_restore_is_carried_out_once, _taken_at_its_word),
    (
        an_approval_of_an_earlier_incarnation_is_refused,
        rewritten(restore, "_read", 'int(found["number"]) != number', "False"),
    ),
)
STORIES = (
    *dict.fromkeys(story for story, _ in GUARDS),
    a_backup_of_another_kubernetes_is_named_by_its_place,
    a_new_ensemble_waits_for_its_backup,
    volumes_with_data_come_before_the_backup,
    a_failed_fetch_says_why_and_is_tried_again,
    a_backup_that_is_not_complete_is_refused,
    a_lost_quorum_can_be_restored_without_a_copy,
    a_claim_of_the_seed_that_is_gone_is_made_anew,
    the_check_goes_and_the_fetch_stays_for_its_log,
    a_survivor_takes_the_place_of_a_seed_that_does_not_lead,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_with_all_guards(story: Story) -> None:
    await story()


@pytest.mark.parametrize(("story", "seed"), GUARDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_without_one_of_them(story: Story, seed: Seed, monkeypatch: Patch) -> None:
    seed(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        await story()


async def test_the_write_looks_again_before_a_restore_is_taken_back(monkeypatch: Patch) -> None:
    world = await with_a_seed_that_does_not_start()
    monkeypatch.setattr(recovery, "_has_begun", lambda *_: False)
    world.withdraw()
    await world.wait(5)
    assert world.incarnation["number"] == 1, "the seed may have put its data aside already"
    monkeypatch.undo()
    world.stuck = frozenset()
    await world.rest()


KILLS = 20


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "write", [n if n % 8 == 0 else pytest.param(n, marks=pytest.mark.exhaustive) for n in range(KILLS)]
)
@pytest.mark.parametrize("place", [True, False], ids=["in place", "new"])
async def test_an_operator_that_is_killed_at_a_write_goes_on(write: int, after: bool, place: bool) -> None:
    world = await served() if place else new()
    if place:
        world.restore("night@0")
    else:
        world.back_up()
    world.kill_at = (world.writes + write, after)
    await world.rest()
    assert world.was_killed, "the restore has fewer writes: lower KILLS"
    assert len(world.epochs) == 1, "the seed begins once"
    assert (world.incarnation["number"], set(world.begun.values())) == (1, set(world.epochs))
    assert len(world.api.every(ZOOKEEPER_BACKUPS)) == 1 + place
    assert world.founded == place
    assert len([job for job in world.api.every(JOBS) if "-fetch" in job["metadata"]["name"]]) == 1
