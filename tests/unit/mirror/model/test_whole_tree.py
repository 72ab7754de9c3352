"""The whole tree of an ensemble as one ConfigMap: `path: /`, pulled without the trees of ZooKeeper and the operator."""

import pytest

from tests.support.fakes.zk_tree import Tree
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.backups import backup, put_back
from tests.support.worlds.mirror import World
from zkoperator.mirror.model import roots
from zkoperator.mirror.observe import subtree
from zkoperator.mirror.plan import guard
from zkoperator.zk.port import Create, Delete, Set

PULL = "ZooKeeperToConfigMap"
WHOLE = {"apps__shop__a": b"1", "top": b"1"}


async def _pulled(world: World, **spec: object) -> None:
    world.tree(a="1")
    world.write(Create("/top", b"1"), Create("/zkoperator", b"ours"), Create("/zkoperator/x", b"1"))
    world.sync(path="/", direction=PULL, **spec)
    await world.until_in_sync()


async def test_the_whole_tree_is_pulled_without_the_reserved_ones(world: World) -> None:
    await _pulled(world)
    assert world.data() == WHOLE
    world.write(Set("/zkoperator/x", b"2", -1), Create("/zookeeper/y", b"1"), Create("/new", b"1"))
    await world.until(lambda: world.data() == {**WHOLE, "new": b"1"})
    world.node("a", "2")
    await world.until(lambda: world.data() == {"apps__shop__a": b"2", "top": b"1", "new": b"1"})


async def test_reserved_trees_cost_neither_memory_nor_wakes(world: World) -> None:
    await _pulled(world)
    world.write(*(Create(f"/zkoperator/n{number}", b"x" * 100) for number in range(20)))
    await world.quiet()
    snapshot = next(iter(world.reconciler._states.values())).sides.subscription.snapshot
    assert snapshot is not None
    assert [path for path in snapshot.nodes if path.startswith(("zkoperator", "zookeeper"))] == []


async def test_the_data_of_the_root_itself_is_a_key(world: World) -> None:
    await _pulled(world)
    world.write(Set("/", b"root", -1))
    await world.until(lambda: (world.data() or {}).get("__root") == b"root")


async def test_a_wiped_ensemble_deletes_nothing_of_the_whole_tree(world: World) -> None:
    """Its zxids are lower: the czxid of / proves nothing, it is 0 everywhere."""
    await _pulled(world)
    await world.stop()
    world.zk.restore(Tree())
    world.write(Create("/other", b"1"))
    await world.start()
    await world.until_reason("SourceRegressed")
    assert world.data() == WHOLE


async def test_another_ensemble_with_higher_zxids_deletes_nothing_of_the_whole_tree(world: World) -> None:
    await _pulled(world)
    await world.stop()
    put_back(world, Tree())
    world.write(Create("/other", b"1"))
    await world.start()
    await world.until_reason("DeletionsHeld")
    assert world.data() == {**WHOLE, "other": b"1"}
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.data() == {"other": b"1"})
    await world.until_in_sync()


async def test_a_backup_that_was_put_back_is_recognised_in_the_whole_tree(world: World) -> None:
    await _pulled(world)
    old = backup(world)
    world.write(Set("/top", b"2", -1))
    await world.until(lambda: (world.data() or {})["top"] == b"2")
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    assert (world.data() or {})["top"] == b"2"


async def test_the_oldest_znode_below_the_root_may_go_like_any_other(world: World) -> None:
    """It is one of the proofs that the tree is the same: another one is left."""
    await _pulled(world)
    world.write(Delete("/apps/shop/a", -1), Delete("/apps/shop", -1), Delete("/apps", -1))
    await world.until(lambda: world.data() == {"top": b"1"})
    await world.until_in_sync()
    await world.restart()
    await world.quiet()
    assert world.ready() == ("True", "InSync")


async def test_a_znode_of_a_session_proves_nothing(world: World) -> None:
    session = world.zk.session()
    await session.create(Create("/live", b"1", ephemeral=True))
    await _pulled(world)
    await session.close()
    world.write(Set("/top", b"2", -1))
    await world.until(lambda: (world.data() or {}).get("top") == b"2")
    await world.until_in_sync()


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"direction": "TwoWay"}, "spec.zookeeper.path"),
        ({"direction": "ConfigMapToZooKeeper"}, "spec.zookeeper.path"),
        ({"direction": PULL, "onDelete": "DeleteZnodes"}, "spec.onDelete"),
    ],
)
async def test_the_whole_tree_is_neither_pushed_nor_deleted(world: World, spec: dict[str, str], field: str) -> None:
    world.tree(a="1")
    world.sync(path="/", **spec)
    await world.until_reason("InvalidSpec")
    assert field in world.message()
    assert world.znode("/apps/shop/a") == b"1"


SEEDS = (
    Seed(
        "the trees of ZooKeeper and the operator are not read",
        replaced(subtree, "RESERVED_NAMES", frozenset()),
        (in_world(test_reserved_trees_cost_neither_memory_nor_wakes),),
    ),
    Seed(
        "the znodes below / prove that the ensemble is the same",
        replaced(roots, "_proofs", lambda snapshot: frozenset({snapshot.root_czxid})),
        (in_world(test_another_ensemble_with_higher_zxids_deletes_nothing_of_the_whole_tree),),
    ),
    Seed(
        "one znode below / that is left is proof enough",
        replaced(roots, "_MOST", 1),
        (in_world(test_the_oldest_znode_below_the_root_may_go_like_any_other),),
    ),
    Seed(
        "the history of / is compared although its czxid is 0",
        replaced(guard, "roots_of", lambda _: {}),
        (in_world(test_another_ensemble_with_higher_zxids_deletes_nothing_of_the_whole_tree),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
