"""The end of a ConfigSync: what was asked for is deleted, nobody else's is, and no namespace hangs."""

import asyncio
import base64
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fakes.zk_tree import Tree
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.backups import backup, put_back
from tests.support.worlds.mirror import FAST, NAMESPACE, ROOT, SUPER, World, running
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, EVENTS, SECRETS, ZOOKEEPER_CLUSTERS
from zkoperator.mirror import finalize
from zkoperator.mirror.model.names import CLAIMS
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.both_sides import BothSides
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.observer import Observer
from zkoperator.mirror.plan import guard, push
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.port import Acl, Create, Delete

SOURCE = {"hosts": "out:2181", "credentialsSecret": "shop-zk"}


def _is_gone(world: World) -> bool:
    return world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None


def _left(world: World) -> list[str]:
    return [event["note"] for event in world.kube.every(EVENTS) if event["reason"] == "ZnodesLeft"]


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
    await world.until(lambda: _is_gone(world))
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
        await world.until(lambda: _is_gone(world))
        assert any(lost_reason in str(told) for lost_reason in ("CredentialsNotFound", "HostNotAllowed"))
        assert ROOT in _left(world)[0]
        assert world.at("a") == b"1"


async def test_a_cluster_that_is_gone_lets_the_object_go_and_says_what_is_left(world: World) -> None:
    world.tree(a="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    await world.stop()
    world.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: _is_gone(world))
    assert ROOT in _left(world)[0]


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
        await world.until(lambda: _is_gone(world))
        assert world.at("a") is None
        assert not _left(world)


async def test_znodes_that_may_not_be_deleted_are_named_and_the_others_go(world: World) -> None:
    world.tree(a="1", db__x="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.zk.set_acl(f"{ROOT}/db", (Acl(31 - 8, "world", "anyone"),))
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: _is_gone(world))
    assert (world.at("a"), world.at("db/x")) == (None, b"1")
    assert "what may not be deleted: db/x" in _left(world)[0]


async def test_one_that_only_pulls_deletes_its_znodes_and_leaves_no_ledger(world: World) -> None:
    world.tree(a="1", db__x="1")
    world.sync(direction="ZooKeeperToConfigMap", onDelete="DeleteZnodes")
    await world.until_in_sync()
    assert world.znode("/zkoperator") is None
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: _is_gone(world))
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
    await world.until(lambda: _is_gone(world))
    assert world.at("a") == b"1"
    assert "demo/owner" in _left(world)[0]


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


async def _synced_with_deletion(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()


async def _ends_without_a_deletion(world: World) -> None:
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: _is_gone(world))
    await world.quiet()
    assert world.at("a") == b"1"
    assert "all znodes" in _left(world)[0]


async def test_a_wiped_and_refilled_ensemble_is_left_as_it_is_and_told(world: World) -> None:
    await _synced_with_deletion(world)
    world.zk.restore(Tree())
    world.write(Create("/apps", b""), Create(ROOT, b""))
    world.node("a", "1")
    await world.until_reason("SourceRegressed")
    await _ends_without_a_deletion(world)
    assert world.data() == {"a": b"1", "b": b"1"}


async def test_an_ensemble_without_the_ledger_is_left_as_it_is_and_told(world: World) -> None:
    await _synced_with_deletion(world)
    await world.stop()
    found = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    assert found is not None
    world.write(Delete(f"/zkoperator/configsyncs/{found['metadata']['uid']}", -1))
    await world.start()
    await _ends_without_a_deletion(world)


async def test_a_replaced_root_is_left_as_it_is_and_told(world: World) -> None:
    await _synced_with_deletion(world)
    await world.stop()
    world.write(*(Delete(path, -1) for path in (f"{ROOT}/a", f"{ROOT}/b", ROOT)), Create(ROOT, b""))
    world.node("a", "1")
    await world.start()
    await _ends_without_a_deletion(world)


async def test_a_backup_that_was_put_back_is_left_as_it_is_and_told(world: World) -> None:
    await _synced_with_deletion(world)
    old = backup(world)
    world.node("b", "2")
    await world.until(lambda: (world.data() or {})["b"] == b"2")
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    await _ends_without_a_deletion(world)
    assert world.at("b") == b"1"


async def test_an_end_in_many_transactions_is_no_other_history(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "MAX_KEYS", 1)
    world.tree(a="1", b="1", db="x", db__size="1", db__user="2")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: _is_gone(world))
    assert not _left(world)
    assert [path for path in world.zk.tree.walk(ROOT) if world.znode(path)] == []


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
    await world.until(lambda: _is_gone(world))
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
    await world.until(lambda: _is_gone(world))
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
    assert (world.at("a"), _is_gone(world)) == (b"1", False)
    world.spec(keys={"include": ["a"]})
    await world.until(lambda: _is_gone(world))
    assert (world.at("a"), world.at("b")) == (None, b"1")


async def test_hosts_that_are_none_let_the_object_go_after_telling(world: World) -> None:
    world.tree(a="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.spec(zookeeper={"clusterRef": None, "hosts": "out:99999"})
    await world.until_reason("InvalidSpec")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: _is_gone(world))
    assert "all znodes" in _left(world)[0]


def _strip(world: World) -> None:
    """Replace the ConfigMap without its annotations."""
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": None}})


def _remove(world: World) -> None:
    """Delete the ConfigMap, as the end of a namespace does before the ConfigSync is looked at."""
    world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("lose", [_strip, _remove])
async def test_znodes_are_known_without_the_annotation_of_the_config_map(
    world: World, lose: Callable[[World], None], *, is_down: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "MAX_KEYS", 1)
    await _deleted_without_the_annotation(world, lose, is_down=is_down)


async def _deleted_without_the_annotation(world: World, lose: Callable[[World], None], *, is_down: bool) -> None:
    world.tree(a="1", b="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.edit(pushed="1")
    await world.until(lambda: world.at("pushed") == b"1")
    await world.until_in_sync()
    await world.quiet()
    if is_down:
        await world.stop()
    world.node("foreign", "1")
    lose(world)
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    if is_down:
        await world.start()
    await world.until(lambda: _is_gone(world))
    assert (world.at("a"), world.at("b"), world.at("pushed")) == (None, None, None)
    assert not is_down or world.at("foreign") == b"1"


async def test_znodes_of_which_nothing_is_known_any_more_are_told_with_the_command_that_removes_them(
    world: World,
) -> None:
    await _synced_with_deletion(world)
    await world.quiet()
    await world.stop()
    _strip(world)
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": {"common": None}}, subresource="status")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await _ends_without_a_deletion(world)
    assert f"kubectl exec -n demo main-zk-0 -- zkCli.sh -server localhost:2181 deleteall {ROOT}" in _left(world)[0]


async def test_the_command_is_for_the_port_that_takes_plaintext(world: World) -> None:
    await _synced_with_deletion(world)
    await world.quiet()
    await world.stop()
    _strip(world)
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": {"common": None}}, subresource="status")
    refused = {"status": {"endpoint": "main-zk.demo.svc.cluster.local:2281"}}
    world.kube.edit(ZOOKEEPER_CLUSTERS, NAMESPACE, "main", refused, subresource="status")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await _ends_without_a_deletion(world)
    assert "zkCli.sh -server localhost:2180 deleteall" in _left(world)[0]


async def test_keys_whose_names_were_edited_before_the_end_are_still_known(world: World) -> None:
    """The edit was seen by no pass: the znodes go all the same, and those that somebody has edited are told."""
    world.tree(db__url="1", db__user="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    await world.stop()
    world.node("db/user", "edited")
    world.spec(keys={"separator": "."})
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: _is_gone(world))
    assert (world.at("db/url"), world.at("db/user")) == (None, b"edited")
    assert "db/user" in _left(world)[0]


async def test_a_znode_that_somebody_has_edited_stays_and_is_told(world: World) -> None:
    await _synced_with_deletion(world)
    await world.stop()
    world.node("b", "edited")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: _is_gone(world))
    assert (world.at("a"), world.at("b")) == (None, b"edited")
    assert "what others have written since: b; " in str(_left(world))
    assert f"delete {ROOT}/b" in str(_left(world))


def _of_the_annotation(_sync: ValidatedSync, observed: Observed, _selected: object) -> object:
    return observed.base


SEEDS = (
    Seed(
        "keys are known by the names that they have",
        replaced(finalize, "_with_known_names", lambda sync, _: sync),
        (in_world(test_keys_whose_names_were_edited_before_the_end_are_still_known),),
    ),
    Seed(
        "the command is for a port that is open",
        replaced(finalize, "shell_port", lambda _: 2181),
        (in_world(test_the_command_is_for_the_port_that_takes_plaintext),),
    ),
    Seed(
        "the base is known without the annotation",
        replaced(finalize, "base_in_effect", _of_the_annotation),
        (in_world(_deleted_without_the_annotation, lose=_strip, is_down=True),),
    ),
    Seed(
        "what stays behind is told",
        replaced(finalize, "some_left", lambda *_: ""),
        (in_world(test_a_znode_that_somebody_has_edited_stays_and_is_told),),
    ),
    Seed(
        "znodes of another history are not deleted at the end",
        replaced(finalize, "history_of", lambda *_: guard.History.SAME),
        (in_world(test_a_replaced_root_is_left_as_it_is_and_told),),
    ),
    Seed(
        "znodes of a restored backup are not deleted at the end",
        replaced(finalize, "_is_another_history", lambda *_: False),
        (in_world(test_a_backup_that_was_put_back_is_left_as_it_is_and_told),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
