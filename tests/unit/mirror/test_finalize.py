"""The end of a ConfigSync: what was asked for is deleted, nobody else's is, and no namespace hangs."""

import asyncio
import base64
import dataclasses
from typing import Any

import pytest

from tests.support.worlds.mirror import FAST, NAMESPACE, ROOT, SUPER, World, running, sync_is_gone, znodes_left
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, SECRETS, ZOOKEEPER_CLUSTERS
from zkoperator.mirror.model.names import CLAIMS
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.both_sides import BothSides
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.observer import Observer
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.port import Acl

SOURCE = {"hosts": "out:2181", "credentialsSecret": "shop-zk"}


def _secret(world: World) -> None:
    data = {key: base64.b64encode(b"x").decode() for key in ("username", "password")}
    meta = {"name": "shop-zk", "namespace": NAMESPACE}
    world.kube.put(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})


async def test_a_config_map_that_somebody_controls_by_now_is_not_deleted(world: World) -> None:
    world.tree(a="1")
    world.sync(onDelete="DeleteConfigMap")
    await world.until_in_sync()
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1", "controller": True}
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"ownerReferences": [owner]}})
    await world.until_reason("TargetOwned")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: sync_is_gone(world))
    assert world.data() == {"a": b"1"}


@pytest.mark.parametrize("lost", ["secret", "permission"])
async def test_a_place_that_is_lost_for_good_lets_the_object_go_after_telling(lost: str) -> None:
    settings = dataclasses.replace(FAST, allowed_hosts=("out",))
    async with running(settings) as world:
        _secret(world)
        world.tree(a="1")
        world.sync(zookeeper=SOURCE, onDelete="DeleteZnodes")
        await world.until_in_sync()
        await world.stop()
        if lost == "secret":
            world.kube.remove(SECRETS, NAMESPACE, "shop-zk")
        else:
            world.settings = FAST
        world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
        told: list[Any] = []
        patch = world.kube.patch

        async def note(*arguments: Any, **options: Any) -> Any:
            told.append(arguments[3])
            return await patch(*arguments, **options)

        world.kube.patch = note  # type: ignore[method-assign]
        await world.start()
        await world.until(lambda: sync_is_gone(world))
        assert any(lost_reason in str(told) for lost_reason in ("CredentialsNotFound", "HostNotAllowed"))
        assert ROOT in znodes_left(world)[0]
        assert world.at("a") == b"1"


async def test_a_cluster_that_is_gone_lets_the_object_go_and_says_what_is_left(world: World) -> None:
    world.tree(a="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    await world.stop()
    world.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: sync_is_gone(world))
    assert ROOT in znodes_left(world)[0]


async def test_a_secret_that_goes_first_does_not_stop_the_deletion_on_a_connection_that_is_there() -> None:
    async with running(dataclasses.replace(FAST, allowed_hosts=("out",))) as world:
        _secret(world)
        world.tree(a="1")
        key = world.sync(zookeeper=SOURCE, onDelete="DeleteZnodes")
        await world.until_in_sync()
        await world.quiet()
        world.reconciler._states.of(key).sides.subscription.doubt_endpoint()
        world.kube.remove(SECRETS, NAMESPACE, "shop-zk")
        world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
        await world.until(lambda: sync_is_gone(world))
        assert world.at("a") is None
        assert not znodes_left(world)


async def test_znodes_that_may_not_be_deleted_are_named_and_the_others_go(world: World) -> None:
    world.tree(a="1", db__x="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.zk.set_acl(f"{ROOT}/db", (Acl(31 - 8, "world", "anyone"),))
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: sync_is_gone(world))
    assert (world.at("a"), world.at("db/x")) == (None, b"1")
    assert "what may not be deleted: db/x" in znodes_left(world)[0]


async def test_one_that_only_pulls_deletes_its_znodes_and_leaves_no_ledger(world: World) -> None:
    world.tree(a="1", db__x="1")
    world.sync(direction="ZooKeeperToConfigMap", onDelete="DeleteZnodes")
    await world.until_in_sync()
    assert world.znode("/zkoperator") is None
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: sync_is_gone(world))
    assert (world.at("a"), world.at("db/x")) == (None, None)
    assert world.zk.tree.children("/zkoperator/configsyncs", SUPER).names == ()
    assert world.zk.tree.children(CLAIMS, SUPER).names == ()


async def test_one_that_only_pulls_deletes_nothing_of_another_that_pushes(world: World) -> None:
    world.tree(a="1")
    world.sync("owner")
    await world.until_in_sync("owner")
    world.sync(direction="ZooKeeperToConfigMap", onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: sync_is_gone(world))
    assert world.at("a") == b"1"
    assert "demo/owner" in znodes_left(world)[0]


async def test_a_ledger_that_is_lost_again_and_again_does_not_make_the_end_flood_the_ensemble(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tree(a="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    observe = Observer.observe

    async def forgetful(self: Observer, sync: ValidatedSync, sides: BothSides) -> Observed | Waiting:
        sides.ledger.forget()
        return await observe(self, sync, sides)

    monkeypatch.setattr(Observer, "observe", forgetful)
    before = world.zk.served["multi"]
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await asyncio.sleep(0.5)
    assert 0 < world.zk.served["multi"] - before <= 10


@pytest.mark.parametrize("policy", ["DeleteConfigMap", "DeleteZnodes"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"metadata": {"annotations": {"zkoperator.dev/resolve": "nonsense"}}},
        {"spec": {"deletionGuard": {"maxKeys": -1}, "conflictPolicy": "Ask", "rollout": "all", "mode": "Off"}},
        {"spec": {"direction": "Sideways", "keys": {"ephemerals": "Maybe"}}},
        {"spec": {"keys": {"ephemerals": "Include"}}},
    ],
    ids=["an-annotation", "policies", "a-direction", "a-rule"],
)
async def test_what_the_end_does_not_need_may_be_wrong(world: World, policy: str, wrong: dict[str, Any]) -> None:
    world.tree(a="1", b="1")
    world.sync(onDelete=policy, keys={"include": ["a"]})
    await world.until_in_sync()
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", wrong)
    await world.until_reason("InvalidSpec")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: sync_is_gone(world))
    assert (world.data() is None) == (policy == "DeleteConfigMap")
    assert (world.at("a") is None) == (policy == "DeleteZnodes")
    assert world.at("b") == b"1"


async def test_a_status_that_another_version_wrote_does_not_hold_up_the_end(world: World) -> None:
    world.tree(a="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    await world.stop()
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": {"keys": "many"}}, subresource="status")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: sync_is_gone(world))
    assert world.at("a") is None


@pytest.mark.parametrize("keys", [{"include": []}, "all"], ids=str)
async def test_patterns_that_cannot_be_read_delete_nothing_until_they_can(world: World, keys: object) -> None:
    world.tree(a="1", b="1")
    world.sync(onDelete="DeleteZnodes", keys={"include": ["a"]})
    await world.until_in_sync()
    world.spec(keys=keys)
    await world.until_reason("InvalidSpec")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.quiet()
    assert (world.at("a"), sync_is_gone(world)) == (b"1", False)
    world.spec(keys={"include": ["a"]})
    await world.until(lambda: sync_is_gone(world))
    assert (world.at("a"), world.at("b")) == (None, b"1")


async def test_hosts_that_are_none_let_the_object_go_after_telling(world: World) -> None:
    world.tree(a="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.spec(zookeeper={"clusterRef": None, "hosts": "out:99999"})
    await world.until_reason("InvalidSpec")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: sync_is_gone(world))
    assert "all znodes" in znodes_left(world)[0]
