"""Children that `kubectl delete --cascade=orphan` has left behind are taken up again, and nobody else's object is."""

import json
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import NAMES, raw_cluster, valid
from tests.support.models.seeds import Bug, replaced
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble.apply import applier
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.secret import secret
from zkoperator.ensemble.observe import ownership
from zkoperator.ensemble.plan import founding
from zkoperator.ensemble.status import status
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import CONFIG_MAPS, PODS, SECRETS, SERVICES, STATEFUL_SETS, ZOOKEEPER_CLUSTERS, Manifest

_EPHEMERAL = {"type": "Ephemeral"}
_NONE = {"replicas": 0}


def _children(world: EnsembleWorld) -> list[Manifest]:
    found = [world.api.peek(child.resource, "demo", child.name_of(NAMES)) for child in Child]
    return [manifest for manifest in found if manifest is not None]


def _orphan(world: EnsembleWorld) -> None:
    """Delete the cluster as `--cascade=orphan` does: the garbage collector takes the owners off its children first."""
    for child in (*((child.resource, child.name_of(NAMES)) for child in Child), (SECRETS, NAMES.secret)):
        if world.api.peek(child[0], "demo", child[1]) is not None:
            world.api.edit(child[0], "demo", child[1], {"metadata": {"ownerReferences": None}}, manager="gc")
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)


def _make_again(world: EnsembleWorld) -> None:
    world.api.put(
        ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **world.raw}
    )
    world.start_operator()


async def orphans_are_taken_up(world: EnsembleWorld) -> None:
    await world.rest()
    uids = {manifest["metadata"]["uid"] for manifest in (*_children(world), *world.api.every(PODS))}
    acknowledged = world.acknowledged
    _orphan(world)
    _make_again(world)
    for _ in range(5):
        await world.turn()
        assert (world.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) or {})["data"]["bootstrap"] == "", "one may found"
    await world.rest()
    owner = (world.cluster() or {})["metadata"]["uid"]
    assert uids == {manifest["metadata"]["uid"] for manifest in (*_children(world), *world.api.every(PODS))}
    assert {ref["uid"] for child in _children(world) for ref in child["metadata"]["ownerReferences"]} == {owner}
    assert world.founded == 1
    assert world.acknowledged > acknowledged
    assert (world.cluster() or {})["status"]["bootstrap"]["complete"] is True


async def test_a_cluster_that_is_made_again_takes_up_what_was_left_and_replaces_no_pod() -> None:
    await orphans_are_taken_up(ensemble_world(3))


async def test_an_ensemble_on_ephemeral_volumes_is_taken_up_by_its_config_map_and_not_founded_again() -> None:
    await orphans_are_taken_up(ensemble_world(3, storage=_EPHEMERAL, observers={"replicas": 1}))


async def test_it_can_be_done_twice() -> None:
    world = ensemble_world(1)
    for _ in range(2):
        await orphans_are_taken_up(world)


async def a_secret_that_was_left_is_told_with_the_command_that_gives_it_its_owner() -> None:
    world = ensemble_world(1)
    await world.rest()
    password = (world.api.peek(SECRETS, "demo", NAMES.secret) or {})["data"]["password"]
    for _ in range(2):
        _orphan(world)
        _make_again(world)
        await world.rest()
        told = world.condition("Degraded")
        assert (told["status"], "main-zk-admin was left" in told["message"]) == ("False", True)
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    _make_again(world)
    await world.rest()
    left = world.api.peek(SECRETS, "demo", NAMES.secret) or {}
    assert left["data"]["password"] == password, "what nobody owns outlives the cluster and is used by the next"
    command = world.condition("Degraded")["message"].partition("main-zk-admin --type merge -p '")[2].partition("'")[0]
    world.api.edit(SECRETS, "demo", NAMES.secret, json.loads(command))
    world.clock.seconds += 120
    await world.rest()
    assert "was left" not in world.condition("Degraded")["message"]
    assert world.condition("Ready")["status"] == "True"
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    assert world.api.peek(SECRETS, "demo", NAMES.secret) is None


async def test_a_secret_that_was_left_is_told_with_the_command_that_gives_it_its_owner() -> None:
    await a_secret_that_was_left_is_told_with_the_command_that_gives_it_its_owner()


async def somebody_elses_object_with_our_labels_is_refused(resource: Any, name: str) -> None:
    world = ensemble_world(1)
    metadata = {"name": name, "namespace": "demo", "labels": NAMES.labels}
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    content = {"data": secret(valid(raw_cluster()), "guessed")["data"]} if resource is SECRETS else {"spec": _NONE}
    before = world.api.put(resource, {**kind, "metadata": metadata, **content}, manager="somebody")
    for _ in range(4):
        await world.turn()
    degraded = world.condition("Degraded")
    assert (degraded["reason"], name in degraded["message"]) == ("ForeignObject", True)
    assert world.api.peek(resource, "demo", name) == before


_FOREIGN = [(SERVICES, NAMES.client_service), (SECRETS, NAMES.secret), (STATEFUL_SETS, NAMES.stateful_set)]


@pytest.mark.parametrize(("resource", "name"), _FOREIGN)
async def test_an_object_that_somebody_else_made_is_not_taken_up(resource: Any, name: str) -> None:
    await somebody_elses_object_with_our_labels_is_refused(resource, name)


async def a_config_map_that_somebody_made_proves_no_ensemble() -> None:
    world = ensemble_world(1)
    metadata = {"name": NAMES.config_map, "namespace": "demo", "labels": NAMES.labels}
    line = f"server.1={NAMES.host(1)}:2888:3888:participant;0.0.0.0:2181\n"
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"members": line, "bootstrap": ""}}
    world.api.put(CONFIG_MAPS, made, manager="velero")
    for _ in range(4):
        await world.turn()
    assert world.condition("Degraded")["reason"] == "ForeignObject"
    assert "bootstrap" not in (world.cluster() or {})["status"]
    world.api.remove(CONFIG_MAPS, "demo", NAMES.config_map)
    await world.rest()
    assert world.founded == 1


async def test_a_config_map_of_somebody_else_proves_no_ensemble() -> None:
    await a_config_map_that_somebody_made_proves_no_ensemble()


# Seeded bugs


async def test_without_orphans_they_are_called_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "is_orphan", lambda *_: False)
    monkeypatch.setattr(applier, "is_orphan", lambda *_: False)
    with pytest.raises(AssertionError):
        await orphans_are_taken_up(ensemble_world(1))


@pytest.mark.parametrize(("resource", "name"), _FOREIGN)
async def test_without_a_look_at_the_field_manager_a_stranger_is_taken_up(
    resource: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_nobodys = lambda cluster, live: ownership.owner_of(cluster, live) is ownership.Owner.NOBODY  # noqa: E731
    monkeypatch.setattr(ownership, "is_orphan", is_nobodys)
    monkeypatch.setattr(applier, "is_orphan", is_nobodys)
    with pytest.raises(AssertionError):
        await somebody_elses_object_with_our_labels_is_refused(resource, name)


@pytest.mark.parametrize(
    "bug",
    [
        replaced(status, "left_secrets", lambda *_: ()),
        replaced(ValidatedCluster, "owner", property(lambda cluster: cluster.plain_owner)),
    ],
    ids=["it is not told", "an owner that is no controller"],
)
async def test_without_this_guard_a_secret_that_was_left_stays_so(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        await a_secret_that_was_left_is_told_with_the_command_that_gives_it_its_owner()


async def test_without_the_config_map_an_ephemeral_ensemble_is_founded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(founding, "_left_behind", lambda *_: "")
    with pytest.raises(AssertionError):
        await orphans_are_taken_up(ensemble_world(3, storage=_EPHEMERAL, observers={"replicas": 1}))


async def test_without_a_look_at_the_config_map_itself_anybodys_proves_an_ensemble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_look(*_: Any) -> None:
        return None

    monkeypatch.setattr(applier.Applier, "_require_own_record", no_look)
    with pytest.raises(AssertionError):
        await a_config_map_that_somebody_made_proves_no_ensemble()
