"""The way back from a lost quorum, with an API server in memory and members that remember whose data they have."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.worlds.ensemble_recovery import RecoveryWorld, recovery_world
from zkoperator.ensemble.apply import recovery as writer
from zkoperator.ensemble.model.names import RECOVER
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan import approval, recovery
from zkoperator.ensemble.plan.progress import Recovery
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import ZOOKEEPER_CLUSTERS

SURVIVOR = "main-zk-1@0xffff"
Patch = pytest.MonkeyPatch


async def lost(*gone: int, **spec: Any) -> RecoveryWorld:
    """An ensemble of three that has lost its quorum for longer than an election takes."""
    world = recovery_world(3, **spec)
    await world.rest()
    await world.lose(*(gone or (1, 3)))
    await world.wait(40)
    assert world.condition("Degraded")["reason"] == "QuorumLost"
    return world


async def it_goes_on_with_the_data_of_the_survivor() -> None:
    world = await lost()
    had = world.disks[2].last
    world.approve(SURVIVOR)
    await world.rest()
    assert world.acknowledged >= had
    assert world.incarnation["number"] == 1
    assert (world.incarnation["seed"], world.incarnation["approved"]) == ("main-zk-1", SURVIVOR)
    assert {"startedAt", "completedAt"} <= world.incarnation.keys()
    assert set(world.begun.values()) == {0x10000}, "everybody else begins with the data of the seed"


async def a_second_time_counts_on_from_the_first() -> None:
    world = await lost()
    world.approve(SURVIVOR)
    await world.rest()
    await world.lose(1, 2)
    await world.wait(40)
    world.approve("main-zk-2@0x20000000000")
    await world.rest()
    assert world.incarnation["number"] == 2
    assert world.epochs == sorted(set(world.epochs)), "each epoch is above the one before"
    assert world.epochs[-1] - world.epochs[0] >= 0x10000


async def a_forgotten_record_does_not_bring_an_epoch_back() -> None:
    """Volumes that began with it already would take the second recovery for one that they have had."""
    world = await lost()
    world.approve(SURVIVOR)
    await world.rest()
    world.api.edit(ZOOKEEPER_CLUSTERS, "demo", "main", {"status": {"incarnation": None}}, subresource="status")
    await world.lose(1, 3)
    await world.wait(1)
    assert world.incarnation == {}
    await world.wait(40)
    world.approve("main-zk-1@0x1000000000000")
    await world.rest()
    assert len(world.epochs) == 2 and world.epochs[0] < world.epochs[1]
    assert set(world.begun.values()) == {world.epochs[1]}


async def the_seed_waits_for_the_end_of_every_pod_of_the_past() -> None:
    world = await lost()
    world.lingering = {1}
    world.approve(SURVIVOR)
    await world.wait(30)
    assert sorted(world.pods) == [1]
    assert world.incarnation["number"] == 1
    assert "main-zk-0" in world.condition("Progressing")["message"]
    assert "switched off" in world.condition("Progressing")["message"]
    world.lingering.clear()
    await world.rest()


async def a_quorum_that_comes_back_by_itself_is_left_alone() -> None:
    world = await lost()
    world.approve(SURVIVOR)
    world.kill_at = (world.writes + 1, False)
    while not world.incarnation:
        await world.turn()
    world.come_back()
    await world.rest()
    assert world.incarnation == {}
    assert world.begun == {}
    assert sorted(world.pods) == [1, 2, 3]


async def an_approval_counts_only_when_an_election_would_be_over() -> None:
    world = recovery_world(3)
    await world.rest()
    await world.lose(1, 3)
    world.approve(SURVIVOR)
    await world.wait(15)
    assert world.incarnation == {}
    world.come_back()
    await world.rest()
    assert world.incarnation == {}


async def what_the_member_has_seen_since_refuses_an_old_approval() -> None:
    world = await lost()
    known = next(member["zxid"] for member in (world.cluster() or {})["status"]["members"] if member["id"] == 2)
    await refused(world, f"main-zk-1@0x{int(known, 16) - 1:x}", f"0x{known}")


async def members_that_may_serve_unseen_refuse_it() -> None:
    world = recovery_world(3)
    await world.rest()
    world.dark = frozenset({1, 2, 3})
    await world.wait(40)
    await refused(world, SURVIVOR, "a quorum may serve unseen")


async def data_that_goes_with_the_pod_refuses_it() -> None:
    world = await lost(storage={"type": "Ephemeral"})
    await refused(world, SURVIVOR, "Ephemeral")


async def a_member_that_would_leave_again_refuses_it() -> None:
    world = await lost(1, 2)
    world.ask_for(replicas=1)
    await refused(world, "main-zk-2@0xffff", "spec.replicas: 3 or more")


async def an_approval_is_carried_out_once() -> None:
    world = await lost()
    world.approve("main-zk-1@0x1000000000000")
    await world.rest()
    await world.lose(1, 3)
    await world.wait(60)
    assert world.incarnation["number"] == 1
    assert world.condition("Degraded")["reason"] == "QuorumLost"


async def refused(world: RecoveryWorld, text: str, why: str) -> None:
    world.approve(text)
    await world.wait(5)
    found = world.condition("Progressing")
    assert (found["reason"], world.incarnation) == ("RecoveryRefused", {}), found
    assert why in found["message"]


Story = Callable[[], Awaitable[None]]
Seed = Callable[[Patch], None]


def blind_to_pods_that_end(patch: Patch) -> None:
    """Plan as if a pod that is told to end had ended."""
    whole = recovery._continue

    def blind(cluster: ValidatedCluster, observed: Observed, *rest: Any) -> Recovery:
        return whole(cluster, observed if observed.replicas else replace(observed, pods={}), *rest)

    patch.setattr(recovery, "_continue", blind)


def _blind_twice(patch: Patch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    blind_to_pods_that_end(patch)
    patch.setattr(writer.RecoveryWriter, "_require_end_of_the_past", nothing)


def _blind_to_the_quorum(patch: Patch) -> None:
    whole = recovery._continue
    patch.setattr(recovery, "_continue", lambda c, observed, *rest: whole(c, replace(observed, answers={}), *rest))


def _epoch_of_the_record_alone(patch: Patch) -> None:
    patch.setattr(recovery, "epoch_after", lambda cluster, _approval, _template: 0x10000 + cluster.incarnation)


def _taken_at_its_word(patch: Patch) -> None:
    patch.setattr(recovery, "approval_of", lambda cluster: cluster.meta.annotations.get(RECOVER, ""))


GUARDS: tuple[tuple[Story, Seed], ...] = (
    (the_seed_waits_for_the_end_of_every_pod_of_the_past, _blind_twice),
    (a_quorum_that_comes_back_by_itself_is_left_alone, _blind_to_the_quorum),
    (a_second_time_counts_on_from_the_first, lambda patch: patch.setattr(approval, "INCARNATION_STEP", 0)),
    (a_forgotten_record_does_not_bring_an_epoch_back, _epoch_of_the_record_alone),
    (an_approval_counts_only_when_an_election_would_be_over, lambda patch: patch.setattr(recovery, "LOST_S", 0.0)),
    (
        what_the_member_has_seen_since_refuses_an_old_approval,
        lambda patch: patch.setattr(approval, "known_zxid", _zero),
    ),
    (members_that_may_serve_unseen_refuse_it, lambda patch: patch.setattr(approval, "_may_serve_unseen", _never)),
    (data_that_goes_with_the_pod_refuses_it, lambda patch: patch.setattr(approval, "_unfit_ensemble", _nothing)),
    (a_member_that_would_leave_again_refuses_it, lambda patch: patch.setattr(approval, "_unfit_seed", _nothing)),
    (an_approval_is_carried_out_once, _taken_at_its_word),
)
STORIES = (it_goes_on_with_the_data_of_the_survivor, *(story for story, _ in GUARDS))


def _zero(*_: Any) -> int:
    return 0


def _never(*_: Any) -> bool:
    return False


def _nothing(*_: Any) -> str:
    return ""


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_with_all_guards(story: Story) -> None:
    await story()


@pytest.mark.parametrize(("story", "seed"), GUARDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_without_one_of_them(story: Story, seed: Seed, monkeypatch: Patch) -> None:
    seed(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        await story()


async def test_the_write_looks_again_before_the_seed_starts(monkeypatch: Patch) -> None:
    blind_to_pods_that_end(monkeypatch)
    world = await lost()
    world.lingering = {1}
    world.approve(SURVIVOR)
    await world.wait(30)
    assert sorted(world.pods) == [1], "the seed starts beside a member of the past"


KILLS = 16


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "write", [n if n % 8 == 0 else pytest.param(n, marks=pytest.mark.exhaustive) for n in range(KILLS)]
)
async def test_an_operator_that_is_killed_at_a_write_goes_on(write: int, after: bool) -> None:
    world = await lost()
    had = world.disks[2].last
    world.approve(SURVIVOR)
    world.kill_at = (world.writes + write, after)
    await world.rest()
    assert world.was_killed, "the recovery has fewer writes: lower KILLS"
    assert world.epochs == [0x10000], "the seed begins once"
    assert world.acknowledged >= had
    assert (world.incarnation["number"], set(world.begun.values())) == (1, {0x10000})
