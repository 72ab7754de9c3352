"""Keys that are parents of others, with values that are empty: none of them is lost, and no edit of one is invented."""

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator.kube.port import CONFIG_MAPS, DEPLOYMENTS
from zkoperator.mirror.model import merge_base, selected_znodes
from zkoperator.mirror.model.selected_znodes import _CONTAINER_OWNER, is_empty_parent
from zkoperator.mirror.plan import decisions, push
from zkoperator.mirror.plan.push import _Builder as Builder
from zkoperator.zk.port import Create, Set
from zkoperator.zk.snapshot import Znode, digest_of

IN_SYNC = ("True", "InSync")


@pytest.mark.parametrize("value", ["x", "y"])
async def test_a_value_that_became_empty_beside_a_new_child_is_the_base_of_the_next_edit(
    world: World, value: str
) -> None:
    world.tree(a="x", other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a="", a__b="1")
    await world.until(lambda: (world.at("a"), world.at("a/b")) == (b"", b"1"))
    await world.quiet()
    world.node("a", value)
    await world.until(lambda: (world.data() or {})["a"] == value.encode())
    await world.quiet()
    assert (world.ready(), world.at("a")) == (IN_SYNC, value.encode())


async def test_an_empty_key_of_an_empty_root_gives_way_to_what_others_write_there(world: World) -> None:
    world.tree(a="1")
    world.sync(conflictPolicy="PreferConfigMap")
    await world.until_in_sync()
    world.edit(__root="")
    await world.quiet()
    world.write(Set(ROOT, b"theirs", -1))
    await world.until(lambda: (world.data() or {})["__root"] == b"theirs")
    await world.quiet()
    assert (world.ready(), world.at("")) == (IN_SYNC, b"theirs")


async def test_an_edit_of_an_empty_key_arrives_though_its_leaf_has_become_a_parent(world: World) -> None:
    world.tree(a="", other="1")
    world.sync(conflictPolicy="PreferZooKeeper")
    await world.until_in_sync()
    await world.stop()
    world.node("a/b", "1")
    world.edit(a="mine")
    await world.start()
    await world.until(lambda: world.at("a") == b"mine")
    await world.until(lambda: world.data() == {"a": b"mine", "a__b": b"1", "other": b"1"})


async def test_an_empty_key_stays_when_the_config_map_adds_one_below_it(world: World) -> None:
    world.tree(other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a="")
    await world.until(lambda: world.at("a") == b"")
    await world.quiet()
    world.edit(a__b="1")
    await world.until(lambda: world.at("a/b") == b"1")
    await world.quiet()
    assert world.data() == {"a": b"", "a__b": b"1", "other": b"1"}


async def test_with_retain_no_key_is_deleted_because_its_znode_has_become_an_empty_parent(world: World) -> None:
    world.tree(leaf="", parent="x", parent__b="1")
    world.sync(deletionPolicy="Retain")
    await world.until_in_sync()
    world.node("leaf/b", "1")
    world.edit(parent="")
    await world.until(lambda: "leaf__b" in (world.data() or {}) and world.at("parent") == b"")
    await world.quiet()
    assert {key: (world.data() or {}).get(key) for key in ("leaf", "parent")} == {"leaf": b"", "parent": b""}


@pytest.mark.parametrize(("key", "path"), [("a", "a"), ("__root", "")])
async def test_a_key_of_a_parent_that_is_deleted_and_made_again_is_no_restored_backup(
    world: World, key: str, path: str
) -> None:
    world.tree(a="x", a__b="1")
    world.write(Set(ROOT, b"x", -1))
    world.sync()
    await world.until_in_sync()
    world.edit(**{key: None})
    await world.until(lambda: world.at(path) == b"")
    await world.quiet()
    world.edit(**{key: "v"})
    await world.until(lambda: world.at(path) == b"v")
    await world.until_in_sync()


async def _emptied_parent(world: World) -> None:
    """The key of a parent is deleted while it has a child."""
    world.tree(a="x", a__b="1", other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a=None)
    await world.until(lambda: world.at("a") == b"")
    await world.quiet()


async def test_a_last_child_that_goes_after_its_parents_key_is_no_restored_backup(world: World) -> None:
    await _emptied_parent(world)
    world.drop("a/b")
    await world.until(lambda: world.data() == {"other": b"1"})
    await world.until_in_sync()
    assert world.at("a") == b""


async def test_a_parent_whose_key_was_deleted_goes_with_the_last_child_that_is_deleted(world: World) -> None:
    await _emptied_parent(world)
    world.edit(a__b=None)
    await world.until(lambda: world.at("a") is None)
    await world.quiet()
    assert (world.ready(), world.data()) == (IN_SYNC, {"other": b"1"})


async def test_an_empty_parent_and_its_child_that_are_deleted_together_are_both_gone(world: World) -> None:
    world.tree(other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a="", a__b="1")
    await world.until(lambda: world.at("a/b") == b"1")
    await world.quiet()
    world.edit(a=None, a__b=None)
    await world.until(lambda: world.at("a") is None)
    await world.quiet()
    assert (world.ready(), world.data()) == (IN_SYNC, {"other": b"1"})


PULL, TWO_WAY = "ZooKeeperToConfigMap", "TwoWay"


async def _lock(world: World, path: str) -> None:
    """Take a lock as its recipe does, and give it back."""
    session = await world.connector().open(("main:2181",), None)
    await session.create(Create(f"{ROOT}/{path}/lock-0000000001", b"", ephemeral=True))
    await world.quiet()
    await session.close()
    await world.quiet()


@pytest.mark.parametrize("direction", [PULL, TWO_WAY])
async def test_a_lock_beside_the_configuration_is_no_key_and_restarts_nothing(world: World, direction: str) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "i"}]}}
    meta = {"name": "web", "namespace": NAMESPACE}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    world.kube.put(DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
    world.tree(a="1", leader__first="x")
    world.drop("leader/first")
    world.sync(direction=direction, rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(lambda: world.status().get("rollouts"))

    def writes() -> int:
        return sum(
            request.is_write and request.resource in (CONFIG_MAPS, DEPLOYMENTS) for request in world.kube.operations
        )

    before = writes()
    for _ in range(3):
        await _lock(world, "leader")
        assert world.data() == {"a": b"1"}
    assert writes() == before


async def test_the_last_key_below_a_parent_leaves_no_key_behind(world: World) -> None:
    world.tree(db__size="1", other="1")
    world.sync()
    await world.until_in_sync()
    world.drop("db/size")
    await world.until(lambda: world.data() == {"other": b"1"})
    await world.quiet()
    assert (world.ready(), world.data(), world.at("db")) == (IN_SYNC, {"other": b"1"}, b"")


async def test_an_empty_key_of_the_config_map_stays_whoever_comes_and_goes_below_its_znode(world: World) -> None:
    world.tree(other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(leader="")
    await world.until(lambda: world.at("leader") == b"")
    await world.quiet()
    await _lock(world, "leader")
    assert (world.ready(), world.data()) == (IN_SYNC, {"leader": b"", "other": b"1"})
    await world.restart()
    await world.quiet()
    world.edit(leader="x")
    await world.until(lambda: world.at("leader") == b"x")
    world.edit(leader=None)
    await world.until(lambda: world.at("leader") is None)


async def test_an_empty_value_that_is_pushed_causes_no_write_of_the_config_map(world: World) -> None:
    world.tree(a="x", a__b="1", other="1")
    world.sync()
    await world.until_in_sync()
    before = _writes_of_config_maps(world)
    world.edit(a="", leaf="", new="", new__below="1")
    await world.until(lambda: (world.at("a"), world.at("leaf"), world.at("new/below")) == (b"", b"", b"1"))
    await world.quiet()
    assert _writes_of_config_maps(world) == before


def _writes_of_config_maps(world: World) -> int:
    return sum(request.is_write and request.resource == CONFIG_MAPS for request in world.kube.operations)


async def test_an_empty_key_that_the_config_map_had_first_goes_with_its_znode(world: World) -> None:
    world.tree(other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(flag="")
    await world.until(lambda: world.at("flag") == b"")
    await world.quiet()
    world.drop("flag")
    await world.until(lambda: world.data() == {"other": b"1"})
    await world.until_in_sync()


async def test_an_empty_value_that_the_config_map_gave_to_a_parent_goes_with_its_znode(world: World) -> None:
    world.tree(a="x", a__b="1", other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a="", a__b=None)
    await world.until(lambda: (world.at("a"), world.at("a/b")) == (b"", None))
    await world.quiet()
    world.drop("a")
    await world.until(lambda: world.data() == {"other": b"1"})
    await world.quiet()
    assert (world.ready(), world.at("a")) == (IN_SYNC, None)


async def test_an_empty_key_that_comes_in_the_edit_that_deletes_the_last_key_below_it_stays(world: World) -> None:
    world.tree(other="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a__b="1")
    await world.until(lambda: world.at("a/b") == b"1")
    world.edit(a="", a__b=None)
    await world.until(lambda: world.at("a/b") is None)
    await world.quiet()
    assert (world.ready(), world.at("a"), world.data()) == (IN_SYNC, b"", {"a": b"", "other": b"1"})


async def test_an_empty_key_on_both_sides_at_first_stays_when_its_znode_becomes_a_parent(world: World) -> None:
    world.tree(leader="", other="1")
    world.config_map(leader="")
    world.sync()
    await world.until_in_sync()
    await _lock(world, "leader")
    assert (world.ready(), world.data()) == (IN_SYNC, {"leader": b"", "other": b"1"})


async def test_an_empty_leaf_that_gets_children_is_no_key_any_more(world: World) -> None:
    world.tree(leader="", other="1")
    world.sync()
    await world.until_in_sync()
    assert world.data() == {"leader": b"", "other": b"1"}
    await _lock(world, "leader")
    assert (world.ready(), world.data()) == (IN_SYNC, {"other": b"1"})


def _znode(*, owner: int = 0, pzxid: int = 5, children: int = 0) -> Znode:
    return Znode(digest_of(b""), b"", 5, 5, pzxid, 0, children, owner, 0)


def test_containers_and_whatever_had_children_are_empty_parents_while_they_have_no_data() -> None:
    assert is_empty_parent("leader", _znode(owner=_CONTAINER_OWNER))
    assert is_empty_parent("leader", _znode(owner=_CONTAINER_OWNER - (1 << 64)))
    assert is_empty_parent("leader", _znode(children=1))
    assert is_empty_parent("leader", _znode(pzxid=7))
    assert not is_empty_parent("leader", _znode())
    assert not is_empty_parent("leader", _znode(owner=_CONTAINER_OWNER)._replace(data_length=1))


def _without_pushed_empty_keys(digest: bytes | None) -> bytes | None:
    return None if digest == merge_base.EMPTY_PUSHED else digest


SEEDS = (
    Seed(
        "an empty parent whose key both sides had was deleted by somebody",
        rewritten(decisions, "_decide_key", "base = EMPTY_DIGEST\n    resolve", "base = None\n    resolve"),
        (in_world(test_an_empty_value_that_the_config_map_gave_to_a_parent_goes_with_its_znode),),
    ),
    Seed(
        "a parent whose key the ConfigMap has stays when its last child goes",
        replaced(Builder, "_is_prunable", lambda builder, path, znode: builder._is_childless(path, znode)),
        (in_world(test_an_empty_key_that_comes_in_the_edit_that_deletes_the_last_key_below_it_stays),),
    ),
    Seed(
        "a znode that is going to hold others is no key",
        replaced(selected_znodes, "holds_children", lambda znode: znode.num_children > 0),
        (
            in_world(
                test_a_lock_beside_the_configuration_is_no_key_and_restarts_nothing, direction="ZooKeeperToConfigMap"
            ),
        ),
    ),
    Seed(
        "an empty key that the ConfigMap had first is recorded as such",
        replaced(push, "EMPTY_PUSHED", merge_base.EMPTY_DIGEST),
        (in_world(test_an_empty_key_of_the_config_map_stays_whoever_comes_and_goes_below_its_znode),),
    ),
    Seed(
        "an empty key that both sides had is recorded as such",
        replaced(decisions, "_as_recorded", lambda _action, zookeeper, _rules: zookeeper),
        (in_world(test_an_empty_key_on_both_sides_at_first_stays_when_its_znode_becomes_a_parent),),
    ),
    Seed(
        "an empty key that was pushed goes with its znode",
        replaced(decisions, "value_digest", _without_pushed_empty_keys),
        (in_world(test_an_empty_key_that_the_config_map_had_first_goes_with_its_znode),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
