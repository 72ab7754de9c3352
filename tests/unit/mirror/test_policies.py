"""Conflicts, adoption, deletions, flapping: what is decided, what waits, and who may say so."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.models.adoptions import ADOPTIONS, KEYS, ZNODES, znodes_after
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, ROOT, SUPER, World
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.failures import Request, translate
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror import reconcile
from zkoperator.mirror.model.names import APPROVE_ANNOTATION
from zkoperator.mirror.plan import decisions, merge, plan, steps
from zkoperator.zk.port import Create, Delete, Set


async def _conflict(world: World, **spec: object) -> None:
    """Both sides of `a` edited differently while the operator is away."""
    world.tree(a="base", other="1")
    world.sync(**spec)
    await world.until_in_sync()
    await world.stop()
    world.node("a", "theirs")
    world.edit(a="mine")
    await world.start()


async def test_an_edit_on_both_sides_is_held_with_both_values_while_the_rest_flows(world: World) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    world.node("other", "2")
    await world.until(lambda: (world.data() or {})["other"] == b"2")
    assert (world.at("a"), (world.data() or {})["a"]) == (b"theirs", b"mine")
    status = world.status()
    assert status["conflictCount"] == 1
    conflict = status["conflicts"][0]
    assert (conflict["key"], conflict["path"], conflict["manager"]) == ("a", "a", "kubectl-edit")
    assert conflict["zookeeper"] != conflict["configMap"]
    assert world.condition("Conflicted") == ("True", "Conflict")
    assert "theirs" not in str(status)
    assert "mine" not in str(status)


@pytest.mark.parametrize(("side", "value"), [("zookeeper", b"theirs"), ("configmap", b"mine")])
async def test_a_resolution_settles_the_conflict_and_is_used_up(world: World, side: str, value: bytes) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    world.annotate(resolve=f"a={side}")
    await world.until_in_sync()
    await world.until(lambda: (world.at("a"), (world.data() or {})["a"]) == (value, value))
    await world.until(lambda: "zkoperator.dev/resolve" not in _annotations(world))
    assert world.status()["conflictCount"] == 0


async def test_a_resolution_never_settles_an_edit_that_came_after_it(world: World) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    await world.stop()
    world.annotate(resolve="a=zookeeper")
    world.edit(a="later")
    await world.start()
    await world.until(lambda: "zkoperator.dev/resolve" not in _annotations(world))
    await world.quiet()
    assert (world.at("a"), world.data()) == (b"theirs", {"a": b"later", "other": b"1"})
    assert world.ready() == ("False", "Conflict")


async def test_a_resolution_loses_each_key_as_it_is_settled(world: World) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    world.annotate(resolve="a=configmap,other=zookeeper")
    await world.until_in_sync()
    await world.until(lambda: "zkoperator.dev/resolve" not in _annotations(world))
    await world.stop()
    world.node("other", "theirs")
    world.edit(other="mine")
    await world.start()
    await world.until_reason("Conflict")
    await world.quiet()
    assert (world.data() or {})["other"] == b"mine"


async def test_a_resolution_of_more_than_one_transaction_is_carried_out_whole(world: World) -> None:
    keys = [f"k{number:04}" for number in range(1200)]
    world.tree(**dict.fromkeys(keys, "1"))
    world.sync()
    await world.until_in_sync()
    await world.stop()
    for key in keys:
        world.node(key, "theirs")
    world.edit(**dict.fromkeys(keys, "mine"))
    await world.start()
    await world.until_reason("Conflict")
    world.annotate(resolve=",".join(f"{key}=configmap" for key in keys))
    await world.until(lambda: world.at(keys[0]) == world.at(keys[-1]) == b"mine", within_s=30)
    await world.until_in_sync()
    assert {world.at(key) for key in keys} == {b"mine"}


async def test_editing_one_side_to_the_other_value_ends_the_conflict(world: World) -> None:
    await _conflict(world)
    await world.until_reason("Conflict")
    world.edit(a="theirs")
    await world.until_in_sync()
    world.edit(a="later")
    await world.until(lambda: world.at("a") == b"later")


@pytest.mark.parametrize(("policy", "value"), [("PreferZooKeeper", b"theirs"), ("PreferConfigMap", b"mine")])
async def test_a_preference_decides_a_conflict(world: World, policy: str, value: bytes) -> None:
    await _conflict(world, conflictPolicy=policy)
    await world.until(lambda: (world.at("a"), (world.data() or {})["a"]) == (value, value))
    await world.until_in_sync()


async def test_the_same_edit_on_both_sides_is_no_conflict(world: World) -> None:
    world.tree(a="base")
    world.sync()
    await world.until_in_sync()
    await world.stop()
    world.node("a", "same")
    world.edit(a="same")
    await world.start()
    await world.quiet()
    assert world.ready() == ("True", "InSync")
    world.edit(a="later")
    await world.until(lambda: world.at("a") == b"later")


async def test_deleted_here_and_edited_there_is_a_conflict_in_which_the_edit_survives(world: World) -> None:
    world.tree(a="base", b="base")
    world.sync()
    await world.until_in_sync()
    await world.stop()
    world.drop("a")
    world.edit(a="edited", b=None)
    world.node("b", "edited")
    await world.start()
    await world.until_reason("Conflict")
    assert world.status()["conflictCount"] == 2
    assert world.data() == {"a": b"edited"}
    assert world.at("b") == b"edited"


@pytest.mark.parametrize(("policy", "reason", "expected"), ADOPTIONS)
async def test_adoption_of_an_existing_config_map(
    world: World, policy: str, reason: str, expected: dict[str, bytes]
) -> None:
    world.tree(**ZNODES)
    world.config_map(**KEYS)
    world.sync(adoptionPolicy=policy)
    await world.until(lambda: world.ready()[1] == reason)
    await world.until(lambda: world.data() == expected)
    assert {name: world.at(name) for name in ("mine", "differs")} == znodes_after(policy)


@pytest.mark.parametrize("policy", ["PreferZooKeeper", "PreferConfigMap"])
async def test_an_adoption_of_more_than_one_transaction_is_carried_out_whole(world: World, policy: str) -> None:
    keys = [f"k{number:04}" for number in range(1500)]
    world.tree(**dict.fromkeys(keys, "zk"))
    world.config_map(**dict.fromkeys(keys, "cm"))
    world.sync(adoptionPolicy=policy)
    wanted = b"zk" if policy == "PreferZooKeeper" else b"cm"
    await world.until(lambda: set((world.data() or {}).values()) == {world.at(keys[0])} == {wanted}, within_s=30)
    await world.until_in_sync()
    assert {world.at(key) for key in keys} == {wanted}


async def test_an_adoption_that_is_interrupted_between_its_writes_goes_on(world: World) -> None:
    world.tree(a="zk", b="zk")
    world.config_map(a="cm", b="cm")

    def cut(operation: object) -> None:
        if getattr(operation, "verb", "") == "patch" and operation.resource is CONFIG_MAPS:  # type: ignore[attr-defined]
            world.zk.down()

    world.kube.after = cut
    world.sync(adoptionPolicy="PreferConfigMap")
    await world.until(lambda: not world.zk.is_up)
    world.kube.after = lambda _: None
    assert (world.at("a"), world.at("b")) == (b"zk", b"zk")
    await world.restart()
    world.zk.up()
    await world.until(lambda: (world.at("a"), world.at("b")) == (b"cm", b"cm"))
    await world.until_in_sync()


async def test_an_adoption_policy_does_not_decide_later_conflicts(world: World) -> None:
    await _conflict(world, adoptionPolicy="PreferZooKeeper")
    await world.until_reason("Conflict")


async def test_what_an_adoption_has_settled_is_a_key_like_any_other_afterwards(world: World) -> None:
    world.tree(k="theirs", other="1")
    world.config_map(k="mine", other="1")
    world.sync(adoptionPolicy="PreferConfigMap")
    await world.until_in_sync()
    world.edit(k=None)
    await world.until(lambda: world.at("k") is None)
    await world.quiet()
    await world.stop()
    world.node("k", "again theirs")
    world.edit(k="again mine")
    await world.start()
    await world.until_reason("Conflict")
    assert (world.at("k"), (world.data() or {})["k"]) == (b"again theirs", b"again mine")


async def test_an_adoption_policy_that_is_changed_later_stops_nothing(world: World) -> None:
    world.tree(k="theirs", other="1")
    world.config_map(k="mine", other="1")
    world.sync(adoptionPolicy="PreferConfigMap")
    await world.until_in_sync()
    world.spec(adoptionPolicy="RequireEqual")
    await world.quiet()
    world.edit(other="2")
    await world.until(lambda: world.at("other") == b"2")


async def test_a_detached_key_stays_so_until_its_value_is_really_written(world: World) -> None:
    world.tree(k="old", other="1", fill="b" * 700_000)
    world.sync(deletionPolicy="Retain", conflictPolicy="PreferConfigMap")
    await world.until_in_sync()
    world.drop("k")
    await world.until_in_sync()
    await world.quiet()
    world.node("k", "n" * 600_000)
    await world.until_reason("TooLarge")
    world.node("other", "2")
    await world.until(lambda: (world.data() or {})["other"] == b"2")
    await world.quiet()
    assert world.at("k") == b"n" * 600_000


async def test_retained_keys_are_detached_and_stay_so_across_restarts(world: World) -> None:
    world.tree(a="1", b="1", keep="1")
    world.sync(deletionPolicy="Retain")
    await world.until_in_sync()
    world.drop("a")
    world.edit(b=None)
    await world.quiet()
    await world.restart()
    world.edit(a="edited while detached")
    await world.quiet()
    assert (world.at("a"), world.at("b")) == (None, b"1")
    assert world.data() == {"a": b"edited while detached", "keep": b"1"}
    assert world.ready() == ("True", "InSync")
    world.edit(b="again")
    await world.until(lambda: world.at("b") == b"again")


async def test_a_detached_key_follows_again_once_it_is_created_again(world: World) -> None:
    world.tree(a="1", keep="1")
    world.sync(deletionPolicy="Retain")
    await world.until_in_sync()
    world.drop("a")
    await world.quiet()
    world.node("a", "2")
    await world.until(lambda: (world.data() or {})["a"] == b"2")
    world.edit(a="3")
    await world.until(lambda: world.at("a") == b"3")


async def test_a_mass_deletion_waits_for_its_approval_while_other_keys_flow(world: World) -> None:
    world.tree(**{f"k{number}": "1" for number in range(10)})
    world.sync()
    await world.until_in_sync()
    world.write(*(Delete(f"{ROOT}/k{number}", -1) for number in range(6)))
    await world.until_reason("DeletionsHeld")
    world.node("k9", "2")
    await world.until(lambda: (world.data() or {})["k9"] == b"2")
    assert len(world.data() or {}) == 10
    pending = world.status()["pending"]
    assert (pending["creates"], pending["updates"], pending["deletes"]) == (0, 0, 6)
    assert world.condition("DeletionsHeld") == ("True", "DeletionsHeld")
    world.annotate(approve_deletions="0123456789abcdef")
    await world.quiet()
    assert len(world.data() or {}) == 10
    world.annotate(approve_deletions=pending["hash"])
    await world.until(lambda: len(world.data() or {}) == 4)
    await world.until_in_sync()
    assert world.condition("DeletionsHeld") == ("False", "NothingHeld")
    assert "pending" not in world.status()


async def test_an_approval_is_used_up_and_the_same_loss_later_waits_again(world: World) -> None:
    keys = [f"k{number}" for number in range(10)]
    world.tree(**dict.fromkeys(keys, "1"))
    world.sync()
    await world.until_in_sync()
    world.write(*(Delete(f"{ROOT}/{key}", -1) for key in keys[:6]))
    await world.until_reason("DeletionsHeld")
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: len(world.data() or {}) == 4)
    await world.until(lambda: "zkoperator.dev/approve-deletions" not in _annotations(world))
    for key in keys[:6]:
        world.node(key, "1")
    await world.until(lambda: len(world.data() or {}) == 10)
    world.write(*(Delete(f"{ROOT}/{key}", -1) for key in keys[:6]))
    await world.until_reason("DeletionsHeld")
    await world.quiet()
    assert len(world.data() or {}) == 10


async def test_an_approval_is_void_once_the_plan_has_changed(world: World) -> None:
    world.tree(**{f"k{number}": "1" for number in range(10)})
    world.sync()
    await world.until_in_sync()
    world.edit(**dict.fromkeys((f"k{number}" for number in range(6)), None))
    await world.until_reason("DeletionsHeld")
    approved = world.status()["pending"]["hash"]
    world.edit(k7=None)
    await world.until(lambda: world.status()["pending"]["deletes"] == 7)
    world.annotate(approve_deletions=approved)
    await world.quiet()
    assert world.at("k0") == b"1"
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.at("k0") is None)


async def test_fewer_than_five_deletions_do_not_wait_while_keys_are_left(world: World) -> None:
    world.tree(a="1", b="1", c="1", d="1", keep="1")
    world.sync()
    await world.until_in_sync()
    world.write(*(Delete(f"{ROOT}/{name}", -1) for name in "abcd"))
    await world.until(lambda: world.data() == {"keep": b"1"})


async def _rivals(world: World) -> None:
    """Two clients, one on each side, revert one another until the key is held with both of their values."""
    world.tree(a="zk", other="1")
    world.sync()
    await world.until_in_sync()
    for _ in range(8):
        if world.ready()[1] == "Flapping":
            break
        world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": {"a": "cm"}}, manager="rival")
        await world.quiet(8)
        if world.at("a") == b"cm":
            world.node("a", "zk")
        await world.quiet(8)
    await world.until_reason("Flapping")
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": {"a": "cm"}}, manager="rival")
    world.node("a", "zk")
    await world.quiet(8)


async def test_rivals_on_both_sides_are_recognised_held_and_named(world: World) -> None:
    await _rivals(world)
    assert "a" in world.message()
    assert world.status()["conflicts"][0]["manager"] == "rival"
    world.node("other", "2")
    await world.until(lambda: (world.data() or {})["other"] == b"2")


@pytest.mark.parametrize(("side", "value"), [("zookeeper", b"zk"), ("configmap", b"cm")])
async def test_a_resolution_of_a_flapping_key_takes_the_side_that_it_names(
    world: World, side: str, value: bytes
) -> None:
    await _rivals(world)
    assert (world.at("a"), (world.data() or {})["a"]) == (b"zk", b"cm")
    world.annotate(resolve=f"a={side}")
    await world.until(lambda: (world.at("a"), (world.data() or {})["a"]) == (value, value))
    await world.until_in_sync()


async def test_a_rival_that_keeps_editing_a_mirror_is_held(world: World) -> None:
    world.tree(a="zk")
    world.sync(direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    for _ in range(8):
        if world.ready()[1] == "Flapping":
            break
        world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": {"a": "cm"}}, manager="rival")
        await world.quiet(6)
    await world.until_reason("Flapping")
    assert world.status()["conflicts"][0]["manager"] == "rival"


async def test_a_client_that_toggles_a_value_on_one_side_is_not_flapping(world: World) -> None:
    world.tree(a="on")
    world.sync()
    await world.until_in_sync()
    for number in range(12):
        value = "off" if number % 2 == 0 else "on"
        world.node("a", value)
        await world.until(partial(lambda wanted: world.data() == wanted, {"a": value.encode()}))
    assert world.ready() == ("True", "InSync")


async def test_a_dry_run_shows_its_plan_and_writes_nothing(world: World) -> None:
    world.tree(a="1", b="1")
    world.config_map(a="2", c="1")
    world.sync(mode="DryRun", adoptionPolicy="PreferZooKeeper")
    await world.until_reason("DryRun")
    pending = world.status()["pending"]
    assert (pending["creates"], pending["updates"], pending["deletes"]) == (2, 1, 0)
    assert world.data() == {"a": b"2", "c": b"1"}
    assert world.at("c") is None
    assert world.znode("/zkoperator") is None
    world.spec(mode="Active")
    await world.until(lambda: world.data() == {"a": b"1", "b": b"1", "c": b"1"})


async def test_pausing_stops_all_writes_until_it_is_active_again(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.spec(mode="Paused")
    await world.until_reason("Paused")
    world.node("a", "2")
    world.edit(b="1")
    await world.until(lambda: world.status()["pending"]["updates"] == 1)
    assert (world.data(), world.at("b")) == ({"a": b"1", "b": b"1"}, None)
    world.spec(mode="Active")
    await world.until(lambda: (world.data(), world.at("b")) == ({"a": b"2", "b": b"1"}, b"1"))


@pytest.mark.parametrize("policy", ["Retain", "DeleteConfigMap", "DeleteZnodes"])
async def test_the_end_of_a_config_sync(world: World, policy: str) -> None:
    world.tree(a="1", db__x="1")
    world.sync(onDelete=policy)
    await world.until_in_sync()
    finalizers = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")["metadata"].get("finalizers", [])  # type: ignore[index]
    assert finalizers == ([] if policy == "Retain" else ["zkoperator.dev/configsync"])
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None)
    await world.quiet()
    assert (world.data() is None) == (policy == "DeleteConfigMap")
    assert (world.at("a") is None) == (policy == "DeleteZnodes")
    assert (world.at("db/x") is None) == (policy == "DeleteZnodes")
    assert world.znode(ROOT) is not None
    assert world.zk.tree.children("/zkoperator/configsyncs", SUPER).names == ()


async def test_deleting_znodes_spares_what_somebody_else_has_edited(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync(onDelete="DeleteZnodes", conflictPolicy="Hold")
    await world.until_in_sync()
    await world.stop()
    world.node("b", "edited")
    world.write(Create(f"{ROOT}/c", b"new"))
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None)
    assert (world.at("a"), world.at("b"), world.at("c")) == (None, b"edited", b"new")


async def test_a_bad_resolution_is_refused_with_the_field_and_the_fix(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.annotate(resolve="a=mine")
    await world.until_reason("InvalidSpec")
    assert "zkoperator.dev/resolve" in world.message()
    world.write(Set(f"{ROOT}/a", b"2", -1))


@pytest.mark.parametrize("policy", ["PreferZooKeeper", "PreferConfigMap"])
async def test_a_preference_deletes_nothing_that_is_to_be_retained(world: World, policy: str) -> None:
    world.tree(a="1", b="1")
    world.sync(deletionPolicy="Retain", conflictPolicy=policy)
    await world.until_in_sync()
    await world.stop()
    world.drop("a")
    world.edit(a="edited", b=None)
    world.node("b", "edited")
    await world.start()
    await world.until(lambda: world.ready() == ("True", "InSync") and world.status()["keys"] < 2)
    await world.quiet()
    kept = {
        "PreferZooKeeper": ({"a": b"edited", "b": b"edited"}, None),
        "PreferConfigMap": ({"a": b"edited"}, b"edited"),
    }
    assert (world.data(), world.at("a")) == kept[policy]
    assert world.at("b") == b"edited"


def _webhook_down(number: int) -> ZkOperatorError:
    """The error of a webhook that does not answer, in words that are others at each retry and quote a value."""
    message = (
        f'Internal error occurred: failed calling webhook "guard.example.com": failed to call webhook: Post '
        f'"https://guard.policy.svc/check?id={number}": context deadline exceeded ("secret value")'
    )
    body = {"kind": "Status", "reason": "InternalError", "code": 500, "message": message}
    request = Request("patch", CONFIG_MAPS, NAMESPACE, "shop")
    return translate(request, 500, json.dumps(body).encode(), {})


async def test_writes_that_all_fail_are_told_in_words_that_stay_the_same(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()

    def refuse(operation: Any) -> None:
        if operation.verb == "patch" and operation.resource is CONFIG_MAPS:
            raise _webhook_down(len(world.kube.operations))

    world.kube.before = refuse
    world.node("a", "2")
    await world.until_reason("Syncing")
    assert "patch configmaps: HTTP 500 InternalError (webhook guard.example.com failed)" in world.message()
    before = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.quiet()
    assert world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") == before
    world.kube.before = lambda _: None
    await world.until(lambda: (world.data() or {})["a"] == b"2")
    await world.until_in_sync()


def _config_map(world: World) -> dict[str, Any]:
    return dict(world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop") or {"metadata": {}})


def _annotations(world: World) -> dict[str, str]:
    found = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    assert found is not None
    return dict(found["metadata"].get("annotations") or {})


_SPENT, _DECIDE = reconcile._spent_annotations, merge.decide


def _any_resolution(key: str, _zookeeper: Any, _config_map: Any, given: Any) -> Any:
    return given.resolve.get(key)


def _approval_kept(planned: Any, sync: Any) -> Any:
    changed = _SPENT(planned, sync)
    changed.pop(APPROVE_ANNOTATION, None)
    return changed


def _without_flapping(state: Any, rules: Any) -> Any:
    return _DECIDE(replace(state, flaps=False), rules)


async def _no_report(*_: Any) -> None:
    return None


SEEDS = (
    Seed(
        "deletions are counted",
        replaced(plan, "must_hold", lambda *_: False),
        (in_world(test_a_mass_deletion_waits_for_its_approval_while_other_keys_flow),),
    ),
    Seed(
        "another plan has another hash",
        replaced(plan, "plan_hash", lambda *_: "0" * 16),
        (in_world(test_an_approval_is_void_once_the_plan_has_changed),),
    ),
    Seed(
        "an approval is removed once it is used",
        replaced(reconcile, "_spent_annotations", _approval_kept),
        (in_world(test_an_approval_is_used_up_and_the_same_loss_later_waits_again),),
    ),
    Seed(
        "a resolution settles what the status showed",
        replaced(decisions, "_resolution", _any_resolution),
        (in_world(test_a_resolution_never_settles_an_edit_that_came_after_it),),
    ),
    Seed(
        "a resolution is removed once it is used",
        replaced(reconcile, "_spent_annotations", lambda *_: {}),
        (in_world(test_a_resolution_loses_each_key_as_it_is_settled),),
    ),
    Seed(
        "an adoption goes on after its first transaction",
        replaced(steps, "_adopting", lambda *_: frozenset()),
        (in_world(test_an_adoption_of_more_than_one_transaction_is_carried_out_whole, policy="PreferConfigMap"),),
    ),
    Seed(
        "an adoption goes on after a crash",
        replaced(steps, "_adopting", lambda *_: frozenset()),
        (in_world(test_an_adoption_that_is_interrupted_between_its_writes_goes_on),),
    ),
    Seed(
        "a preference deletes no retained key",
        replaced(merge, "_value", lambda *_: b"something"),
        (in_world(test_a_preference_deletes_nothing_that_is_to_be_retained, policy="PreferZooKeeper"),),
    ),
    Seed(
        "a retained key is detached",
        replaced(steps, "_record", lambda *_: None),
        (in_world(test_retained_keys_are_detached_and_stay_so_across_restarts),),
    ),
    Seed(
        "a resolution of a flapping key counts",
        replaced(decisions, "decide", _without_flapping),
        (in_world(test_a_resolution_of_a_flapping_key_takes_the_side_that_it_names, side="zookeeper", value=b"zk"),),
    ),
    Seed(
        "writes that all fail are reported",
        replaced(reconcile.MirrorReconciler, "_report_failing", _no_report),
        (in_world(test_writes_that_all_fail_are_told_in_words_that_stay_the_same),),
    ),
    Seed(
        "the words about failing writes are the same at each retry",
        replaced(reconcile, "brief_of", str),
        (in_world(test_writes_that_all_fail_are_told_in_words_that_stay_the_same),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
