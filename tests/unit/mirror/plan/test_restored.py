"""A backup that was put back, a root that cannot be read or came back: none of it is an order to delete or revert."""

from functools import partial

import pytest

from tests.support.fakes.zk_tree import Tree
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.backups import backup, put_back
from tests.support.worlds.mirror import ROOT, SUPER, World
from zkoperator.mirror.plan import guard, plan, steps
from zkoperator.zk.port import Acl, Create, Delete, Set
from zkoperator.zk.zxid import INCARNATION_STEP


async def _synced(world: World, **spec: object) -> None:
    world.tree(a="1", b="1", db__x="1")
    world.sync(**spec)
    await world.until_in_sync()


@pytest.mark.parametrize("direction", ["ZooKeeperToConfigMap", "TwoWay"])
async def test_a_restored_backup_reverts_nothing_without_approval(world: World, direction: str) -> None:
    await _synced(world, direction=direction)
    old = backup(world)
    world.node("a", "2")
    await world.until(lambda: (world.data() or {})["a"] == b"2")
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    world.node("unrelated", "new")
    await world.quiet()
    assert world.data() == {"a": b"2", "b": b"1", "db__x": b"1"}
    assert world.at("a") == b"1"
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.data() == {"a": b"1", "b": b"1", "db__x": b"1", "unrelated": b"new"})
    await world.until_in_sync()


async def test_a_restored_backup_deletes_nothing_that_is_younger_than_it(world: World) -> None:
    await _synced(world)
    old = backup(world)
    world.node("db/young", "1")
    await world.until(lambda: "db__young" in (world.data() or {}))
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    await world.restart()
    await world.quiet()
    assert (world.data() or {})["db__young"] == b"1"


async def test_a_restore_of_the_operator_is_recognised_whatever_is_written_after_it(world: World) -> None:
    """It raises the epoch by so much that no signs are needed which later writes could blur."""
    await _synced(world)
    old = backup(world)
    world.node("db/young", "1")
    await world.until(lambda: "db__young" in (world.data() or {}))
    put_back(world, old, INCARNATION_STEP)
    world.node("db/younger", "1")
    await world.until_reason("SourceRegressed")
    await world.restart()
    await world.quiet()
    assert (world.data() or {})["db__young"] == b"1"
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.data() == {"a": b"1", "b": b"1", "db__x": b"1", "db__younger": b"1"})
    world.drop("db/younger")
    await world.until(lambda: world.data() == {"a": b"1", "b": b"1", "db__x": b"1"})


async def test_what_was_pushed_before_a_backup_was_put_back_is_pushed_again(world: World) -> None:
    await _synced(world)
    old = backup(world)
    world.edit(a="pushed")
    await world.until(lambda: world.at("a") == b"pushed")
    put_back(world, old)
    await world.until(lambda: world.at("a") == b"pushed")
    await world.until_in_sync()
    assert (world.data() or {})["a"] == b"pushed"


async def test_a_restored_backup_without_any_difference_is_told_all_the_same(world: World) -> None:
    await _synced(world)
    world.zk.restore(Tree())
    world.write(Create("/apps", b""), Create(ROOT, b""))
    for path in ("a", "b", "db/x"):
        world.node(path, "1")
    await world.until_reason("SourceRegressed")
    assert world.status()["pending"]["hash"]


async def test_a_change_after_the_base_is_no_restored_backup(world: World) -> None:
    await _synced(world)
    await world.stop()
    world.node("a", "2")
    world.drop("db/x")
    world.write(Delete(f"{ROOT}/b", -1), Create(f"{ROOT}/b", b"1"))
    await world.start()
    await world.until(lambda: world.data() == {"a": b"2", "b": b"1"})
    await world.until_in_sync()


async def test_keys_in_conflict_are_no_restored_backup_once_others_have_flowed(world: World) -> None:
    await _synced(world)
    await world.stop()
    world.node("a", "theirs")
    world.edit(a="mine")
    await world.start()
    await world.until_reason("Conflict")
    world.node("b", "2")
    await world.until(lambda: (world.data() or {})["b"] == b"2")
    await world.restart()
    await world.until_reason("Conflict")
    world.node("a", "theirs again")
    await world.quiet()
    assert world.ready() == ("False", "Conflict")


async def test_a_copied_tree_with_its_ledger_is_another_history_and_not_silence(world: World) -> None:
    """A logical restore makes every znode anew, the ledger too, whose entries name transactions yet to come."""
    await _synced(world)
    for value in (b"push %d" % number for number in range(20)):
        world.edit(a=value.decode())
        await world.until(partial(lambda wanted: world.at("a") == wanted, value))
    source, copied = world.zk.tree, Tree()
    for path in sorted(source.walk(), key=len):
        if path != "/" and not path.startswith("/zookeeper"):
            copied.commit([Create(path, source.get(path, SUPER).data)], SUPER)
    world.zk.restore(copied)
    await world.until_reason("SourceRegressed")


async def test_an_unreadable_root_is_unknown_and_its_loss_later_deletes_nothing(world: World) -> None:
    await _synced(world)
    world.zk.set_acl(ROOT, (Acl(31, "digest", "nobody:x"),))
    world.zk.disconnect()
    await world.until_reason("Forbidden")
    await world.quiet()
    world.zk.set_acl(ROOT, (Acl(31, "world", "anyone"),))
    world.write(*(Delete(f"{ROOT}/{path}", -1) for path in ("a", "b", "db/x", "db")), Delete(ROOT, -1))
    world.zk.disconnect()
    await world.until_reason("SourceMissing")
    await world.quiet()
    assert world.data() == {"a": b"1", "b": b"1", "db__x": b"1"}


async def test_deletions_of_a_replaced_root_stay_held_while_its_keys_flow(world: World) -> None:
    await _synced(world)
    world.write(*(Delete(f"{ROOT}/{path}", -1) for path in ("a", "b", "db/x", "db")), Delete(ROOT, -1))
    world.write(Create(ROOT, b""), Create(f"{ROOT}/a", b"new"))
    await world.until_reason("DeletionsHeld")
    await world.until(lambda: (world.data() or {})["a"] == b"new")
    world.write(Set(f"{ROOT}/a", b"newer", -1))
    await world.until(lambda: (world.data() or {})["a"] == b"newer")
    await world.restart()
    await world.quiet()
    assert world.ready() == ("False", "DeletionsHeld")
    assert world.data() == {"a": b"newer", "b": b"1", "db__x": b"1"}
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.data() == {"a": b"newer"})
    await world.until_in_sync()


SEEDS = (
    Seed(
        "a restored backup is recognised by its values",
        replaced(plan, "is_reverted", lambda *_: False),
        (in_world(test_a_restored_backup_reverts_nothing_without_approval, direction="TwoWay"),),
    ),
    Seed(
        "a restored backup is recognised by its absences",
        replaced(guard, "_newest_above", lambda *_: 1 << 62),
        (in_world(test_a_restored_backup_deletes_nothing_that_is_younger_than_it),),
    ),
    Seed(
        "a restore of the operator is recognised by its epoch",
        replaced(guard, "incarnation_of", lambda _: 0),
        (in_world(test_a_restore_of_the_operator_is_recognised_whatever_is_written_after_it),),
    ),
    Seed(
        "a key in conflict is no sign of a restored backup",
        replaced(steps, "_unsettled", lambda *_: frozenset()),
        (in_world(test_keys_in_conflict_are_no_restored_backup_once_others_have_flowed),),
    ),
    Seed(
        "a replaced root is remembered while deletions are held",
        replaced(steps, "_held_roots", lambda *_: frozenset()),
        (in_world(test_deletions_of_a_replaced_root_stay_held_while_its_keys_flow),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
