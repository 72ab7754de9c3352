"""Deletions as people make them: all keys, one key after another, the whole tree; and those that nobody makes."""

import dataclasses
from functools import partial
from typing import Any

import pytest

from tests.support.fakes.zk import Fault
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.mirror import FAST, NAMESPACE, ROOT, World, running
from zkoperator.errors import UnknownOutcomeError
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.apply import pacing
from zkoperator.mirror.model import deletions
from zkoperator.mirror.model.deletions import DeletionLog
from zkoperator.mirror.plan import plan, steps
from zkoperator.zk.port import Acl, Create, Delete

KEYS = [f"k{number}" for number in range(10)]
READ = 1
"""The permission of an ACL that allows reading alone."""


async def _synced(world: World, number: int, **spec: object) -> None:
    world.tree(**dict.fromkeys(KEYS[:number], "1"))
    world.sync(**spec)
    await world.until_in_sync()


@pytest.mark.parametrize("number", [1, 3])
async def test_the_last_keys_of_a_config_map_wait_for_approval(world: World, number: int) -> None:
    await _synced(world, number)
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": None})
    await world.until_reason("DeletionsHeld")
    assert "k0" in world.message()
    assert world.at("k0") == b"1"
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.at("k0") is None)
    await world.until_in_sync()


@pytest.mark.parametrize("number", [1, 3])
async def test_the_last_znodes_of_a_tree_wait_for_approval(world: World, number: int) -> None:
    await _synced(world, number)
    world.write(*(Delete(f"{ROOT}/{key}", -1) for key in KEYS[:number]))
    await world.until_reason("DeletionsHeld")
    assert len(world.data() or {}) == number


async def test_a_key_that_takes_another_name_is_no_loss_of_all(world: World) -> None:
    await _synced(world, 1)
    world.edit(k0=None, renamed="1")
    await world.until(lambda: (world.at("k0"), world.at("renamed")) == (None, b"1"))
    await world.until_in_sync()


async def test_keys_that_are_deleted_one_after_another_count_together(world: World) -> None:
    await _synced(world, 10)
    for key in KEYS[:4]:
        world.edit(**{key: None})
        await world.until(partial(lambda gone: world.at(gone) is None, key))
    world.edit(k4=None)
    await world.until_reason("DeletionsHeld")
    assert world.at("k4") == b"1"
    assert world.status()["pending"]["deletes"] == 1
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.at("k4") is None)
    world.edit(k5=None)
    await world.until(lambda: world.at("k5") is None)


async def test_a_restarted_operator_goes_on_counting(world: World) -> None:
    await _synced(world, 10)
    world.edit(**dict.fromkeys(KEYS[:2], None))
    await world.until(lambda: world.at("k1") is None)
    await world.until(lambda: "deletions" in world.status())
    await world.restart()
    world.edit(**dict.fromkeys(KEYS[2:5], None))
    await world.until_reason("DeletionsHeld")
    await world.restart()
    await world.quiet()
    assert {world.at(key) for key in KEYS[2:]} == {b"1"}


async def test_a_key_that_comes_back_counts_no_more(world: World) -> None:
    await _synced(world, 10)
    for _ in range(6):
        world.edit(k0=None)
        await world.until(lambda: world.at("k0") is None)
        world.edit(k0="1")
        await world.until(lambda: world.at("k0") == b"1")
    assert world.ready()[1] != "DeletionsHeld"


async def test_a_key_that_comes_back_before_its_deletion_has_arrived_counts_no_more(world: World) -> None:
    """With the push of two deletions under way, both keys are created again and a znode goes: that is one deletion."""
    await _synced(world, 10, deletionGuard={"maxKeys": 2})
    served, late, asked = world.zk.fault_for, [True], list[Any]()
    world.kube.after = lambda _: asked.append(world.status().get("pending"))

    def meanwhile(call: Any) -> Fault | None:
        if call.name == "multi" and late and late.pop():
            world.edit(k0="2", k1="2")
            world.drop("k2")
        return served(call)

    world.zk.fault_for = meanwhile  # type: ignore[method-assign]
    world.edit(k0=None, k1=None)
    await world.until(lambda: (world.at("k0"), world.at("k1")) == (b"2", b"2"))
    await world.until(lambda: "k2" not in (world.data() or {}))
    await world.until_in_sync()
    world.drop("k3")
    await world.until(lambda: "k3" not in (world.data() or {}))
    assert asked and not any(asked), "nobody was asked"
    world.drop("k4")
    await world.until_reason("DeletionsHeld")


async def test_a_tree_that_is_deleted_from_its_leaves_up_loses_no_key() -> None:
    patient = dataclasses.replace(FAST, deletion_quiet_s=60.0, longest_deletion_s=600.0)
    async with running(patient) as world:
        await _synced(world, 4)
        for key in KEYS[:4]:
            world.drop(key)
            await world.quiet(5)
            assert len(world.data() or {}) == 4
        world.write(Delete(ROOT, -1))
        await world.until_reason("SourceMissing")
        await world.quiet()
        assert len(world.data() or {}) == 4


async def test_instances_that_ended_with_their_sessions_never_wait(world: World) -> None:
    world.write(Create(ROOT, b""))
    world.sync(direction="ZooKeeperToConfigMap", keys={"ephemerals": "Include"})
    await world.until(lambda: world.ready()[1] == "InSync")
    owner = await world.connector().open(("main:2181",), None)
    for key in KEYS[:8]:
        await owner.create(Create(f"{ROOT}/{key}", b"1", ephemeral=True))
    await world.until(lambda: len(world.data() or {}) == 8)
    await world.restart()
    await world.until_in_sync()
    await owner.close()
    await world.until(lambda: world.data() == {})
    await world.until_in_sync()


async def test_instances_that_became_configuration_wait_like_all_keys(world: World) -> None:
    world.write(Create(ROOT, b""))
    world.sync(direction="ZooKeeperToConfigMap", keys={"ephemerals": "Include"})
    await world.until(lambda: world.ready()[1] == "InSync")
    owner = await world.connector().open(("main:2181",), None)
    for key in KEYS[:8]:
        await owner.create(Create(f"{ROOT}/{key}", b"1", ephemeral=True))
    await world.until(lambda: len(world.data() or {}) == 8)
    world.write(*(op for key in KEYS[:8] for op in (Delete(f"{ROOT}/{key}", -1), Create(f"{ROOT}/{key}", b"1"))))
    await owner.close()
    await world.quiet()
    world.write(*(Delete(f"{ROOT}/{key}", -1) for key in KEYS[:8]))
    await world.until_reason("DeletionsHeld")
    assert len(world.data() or {}) == 8


async def test_empty_znodes_that_got_children_count_for_nothing(world: World) -> None:
    world.tree(**dict.fromkeys(KEYS[:4], ""), **dict.fromkeys(KEYS[4:8], "1"))
    world.sync(deletionGuard={"maxPercent": 20})
    await world.until_in_sync()
    for key in KEYS[:4]:
        world.node(f"{key}/lock", "1")
    await world.until(lambda: {*(world.data() or {})} == {*KEYS[4:8], *(f"{key}__lock" for key in KEYS[:4])})
    await world.until_in_sync()
    world.drop("k4")
    await world.until(lambda: "k4" not in (world.data() or {}))


def test_the_window_ends_unless_deletions_are_held() -> None:
    log = DeletionLog(window_s=10, quiet_s=1, longest_s=5)
    log.note(["a"], [], 0.0, held=False)
    assert log.lately(10) == {"a"}
    log.note([], [], 10.0, held=True)
    assert log.lately(100) == {"a"}
    log.note([], [], 100.0, held=False)
    assert log.lately(110) == {"a"}
    assert log.lately(111) == frozenset()


def test_deletions_wait_until_no_other_follows_but_not_for_ever() -> None:
    log = DeletionLog(window_s=10, quiet_s=1, longest_s=5)
    assert log.wait_s(frozenset("a"), 0.0) == 1
    assert log.wait_s(frozenset("ab"), 0.5) == 1
    assert log.wait_s(frozenset("ab"), 1.0) == 0.5
    assert log.wait_s(frozenset("abc"), 4.5) == 0.5
    assert log.wait_s(frozenset("abcd"), 5.0) <= 0
    assert log.wait_s(frozenset(), 6.0) == 0
    assert log.wait_s(frozenset("a"), 7.0) == 1


def test_deletions_that_follow_those_that_were_carried_out_wait_as_long() -> None:
    log = DeletionLog(window_s=10, quiet_s=1, longest_s=5)
    log.wait_s(frozenset("a"), 0.0)
    assert log.wait_s(frozenset("ab"), 5.0) <= 0
    log.note("ab", [], 5.0, held=False)
    assert log.wait_s(frozenset("c"), 5.5) == 1


_IDENTITY = steps._identity


def _never_back(self: Any, deleted: Any, _written: Any, now_s: float, **_: Any) -> None:
    self._at_s.update((f"{key}{now_s}", now_s) for key in deleted)


async def test_deletions_count_although_the_push_of_the_same_pass_is_refused(world: World) -> None:
    """Each round deletes three znodes, and edits a key of the ConfigMap that the ensemble does not let us write."""
    world.write(Create(ROOT, b""), Create(f"{ROOT}/fixed", b"x", (Acl(READ, "world", "anyone"),)))
    for key in KEYS:
        world.node(key, "1")
    world.sync()
    await world.until_in_sync()
    for number, gone in enumerate((KEYS[:3], KEYS[3:6])):
        world.edit(**{f"fixed__new{number}": "1"})
        world.write(*(Delete(f"{ROOT}/{key}", -1) for key in gone))
        await world.until(lambda: world.ready()[1] in ("Forbidden", "DeletionsHeld"))
        await world.quiet(40)
    assert set(KEYS[3:]) <= (world.data() or {}).keys()
    assert world.status()["pending"]["deletes"] == 3


@pytest.mark.parametrize("side", ["configmap", "znodes"])
async def test_deletions_whose_answer_is_lost_count(world: World, side: str) -> None:
    """Each round deletes three of ten keys on one side; the write to the other side happens, and its answer is lost."""
    await _synced(world, 10)

    def lose(request: Any) -> None:
        if request.resource == CONFIG_MAPS and request.is_write:
            raise UnknownOutcomeError("no answer")

    for gone in (KEYS[:3], KEYS[3:6]):
        if side == "configmap":
            world.kube.after = lose
            world.write(*(Delete(f"{ROOT}/{key}", -1) for key in gone))
            await world.until(lambda: world.ready()[1] == "DeletionsHeld" or KEYS[0] not in (world.data() or {}))
            world.kube.after = lambda _: None
        else:
            world.zk.inject(Fault.DROP_AFTER, "multi")
            world.edit(**dict.fromkeys(gone, None))
            await world.until(lambda: world.ready()[1] == "DeletionsHeld" or world.at(KEYS[0]) is None)
        await world.quiet(40)
    assert world.ready() == ("False", "DeletionsHeld")
    assert world.status()["pending"]["deletes"] == 3
    assert set(KEYS[3:]) <= (world.data() or {}).keys() if side == "configmap" else world.at(KEYS[3]) == b"1"


SEEDS = (
    Seed(
        "a write without an answer counts",
        replaced(pacing, "note_doubt", lambda *_: None),
        (
            in_world(test_deletions_whose_answer_is_lost_count, side="configmap"),
            in_world(test_deletions_whose_answer_is_lost_count, side="znodes"),
        ),
    ),
    Seed(
        "a pull counts although the push fails",
        replaced(pacing, "note_pull", lambda *_: 0),
        (in_world(test_deletions_count_although_the_push_of_the_same_pass_is_refused),),
    ),
    Seed(
        "the last keys wait, however few they are",
        replaced(plan, "loses_all", lambda *_: False),
        (in_world(test_the_last_keys_of_a_config_map_wait_for_approval, number=3),),
    ),
    Seed(
        "deletions count over time",
        replaced(DeletionLog, "lately", lambda *_: frozenset()),
        (in_world(test_keys_that_are_deleted_one_after_another_count_together),),
    ),
    Seed(
        "a restart goes on counting",
        replaced(DeletionLog, "restore", lambda *_, **__: None),
        (in_world(test_a_restarted_operator_goes_on_counting),),
    ),
    Seed(
        "a key that came back is not counted",
        replaced(DeletionLog, "note", _never_back),
        (in_world(test_a_key_that_comes_back_counts_no_more),),
    ),
    Seed(
        "a key that is there again is not counted before it is written",
        rewritten(plan, "_Planner._is_held", " - present", ""),
        (in_world(test_a_key_that_comes_back_before_its_deletion_has_arrived_counts_no_more),),
    ),
    Seed(
        "deletions in ZooKeeper wait a moment",
        replaced(DeletionLog, "wait_s", lambda *_: 0.0),
        (test_a_tree_that_is_deleted_from_its_leaves_up_loses_no_key,),
    ),
    Seed(
        "sessions that ended have deleted nothing",
        replaced(plan._Planner, "_ended", lambda _: frozenset()),
        (in_world(test_instances_that_ended_with_their_sessions_never_wait),),
    ),
    Seed(
        "the base says which znodes belong to sessions now",
        replaced(steps, "_identity", lambda base: _IDENTITY(dataclasses.replace(base, ephemeral=frozenset()))),
        (in_world(test_instances_that_became_configuration_wait_like_all_keys),),
    ),
    Seed(
        "a key whose znode holds others now was deleted by nobody",
        rewritten(plan, "_Planner._real", "(self._ended() | decisions.only_emptied)", "self._ended()"),
        (in_world(test_empty_znodes_that_got_children_count_for_nothing),),
    ),
    Seed(
        "what was carried out waits no more",
        rewritten(deletions, "DeletionLog.note", "self._waiting = _NONE", "pass"),
        (test_deletions_that_follow_those_that_were_carried_out_wait_as_long,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
