"""What must never delete or overwrite anything: each accident has its result and its reason."""

from functools import partial

import pytest

from tests.support.fakes.zk import FakeZk
from tests.support.fakes.zk_tree import Tree
from tests.support.worlds.mirror import NAMESPACE, ROOT, World, cluster
from zkoperator.errors import FieldError, ForbiddenError, InvalidError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, ZOOKEEPER_CLUSTERS
from zkoperator.zk.port import Acl, Create, Delete

DATA = {"a": b"1", "b": b"1", "db__x": b"1"}


async def _synced(world: World, **spec: object) -> None:
    world.tree(a="1", b="1", db__x="1")
    world.sync(**spec)
    await world.until_in_sync()


async def test_a_vanished_root_deletes_nothing_whatever_its_size(world: World) -> None:
    await _synced(world)
    world.write(*(Delete(f"{ROOT}/{path}", -1) for path in ("a", "b", "db/x", "db")), Delete(ROOT, -1))
    await world.until_reason("SourceMissing")
    await world.quiet()
    assert world.data() == DATA
    assert world.znode(ROOT) is None


async def test_a_root_that_came_back_empty_deletes_nothing_without_approval(world: World) -> None:
    await _synced(world)
    world.write(*(Delete(f"{ROOT}/{path}", -1) for path in ("a", "b", "db/x", "db")), Delete(ROOT, -1))
    world.write(Create(ROOT, b""))
    await world.until_reason("DeletionsHeld")
    assert world.data() == DATA
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.data() == {})
    await world.until_in_sync()


@pytest.mark.parametrize("direction", ["ZooKeeperToConfigMap", "TwoWay"])
async def test_a_wiped_ensemble_is_recognised_and_nothing_is_written(world: World, direction: str) -> None:
    await _synced(world, direction=direction)
    world.zk.restore(Tree())
    world.write(Create("/apps", b""), Create(ROOT, b""), Create(f"{ROOT}/a", b"other"))
    await world.until_reason("SourceRegressed")
    await world.quiet()
    assert world.data() == DATA
    assert world.at("b") is None
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.data() == {"a": b"other"})
    await world.until_in_sync()
    world.edit(a="again")
    await world.until(lambda: world.at("a") == (b"other" if direction == "ZooKeeperToConfigMap" else b"again"))


async def test_a_lost_ledger_means_another_ensemble_and_stops_everything(world: World) -> None:
    await _synced(world)
    await world.stop()
    uid = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")["metadata"]["uid"]  # type: ignore[index]
    world.write(Delete(f"/zkoperator/configsyncs/{uid}", -1), Delete(f"{ROOT}/a", -1))
    await world.start()
    await world.until_reason("SourceRegressed")
    assert world.data() == DATA


async def test_a_lost_session_deletes_nothing(world: World) -> None:
    await _synced(world)
    world.zk.down()
    for _ in range(3):
        await world.restart()
    await world.quiet()
    assert world.data() == DATA
    world.zk.up()
    world.node("a", "2")
    await world.until(lambda: (world.data() or {})["a"] == b"2")


async def test_a_znode_that_may_not_be_read_is_kept_and_named(world: World) -> None:
    await _synced(world)
    world.zk.set_acl(f"{ROOT}/db", (Acl(31, "digest", "nobody:x"),))
    world.zk.disconnect()
    await world.until_reason("Forbidden")
    assert "db" in world.message()
    assert world.data() == DATA
    world.node("a", "2")
    await world.until(lambda: world.data() == {**DATA, "a": b"2"})


async def test_a_znode_that_may_not_be_written_is_named_and_the_others_go_on(world: World) -> None:
    await _synced(world)
    world.zk.set_acl(f"{ROOT}/a", (Acl(1, "world", "anyone"),))
    world.edit(a="2", b="2")
    await world.until(lambda: world.at("b") == b"2")
    await world.until_reason("Forbidden")
    assert world.message().startswith("a:")
    assert world.at("a") == b"1"


async def test_a_deleted_config_map_is_created_again_and_deletes_no_znode(world: World) -> None:
    await _synced(world)
    world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")
    await world.until(lambda: world.data() == DATA)
    assert world.at("a") == b"1"


async def test_a_lost_base_is_a_union_in_which_differences_are_held(world: World) -> None:
    await _synced(world)
    await world.stop()
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": None}, "data": {"b": None, "a": "x"}})
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": {"common": None}}, subresource="status")
    world.drop("db/x")
    await world.start()
    await world.until_reason("BaseLost")
    # For a moment `db` is an empty leaf, and so a key.
    await world.until(lambda: world.data() == {"a": b"x", "b": b"1", "db__x": b"1"})
    assert (world.at("a"), world.at("db/x")) == (b"1", b"1")
    await world.restart()
    await world.until_reason("BaseLost")
    world.annotate(resolve="a=configmap")
    await world.until_in_sync()
    assert world.at("a") == b"x"


async def test_a_config_map_without_the_label_is_not_touched_and_the_command_is_told(world: World) -> None:
    world.tree(a="1")
    world.config_map(label=None, mine="1")
    world.sync()
    await world.until_reason("TargetNotAdopted")
    assert "kubectl label configmap -n demo shop zkoperator.dev/sync=shop" in world.message()
    assert (world.data(), world.at("mine")) == ({"mine": b"1"}, None)
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"labels": {"zkoperator.dev/sync": "shop"}}})
    await world.until(lambda: world.data() == {"a": b"1", "mine": b"1"})


async def test_a_removed_label_stops_all_writes_and_deletes_nothing(world: World) -> None:
    await _synced(world)
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"labels": {"zkoperator.dev/sync": None}}})
    await world.until_reason("TargetNotAdopted")
    world.node("a", "2")
    world.edit(b="2")
    await world.quiet()
    assert (world.data(), world.at("b")) == ({**DATA, "b": b"2"}, b"1")


async def test_a_controlled_config_map_is_not_touched(world: World) -> None:
    world.tree(a="1")
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1", "controller": True}
    world.config_map(mine="1")
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"ownerReferences": [owner]}})
    world.sync()
    await world.until_reason("TargetOwned")
    assert "Deployment web" in world.message()
    assert (world.data(), world.at("mine")) == ({"mine": b"1"}, None)


async def test_two_config_syncs_never_share_a_config_map(world: World) -> None:
    await _synced(world)
    world.write(Create("/apps/other", b""), Create("/apps/other/z", b"1"))
    world.sync("other", path="/apps/other", configMap={"name": "shop"})
    await world.until_reason("TargetOwned", "other")
    assert world.data() == DATA
    assert world.znode("/apps/other/a") is None


@pytest.mark.parametrize("path", ["/apps/shop", "/apps", "/apps/shop/db"])
async def test_overlapping_subtrees_have_one_pusher(world: World, path: str) -> None:
    await _synced(world)
    world.sync("second", path=path)
    await world.until_reason("SourceClaimed", "second")
    assert "demo/shop" in world.message("second")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until_in_sync("second")


async def test_the_claim_of_a_dead_config_sync_is_taken_over(world: World) -> None:
    await _synced(world)
    await world.stop()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    world.sync("second")
    await world.start()
    await world.until_in_sync("second")


async def test_a_config_sync_that_was_deleted_and_created_again_deletes_nothing(world: World) -> None:
    await _synced(world)
    await world.stop()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    world.edit(a=None)
    world.drop("b")
    world.sync()
    await world.start()
    await world.until_in_sync()
    assert world.data() == DATA
    assert (world.at("a"), world.at("b")) == (b"1", b"1")


async def test_an_unknown_outcome_of_a_push_is_neither_lost_nor_doubled(world: World) -> None:
    from tests.support.fakes.zk import Fault

    await _synced(world)
    for fault in (Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.EXPIRE_AFTER):
        world.zk.inject(fault, "multi")
        world.edit(a=fault.name)
        await world.until(partial(lambda wanted: world.at("a") == wanted, fault.name.encode()))
        await world.until_in_sync()
        world.edit(a="1")
        await world.until(lambda: world.at("a") == b"1")
    assert world.data() == DATA


async def test_a_lost_answer_of_a_config_map_write_is_looked_up(world: World) -> None:
    from zkoperator.errors import UnknownOutcomeError

    await _synced(world)
    lost: list[object] = []

    def lose(operation: object) -> None:
        if getattr(operation, "verb", "") == "patch" and getattr(operation, "name", "") == "shop" and not lost:
            lost.append(operation)
            raise UnknownOutcomeError("no answer")

    world.kube.after = lose
    world.node("a", "2")
    await world.until(lambda: world.data() == {**DATA, "a": b"2"} and bool(lost))
    world.edit(a="3")
    await world.until(lambda: world.at("a") == b"3")
    await world.until_in_sync()


async def test_a_missing_cluster_is_told_and_found_once_it_is_there(world: World) -> None:
    world.tree(a="1")
    world.sync(zookeeper={"clusterRef": {"name": "later"}})
    await world.until_reason("ClusterNotFound")
    world.kube.put(ZOOKEEPER_CLUSTERS, cluster("later"))
    await world.until_in_sync()


async def test_a_forbidden_config_map_is_told(world: World) -> None:
    await _synced(world)

    def refuse(operation: object) -> None:
        if getattr(operation, "verb", "") == "patch" and operation.resource.plural == "configmaps":  # type: ignore[attr-defined]
            raise ForbiddenError("may not patch configmaps")

    world.kube.before = refuse
    world.node("a", "2")
    await world.until_reason("Forbidden")
    world.kube.before = lambda _: None
    await world.until(lambda: (world.data() or {})["a"] == b"2")
    await world.until_in_sync()


async def test_a_disconnected_ensemble_is_told_after_a_moment(world: World) -> None:
    await _synced(world)
    world.zk.down()
    await world.until_reason("Disconnected")
    assert world.condition("Connected") == ("False", "Disconnected")
    assert "zk:2181: the fake server is down" in world.message(), "the message names host and cause"
    world.zk.up()
    await world.until_in_sync()
    assert world.condition("Connected") == ("True", "Connected")


async def test_an_ensemble_that_cannot_be_followed_is_told_and_asked_rarely(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def refuse(_self: FakeZk, path: str, *, recursive: bool = True) -> None:
        asked.append(path)
        raise InvalidError((FieldError("zookeeper", "the server is older than 3.6"),))

    monkeypatch.setattr(FakeZk, "add_watch", refuse)
    world.tree(a="1")
    world.sync()
    await world.until_reason("Disconnected")
    assert "older than 3.6" in world.message()
    await world.quiet()
    assert len(asked) < 10
    monkeypatch.undo()
    await world.until_in_sync()


async def test_an_edited_source_is_followed_from_then_on(world: World) -> None:
    await _synced(world)
    world.spec(zookeeper={"clusterRef": {"name": "later"}})
    await world.until_reason("ClusterNotFound")
    world.node("a", "2")
    await world.quiet()
    assert world.data() == DATA
    world.spec(zookeeper={"clusterRef": {"name": "main"}})
    await world.until(lambda: world.data() == {**DATA, "a": b"2"})
    await world.until_in_sync()
