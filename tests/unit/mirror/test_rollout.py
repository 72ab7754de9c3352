"""Workloads restart once for each settled content, also when the operator dies in between."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import FAST, NAMESPACE, World, running
from tests.support.worlds.workload_rollouts import WEB, entry_of, found_workload, put_workload, web_workload
from zkoperator.api.workloads import WorkloadKind, WorkloadRollout
from zkoperator.errors import TransientError
from zkoperator.kube.port import (
    CONFIG_MAPS,
    CONFIG_SYNCS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ROLLOUTS,
    STATEFUL_SETS,
    Resource,
)
from zkoperator.mirror.apply import rollout as applied_rollout
from zkoperator.mirror.model import rollout
from zkoperator.mirror.status import rollouts, status
from zkoperator.zk.port import Create, Set

KINDS = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS, "DaemonSet": DAEMON_SETS, "Rollout": ROLLOUTS}
BEFORE, AFTER = "2025-12-31T23:59:59Z", "2026-01-01T00:00:01Z"
"""Just before, and just after, the fake API server notes every write of a ConfigMap."""


def _hash(world: World, resource: Resource = DEPLOYMENTS) -> str:
    meta = found_workload(world, resource)["spec"]["template"]["metadata"]
    return str((meta.get("annotations") or {}).get("rollout.zkoperator.dev/shop", ""))


@pytest.mark.parametrize("kind", list(KINDS))
async def test_a_change_restarts_the_workload_once(world: World, kind: str) -> None:
    resource = KINDS[kind]
    put_workload(world, resource)
    world.tree(a="1")
    world.sync(rollout=[{"kind": kind, "name": "web"}])
    await world.until(lambda: _hash(world, resource) != "")
    before, generation = _hash(world, resource), found_workload(world, resource)["metadata"]["generation"]
    world.node("a", "2")
    await world.until(lambda: _hash(world, resource) != before)
    await world.quiet()
    assert found_workload(world, resource)["metadata"]["generation"] == generation + 1


async def test_the_same_content_never_restarts_again(world: World) -> None:
    put_workload(world)
    world.tree(a="1")
    world.sync(rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(lambda: _hash(world) != "")
    generation = found_workload(world)["metadata"]["generation"]
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": {"theirs": "1"}}})
    await world.restart()
    await world.quiet()
    assert found_workload(world)["metadata"]["generation"] == generation


async def test_a_restart_that_was_due_when_the_operator_died_comes_after_its_return(world: World) -> None:
    put_workload(world)
    world.tree(a="1")
    world.sync(rollout=[{"kind": "Deployment", "name": "web"}])
    await world.until(lambda: _hash(world) != "")
    before = _hash(world)

    def refuse(operation: Any) -> None:
        if operation.verb == "patch" and operation.resource.plural == "deployments":
            raise TransientError("not now")

    world.kube.before = refuse
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})
    await world.quiet()
    await world.stop()
    world.kube.before = lambda _: None
    assert _hash(world) == before
    await world.start()
    await world.until(lambda: _hash(world) != before)


def _generation(world: World) -> int:
    return int(found_workload(world)["metadata"]["generation"])


def _content_hash(world: World, sync: str) -> str:
    """The hash of the content as status tells it, which may lag behind the ConfigMap."""
    return str((world.status(sync).get("content") or {}).get("hash", "unknown"))


async def _until_other_content(world: World, sync: str, before: str) -> None:
    """Wait until the status no longer shows the content of before."""
    await world.until(lambda: _content_hash(world, sync) != before)


async def _until_rolled_out(world: World, sync: str = "shop") -> None:
    """Wait until the status says that the workload has the content of now."""
    await world.until(lambda: entry_of(world, sync=sync).get("hash") == _content_hash(world, sync))


async def test_a_workload_that_was_created_after_the_content_is_not_restarted_for_it(world: World) -> None:
    world.kube.now = AFTER
    put_workload(world)
    world.tree(a="1")
    world.sync(rollout=WEB)
    await _until_rolled_out(world)
    assert (entry_of(world)["reason"], _generation(world)) == ("UpToDate", 1)
    before = _content_hash(world, "shop")
    world.node("a", "2")
    await world.until(lambda: _generation(world) == 2)
    await _until_other_content(world, "shop", before)
    await _until_rolled_out(world)
    assert entry_of(world)["reason"] == "RolledOut"


async def test_a_workload_that_was_created_before_the_content_is_restarted(world: World) -> None:
    world.kube.now = BEFORE
    put_workload(world)
    world.tree(a="1")
    world.sync(rollout=WEB)
    await world.until(lambda: _generation(world) == 2)


async def test_a_manifest_that_is_applied_again_restarts_nothing_also_after_a_restart_of_the_operator(
    world: World,
) -> None:
    put_workload(world)
    world.tree(a="1")
    world.sync(rollout=WEB)
    await _until_rolled_out(world)
    assert world.condition("RolledOut") == ("True", "RolledOut")
    world.kube.edit(DEPLOYMENTS, NAMESPACE, "web", {"spec": {"template": {"metadata": {"annotations": None}}}})
    generation = _generation(world)
    await world.restart()
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": {"theirs": "1"}}})
    await world.quiet()
    assert _generation(world) == generation


async def test_a_workload_that_was_created_again_is_restarted_by_the_next_change_alone(world: World) -> None:
    put_workload(world)
    world.tree(a="1")
    world.sync(rollout=WEB)
    await _until_rolled_out(world)
    await world.kube.delete(DEPLOYMENTS, NAMESPACE, "web")
    world.kube.now = AFTER
    put_workload(world)
    await world.restart()
    await world.quiet()
    assert _generation(world) == 1
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})
    await _until_rolled_out(world)


async def test_a_restart_whose_status_was_not_written_is_not_made_again(world: World) -> None:
    put_workload(world)
    world.tree(a="1")

    def refuse(operation: Any) -> None:
        if operation.verb == "patch" and operation.resource == CONFIG_SYNCS and _hash(world):
            raise TransientError("not now")

    world.kube.before = refuse
    world.sync(rollout=WEB)
    await world.until(lambda: _hash(world) != "")
    await world.stop()
    world.kube.before = lambda _: None
    await world.start()
    await _until_rolled_out(world)
    assert _generation(world) == 2


async def test_a_key_that_is_not_selected_restarts_nothing(world: World) -> None:
    put_workload(world)
    world.tree(a="1")
    world.sync(keys={"exclude": ["theirs"]}, rollout=WEB)
    await _until_rolled_out(world)
    for number in range(3):
        world.edit(theirs=str(number))
        await world.quiet()
    assert _generation(world) == 2


async def test_selecting_fewer_keys_restarts_nothing(world: World) -> None:
    put_workload(world)
    world.tree(a="1", b="1")
    world.sync(rollout=WEB)
    await _until_rolled_out(world)
    before = entry_of(world)["hash"]
    world.spec(keys={"exclude": ["b"]})
    await world.until(lambda: entry_of(world)["hash"] not in ("", before))
    await world.quiet()
    assert _generation(world) == 2
    world.node("a", "2")
    await world.until(lambda: _generation(world) == 3)


@pytest.mark.parametrize("other", [None, "2"])
async def test_selecting_fewer_keys_while_the_operator_is_down_restarts_only_for_a_value(
    world: World, other: str | None
) -> None:
    put_workload(world)
    world.tree(a="1", b="1")
    world.sync(rollout=WEB)
    await _until_rolled_out(world)
    await world.until(lambda: "whole" in world.status()["content"])
    await world.quiet()
    before = entry_of(world)["hash"]
    await world.stop()
    world.spec(keys={"exclude": ["b"]})
    if other is not None:
        world.node("a", other)
    await world.start()
    await world.until(lambda: entry_of(world)["hash"] not in ("", before))
    await world.quiet()
    assert _generation(world) == (2 if other is None else 3)


async def test_selecting_a_key_while_the_operator_is_down_restarts_once_it_is_there(world: World) -> None:
    put_workload(world)
    world.tree(a="1", b="1")
    world.sync(direction="ZooKeeperToConfigMap", keys={"exclude": ["b"]}, rollout=WEB)
    await _until_rolled_out(world)
    await world.stop()
    world.spec(keys={"exclude": []})
    await world.start()
    await world.until(lambda: world.data() == {"a": b"1", "b": b"1"})
    await world.until(lambda: _generation(world) == 3)


@pytest.mark.parametrize("end", ["pause", "delete", "unname"])
async def test_a_restart_that_one_config_sync_still_wants_is_given_up_with_it(end: str) -> None:
    """Its content settles late, so that another one restarts the workload before it would."""
    async with running(replace(FAST, settle_s=3600.0)) as world:
        put_workload(world)
        world.tree(a="1")
        key = world.sync(rollout=WEB)
        pending = world.reconciler._rollouts._restarter._pending
        await world.until(lambda: "shop" in pending.marks(NAMESPACE, web_workload()))
        if end == "pause":
            world.spec(mode="Paused")
        elif end == "delete":
            world.kube.remove(CONFIG_SYNCS, key.namespace, key.name)
        else:
            world.spec(rollout=[{"kind": "Deployment", "name": "other"}])
        await world.until(lambda: pending.marks(NAMESPACE, web_workload()) == {})


async def test_one_transaction_over_two_config_syncs_of_a_workload_restarts_it_once(world: World) -> None:
    put_workload(world)
    world.tree(a="1")
    world.write(Create("/apps/other", b""), Create("/apps/other/b", b"1"))
    world.sync(rollout=WEB)
    world.sync("other", path="/apps/other", rollout=WEB)
    await _until_rolled_out(world)
    await _until_rolled_out(world, "other")
    generation, hashes = _generation(world), {sync: _content_hash(world, sync) for sync in ("shop", "other")}
    world.write(Set("/apps/shop/a", b"2", -1), Set("/apps/other/b", b"2", -1))
    for sync, before in hashes.items():
        await _until_other_content(world, sync, before)
        await _until_rolled_out(world, sync)
    assert _generation(world) == generation + 1


_REASON, _HASH, _ROLLOUTS_NOW = rollout.reason_without_restart, rollout.content_hash, rollouts.rollouts_now


def _by_the_mark_alone(workload: Any, _known: Any, content: Any, sync: str) -> Any:
    uid = workload["metadata"]["uid"]
    return _REASON(
        workload, WorkloadRollout(kind=WorkloadKind.DEPLOYMENT, name="web", uid=uid, hash="x"), content, sync
    )


def _as_a_new_workload(workload: Any, _known: Any, content: Any, sync: str) -> Any:
    return _REASON(workload, None, content, sync)


def _without_the_former_selection(known: Any, workloads: Any, _former: str, content: Any, found: Any) -> Any:
    return _ROLLOUTS_NOW(known, workloads, "", content, found)


SEEDS = (
    Seed(
        "a workload that is younger than the content has it",
        replaced(applied_rollout, "reason_without_restart", _by_the_mark_alone),
        (in_world(test_a_workload_that_was_created_after_the_content_is_not_restarted_for_it),),
    ),
    Seed(
        "what a workload runs with is known by its status",
        replaced(rollout, "has_content", lambda *_: False),
        (in_world(test_a_manifest_that_is_applied_again_restarts_nothing_also_after_a_restart_of_the_operator),),
    ),
    Seed(
        "a workload that is known is restarted for the next change",
        replaced(applied_rollout, "reason_without_restart", _as_a_new_workload),
        (in_world(test_a_workload_that_was_created_after_the_content_is_not_restarted_for_it),),
    ),
    Seed(
        "the hash is that of selected keys",
        replaced(rollout, "content_hash", lambda content, _selection=None: _HASH(content)),
        (in_world(test_a_key_that_is_not_selected_restarts_nothing),),
    ),
    Seed(
        "another selection is no other content",
        replaced(status, "rollouts_now", _without_the_former_selection),
        (in_world(test_selecting_fewer_keys_restarts_nothing),),
    ),
    Seed(
        "another selection is no other content after a restart of the operator",
        replaced(rollout.RolloutState, "recall", lambda *_: None),
        (in_world(test_selecting_fewer_keys_while_the_operator_is_down_restarts_only_for_a_value, other=None),),
    ),
    Seed(
        "a ConfigSync that rests or is gone wants no restart",
        replaced(rollout.PendingMarks, "give_up", lambda *_, **__: None),
        (
            partial(test_a_restart_that_one_config_sync_still_wants_is_given_up_with_it, "pause"),
            partial(test_a_restart_that_one_config_sync_still_wants_is_given_up_with_it, "delete"),
            partial(test_a_restart_that_one_config_sync_still_wants_is_given_up_with_it, "unname"),
        ),
    ),
    Seed(
        "ConfigSyncs of one workload share a restart",
        replaced(rollout.PendingMarks, "marks", lambda *_: {}),
        (in_world(test_one_transaction_over_two_config_syncs_of_a_workload_restarts_it_once),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
