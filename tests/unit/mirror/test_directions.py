"""Pull, push and both: what a change on one side does to the other."""

from functools import partial

import pytest

from tests.support.worlds.mirror import NAMESPACE, ROOT, SUPER, World
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.model.merge_base import decode_base
from zkoperator.zk.port import Create, Delete, Set


async def test_the_tree_becomes_a_labelled_config_map_stamped_with_its_zxid(world: World) -> None:
    world.tree(a="1", db__pool_size="10")
    zxid = world.zk.zxid
    world.sync(direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    assert world.data() == {"a": b"1", "db__pool_size": b"10"}
    meta = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")["metadata"]  # type: ignore[index]
    assert meta["labels"]["zkoperator.dev/sync"] == "shop"
    assert int(meta["annotations"]["zkoperator.dev/zxid"], 16) >= zxid
    assert "ownerReferences" not in meta
    assert world.status()["keys"] == 2
    assert world.status()["bytes"] == 3


@pytest.mark.parametrize("direction", ["ZooKeeperToConfigMap", "TwoWay"])
async def test_setting_creating_and_deleting_znodes_appears(world: World, direction: str) -> None:
    world.tree(a="1", b="1", c="1")
    world.sync(direction=direction)
    await world.until_in_sync()
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2", "b": b"1", "c": b"1"})
    world.node("d/e", "3")
    await world.until(lambda: world.data() == {"a": b"2", "b": b"1", "c": b"1", "d__e": b"3"})
    world.drop("b")
    await world.until(lambda: world.data() == {"a": b"2", "c": b"1", "d__e": b"3"})


async def test_a_multi_is_seen_whole_or_not_at_all(world: World) -> None:
    keys = [f"k{number}" for number in range(50)]
    world.tree(**dict.fromkeys(keys, "0"))
    world.sync(direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    seen: set[frozenset[bytes]] = set()
    for generation in range(1, 20):
        world.write(*(Set(f"{ROOT}/{key}", str(generation).encode(), -1) for key in keys))
        for _ in range(12):
            await world.quiet(1)
            seen.add(frozenset((world.data() or {}).values()))
    assert all(len(values) == 1 for values in seen)
    await world.until(lambda: set((world.data() or {}).values()) == {b"19"})


async def test_one_change_costs_one_read_and_one_write_in_a_large_tree(world: World) -> None:
    world.tree(**{f"k{number}": "0" for number in range(1000)})
    world.sync(direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    await world.quiet()
    world.kube.operations.clear()
    served = dict(world.zk.served)
    world.node("k500", "1")
    await world.until(lambda: (world.data() or {})["k500"] == b"1")
    reads = {name: count - served.get(name, 0) for name, count in world.zk.served.items()}
    assert {name: count for name, count in reads.items() if count} == {"get": 1}
    assert [(item.verb, item.resource.plural) for item in world.kube.operations] == [("patch", "configmaps")]


async def test_nothing_is_asked_of_either_side_while_nothing_changes(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    await world.quiet()
    world.kube.operations.clear()
    served = dict(world.zk.served)
    await world.quiet(50)
    assert not world.kube.operations
    assert world.zk.served == served


async def test_edits_of_the_config_map_become_one_transaction_without_an_echo(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync()
    await world.until_in_sync()
    await world.quiet()
    before = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    world.edit(a="2", b=None, new__deep__key="3")
    edited = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    await world.until(lambda: world.at("a") == b"2")
    assert (world.at("b"), world.at("new/deep/key")) == (None, b"3")
    await world.quiet()
    after = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert before is not None
    assert edited is not None
    assert after is not None
    assert after["metadata"]["resourceVersion"] == edited["metadata"]["resourceVersion"]
    zxids = {world.zk.tree.get(f"{ROOT}/{path}", SUPER).stat.mzxid for path in ("a", "new/deep/key")}
    assert len(zxids) == 1


async def test_parents_made_by_a_push_go_with_their_last_child_and_foreign_ones_stay(world: World) -> None:
    world.tree(theirs__x="1", keep="1")
    world.sync()
    await world.until_in_sync()
    world.edit(ours__deep__x="1")
    await world.until(lambda: world.at("ours/deep/x") == b"1")
    await world.quiet()
    world.edit(ours__deep__x=None)
    await world.until(lambda: world.at("ours") is None)
    world.edit(theirs__x=None)
    await world.until(lambda: world.at("theirs/x") is None)
    assert world.at("theirs") == b""


async def test_deleting_the_key_of_a_parent_empties_it_and_keeps_its_children(world: World) -> None:
    world.tree(db="data", db__x="1")
    world.sync()
    await world.until_in_sync()
    assert world.data() == {"db": b"data", "db__x": b"1"}
    world.edit(db=None)
    await world.until(lambda: world.at("db") == b"")
    assert world.at("db/x") == b"1"
    await world.quiet()
    assert world.data() == {"db__x": b"1"}


async def test_children_and_parent_deleted_in_one_edit_go_in_one_transaction(world: World) -> None:
    world.tree(db="data", db__x="1", keep="1")
    world.sync()
    await world.until_in_sync()
    world.edit(db=None, db__x=None)
    await world.until(lambda: world.at("db") is None)
    assert world.at("keep") == b"1"


async def test_a_pull_only_mirror_reverts_drift_and_leaves_foreign_keys_alone(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync(direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    world.edit(a="drift", b=None, foreign="mine")
    await world.until(lambda: world.data() == {"a": b"1", "b": b"1", "foreign": b"mine"})
    assert (world.at("a"), world.at("foreign")) == (b"1", None)


async def test_a_push_only_mirror_restores_znodes_and_leaves_foreign_ones_alone(world: World) -> None:
    world.config_map(a="1", b="1")
    world.sync(direction="ConfigMapToZooKeeper")
    await world.until(lambda: world.at("b") == b"1")
    await world.until_in_sync()
    world.node("a", "drift")
    world.node("foreign", "theirs")
    world.drop("b")
    await world.until(lambda: (world.at("a"), world.at("b")) == (b"1", b"1"))
    assert world.at("foreign") == b"theirs"
    assert world.data() == {"a": b"1", "b": b"1"}


async def test_a_first_push_creates_the_root_and_everything_above(world: World) -> None:
    world.config_map(a="1")
    world.sync(path="/brand/new/root", direction="ConfigMapToZooKeeper")
    await world.until(lambda: world.znode("/brand/new/root/a") == b"1")
    await world.until_in_sync()


async def test_zxids_never_decrease_across_restarts_and_switches_of_the_server(world: World) -> None:
    world.tree(a="0")
    world.sync()
    await world.until_in_sync()
    zxids = []
    for number in range(1, 8):
        world.node("a", str(number))
        if number % 2:
            world.zk.disconnect()
        else:
            await world.restart()
        await world.until(partial(lambda wanted: (world.data() or {}).get("a") == wanted, str(number).encode()))
        zxids.append(_annotated_zxid(world))
    assert zxids == sorted(zxids)


async def test_root_data_binary_and_empty_values_travel_both_ways(world: World) -> None:
    world.tree(empty="", raw=b"\xff\x00")
    world.write(Set(ROOT, b"root", -1))
    world.sync()
    await world.until_in_sync()
    assert world.data() == {"__root": b"root", "empty": b"", "raw": b"\xff\x00"}
    world.node("raw", "now text")
    await world.until(lambda: (world.data() or {})["raw"] == b"now text")
    manifest = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert manifest is not None
    assert "raw" not in (manifest.get("binaryData") or {})
    world.edit(__root="changed", empty="full", blank="")
    await world.until(lambda: world.at("blank") == b"")
    assert (world.at(""), world.at("empty")) == (b"changed", b"full")


async def test_a_change_while_disconnected_is_found_after_the_reconnect(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync()
    await world.until_in_sync()
    world.zk.down()
    world.node("a", "2")
    world.drop("b")
    world.edit(c="3")
    await world.quiet()
    assert world.data() == {"a": b"1", "b": b"1", "c": b"3"}
    world.zk.up()
    await world.until(lambda: world.data() == {"a": b"2", "c": b"3"})
    await world.until(lambda: world.at("c") == b"3")


async def test_a_recreated_znode_is_an_edit(world: World) -> None:
    world.tree(a="1", keep="1")
    world.sync()
    await world.until_in_sync()
    world.write(Delete(f"{ROOT}/a", -1), Create(f"{ROOT}/a", b"2"))
    await world.until(lambda: world.data() == {"a": b"2", "keep": b"1"})


async def test_the_base_travels_with_the_data(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    manifest = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert manifest is not None
    base = decode_base(manifest["metadata"]["annotations"]["zkoperator.dev/base"])
    assert base is not None
    assert set(base.digests) == {"a"}
    assert base.zxid == _annotated_zxid(world)


def _annotated_zxid(world: World) -> int:
    manifest = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert manifest is not None
    return int(manifest["metadata"]["annotations"]["zkoperator.dev/zxid"], 16)
