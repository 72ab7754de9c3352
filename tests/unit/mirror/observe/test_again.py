"""What nobody tells of is looked at again: permissions, credentials, watches, a restored API server."""

import base64
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from kazoo.security import make_digest_acl_credential

from tests.support.fakes.zk import FakeZk
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import FAST, NAMESPACE, ROOT, SUPER, World, running
from zkoperator.kube.port import CONFIG_MAPS, EVENTS, SECRETS, ZOOKEEPER_CLUSTERS
from zkoperator.mirror.observe import subtree
from zkoperator.mirror.observe.config_map_cache import ConfigMapCache
from zkoperator.zk.port import Acl, Committed, Create, Delete, Operation, Set

EVERYBODY = (Acl(31, "world", "anyone"),)
NOBODY = (Acl(31, "digest", "nobody:x"),)


def _owned_by(user: str, password: str) -> tuple[Acl, ...]:
    return (Acl(31, "digest", str(make_digest_acl_credential(user, password))),)


def _secret(world: World, password: str) -> None:
    data = {"username": base64.b64encode(b"shop").decode(), "password": base64.b64encode(password.encode()).decode()}
    if world.kube.peek(SECRETS, NAMESPACE, "shop-zk") is not None:
        world.kube.edit(SECRETS, NAMESPACE, "shop-zk", {"data": data})
        return
    meta = {"name": "shop-zk", "namespace": NAMESPACE}
    world.kube.put(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})


@pytest.fixture
async def outside() -> AsyncIterator[World]:
    async with running(dataclasses.replace(FAST, allowed_hosts=("out",), reread_s=0.2)) as world:
        world.loop._resync_s = 0.2
        world.tree(a="1")
        yield world


SOURCE = {"hosts": "out:2181", "credentialsSecret": "shop-zk"}


async def test_a_permission_that_is_granted_is_noticed_while_connected(world: World) -> None:
    world.tree(a="1", private="seen")
    world.zk.set_acl(f"{ROOT}/private", NOBODY)
    world.sync()
    await world.until_reason("Forbidden")
    world.zk.set_acl(f"{ROOT}/private", EVERYBODY)
    await world.until(lambda: world.data() == {"a": b"1", "private": b"seen"})
    await world.until_in_sync()


async def test_a_wrong_password_is_corrected_while_connected(outside: World) -> None:
    outside.write(Create(f"{ROOT}/private", b"seen"))
    outside.zk.set_acl(f"{ROOT}/private", _owned_by("shop", "right"))
    _secret(outside, "wrong")
    outside.sync(zookeeper=SOURCE, direction="ZooKeeperToConfigMap")
    await outside.until_reason("Forbidden")
    _secret(outside, "right")
    await outside.until(lambda: outside.data() == {"a": b"1", "private": b"seen"})
    await outside.until_in_sync()


async def test_a_rotated_credential_is_a_new_session_at_the_slow_resync(outside: World) -> None:
    _secret(outside, "old")
    outside.sync(zookeeper=SOURCE, direction="ZooKeeperToConfigMap")
    await outside.until_in_sync()
    _secret(outside, "new")
    outside.zk.set_acl(f"{ROOT}/a", _owned_by("shop", "new"))
    outside.write(Set(f"{ROOT}/a", b"2", -1))
    await outside.until(lambda: outside.data() == {"a": b"2"})
    assert len(outside.pool) == 1


async def test_a_change_that_no_watch_has_told_is_found_at_the_slow_resync(outside: World) -> None:
    _secret(outside, "any")
    outside.sync(zookeeper=SOURCE, direction="ZooKeeperToConfigMap")
    await outside.until_in_sync()
    for client in outside.zk._clients:
        client.watched.clear()
    outside.node("a", "2")
    outside.write(Create(f"{ROOT}/b", b"1"))
    await outside.until(lambda: outside.data() == {"a": b"2", "b": b"1"})


async def test_comparing_a_tree_reads_no_value_and_keeps_the_picture(outside: World) -> None:
    _secret(outside, "any")
    outside.sync(zookeeper=SOURCE, direction="ZooKeeperToConfigMap")
    await outside.until_in_sync()
    await outside.quiet()
    gets, stats = outside.zk.served["get"], outside.zk.served.get("exists", 0)
    await outside.until(lambda: outside.zk.served.get("exists", 0) > stats + 4)
    assert outside.zk.served["get"] == gets
    assert outside.ready() == ("True", "InSync")


async def test_a_cluster_that_vanishes_is_told_while_connected(world: World) -> None:
    world.tree(a="1")
    key = world.sync()
    await world.until_in_sync()
    world.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    world.reconciler.cluster_changed(key._replace(name="main"))
    await world.until_reason("ClusterNotFound")


async def test_members_that_come_and_go_cost_no_session_while_there_is_a_connection(world: World) -> None:
    world.tree(a="1")
    key = world.sync()
    await world.until_in_sync()
    before = list(world.zk._clients)
    hosts = {"status": {"hosts": "main:2181,more:2181"}}
    world.kube.edit(ZOOKEEPER_CLUSTERS, NAMESPACE, "main", hosts, subresource="status")
    world.reconciler.cluster_changed(key._replace(name="main"))
    await world.quiet()
    assert world.zk._clients == before


def _backup(world: World) -> dict[str, object]:
    found = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert found is not None
    return {"data": found["data"], "metadata": {"annotations": found["metadata"]["annotations"]}}


async def test_a_restored_api_server_reverts_and_deletes_no_znode(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync()
    await world.until_in_sync()
    backup, version = _backup(world), world.kube._version
    world.edit(a="2", later="1")
    await world.until(lambda: (world.at("a"), world.at("later")) == (b"2", b"1"))
    await world.until_in_sync()
    await world.stop()
    world.kube._version = version - 50
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {**backup, "data": {"later": None, "a": "1"}})
    for kind in world.kube._kinds.values():
        kind.log.clear()
        kind.compacted = 0
    await world.start()
    await world.until(lambda: world.data() == {"a": b"2", "b": b"1", "later": b"1"})
    assert (world.at("a"), world.at("later")) == (b"2", b"1")
    await world.until_in_sync()
    world.edit(a="3")
    await world.until(lambda: world.at("a") == b"3")


async def _pushed(world: World, **keys: str) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.edit(**keys)
    await world.until_in_sync()
    await world.quiet()


@pytest.mark.parametrize("key", ["secret", "secret__x"])
async def test_a_znode_that_was_hidden_when_it_came_holds_its_own_key_alone(world: World, key: str) -> None:
    await _pushed(world, b="1")
    world.write(Create(f"{ROOT}/secret", b"theirs", NOBODY))
    await world.quiet()
    world.edit(**{key: "mine", "a": "2"})
    await world.until(lambda: world.at("a") == b"2")
    await world.until_reason("Forbidden")
    assert world.message().startswith("secret: ")
    assert world.at("secret") == b"theirs"
    world.zk.set_acl(f"{ROOT}/secret", EVERYBODY)
    await world.until(lambda: world.at("secret/x") == b"mine" or world.ready() == ("False", "Conflict"))


async def test_a_parent_that_hides_a_child_stays_and_the_others_go_on(world: World) -> None:
    await _pushed(world, db__x="1")
    world.write(Create(f"{ROOT}/db/secret", b"theirs", NOBODY))
    await world.quiet()
    world.edit(db__x=None, a="2")
    await world.until(lambda: (world.at("db/x"), world.at("a")) == (None, b"2"))
    assert world.at("db/secret") == b"theirs"


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "changed"])
async def test_a_push_that_a_lost_notification_stops_reads_what_it_was_about(world: World, *, deleted: bool) -> None:
    await _pushed(world, db__x="1")
    for client in world.zk._clients:
        client.watched.clear()
    world.write(*((Delete(f"{ROOT}/db/x", -1), Delete(f"{ROOT}/db", -1)) if deleted else (Set(f"{ROOT}/a", b"9", -1),)))
    world.edit(a="2", b="2", db__y="2")
    await world.until(lambda: (world.at("b"), world.at("db/y")) == (b"2", b"2"))
    assert world.at("a") == (b"2" if deleted else b"9")


async def test_a_push_that_loses_a_race_reads_no_subtree_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await _pushed(world, b="1")
    original = FakeZk.multi
    lost: list[Sequence[Operation]] = []

    async def race(self: FakeZk, ops: Sequence[Operation]) -> Committed:
        if not lost:
            lost.append(ops)
            world.write(Set(f"{ROOT}/b", b"1", -1))
        return await original(self, ops)

    monkeypatch.setattr(FakeZk, "multi", race)
    before = world.zk.served["children"]
    world.edit(b="2")
    await world.until(lambda: world.at("b") == b"2")
    await world.until_in_sync()
    assert (len(lost), world.zk.served["children"]) == (1, before)


def _version(number: str) -> dict[str, object]:
    return {"metadata": {"name": "shop", "uid": "1", "resourceVersion": number}}


def _must_read(target: ConfigMapCache, now_s: float) -> bool:
    target.newest(_version("12"), now_s)
    return target.must_read


def test_an_informer_that_lags_for_a_minute_is_not_waited_for() -> None:
    target = ConfigMapCache()
    target.wrote("10", _version("14"), 0.0)
    assert target.newest(_version("12"), 59.0) == _version("14")
    assert _must_read(target, 59.0) is False
    assert _must_read(target, 61.0) is True
    target.wrote("12", _version("12"), 61.0)
    assert target.newest(_version("12"), 61.0) == _version("12")


async def test_a_recreated_znode_that_a_push_deletes_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody deletes it and creates it again, at the same version, between the read and the deletion."""
    world.tree(a="1", keep="1")
    world.sync()
    await world.until_in_sync()
    original = FakeZk.multi

    async def race(self: FakeZk, ops: Sequence[Operation]) -> Committed:
        if world.at("a") == b"1":
            world.zk.tree.commit([Delete(f"{ROOT}/a", -1), Create(f"{ROOT}/a", b"theirs")], SUPER)
        return await original(self, ops)

    monkeypatch.setattr(FakeZk, "multi", race)
    world.edit(a=None)
    await world.until(lambda: world.at("a") is None)
    await world.until(lambda: any(event["reason"] == "Overwrote" for event in world.kube.every(EVENTS)))
    assert any(f"{ROOT}/a" in event["note"] for event in world.kube.every(EVENTS))


@pytest.mark.parametrize("direction", ["TwoWay", "ZooKeeperToConfigMap"])
async def test_a_restart_that_finds_nothing_new_writes_nothing(world: World, direction: str) -> None:
    world.tree(a="1")
    world.sync(direction=direction)
    await world.until_in_sync()
    await world.quiet()
    told = world.status()
    world.write(Create("/elsewhere", b""))
    await world.restart()
    world.kube.operations.clear()
    watches = world.zk.served.get("add_watch", 0)
    await world.until(lambda: world.zk.served.get("add_watch", 0) > watches)
    await world.quiet(100)
    assert [operation for operation in world.kube.operations if operation.is_write] == []
    assert world.status() == told


async def test_a_change_that_changes_no_key_moves_the_zxid(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    await world.quiet()
    before = world.status()["zxid"]
    world.write(Set(f"{ROOT}/a", b"1", -1))
    await world.until(lambda: int(world.status()["zxid"], 16) > int(before, 16))


async def _not_verified(_self: Any, _path: str) -> None:
    return None


SEEDS = (
    Seed(
        "a znode at which a push was refused is read again",
        replaced(subtree.Subtree, "verify_at", _not_verified),
        (in_world(test_a_parent_that_hides_a_child_stays_and_the_others_go_on),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
