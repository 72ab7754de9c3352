"""Foreign objects, claims and edits of children: what the reconciler leaves alone, takes back or tells."""

from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Seed, no_check, replaced
from tests.support.worlds.ensemble import KEY, Peeking, ensemble_world
from zkoperator.ensemble import reconcile
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.errors import ConflictError
from zkoperator.kube.port import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    SERVICES,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)


@pytest.mark.parametrize(
    ("resource", "name"),
    [(CONFIG_MAPS, NAMES.config_map), (SERVICES, NAMES.client_service), (STATEFUL_SETS, NAMES.stateful_set)],
)
async def test_a_foreign_object_is_never_touched(resource: Any, name: str) -> None:
    world = ensemble_world(3)
    body: Manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": {"replicas": 0, "a": "b"}}
    world.api.put(resource, {**body, "metadata": {"name": name, "namespace": "demo"}})
    before = world.api.peek(resource, "demo", name)
    for _ in range(5):
        await world.turn()
    assert world.api.peek(resource, "demo", name) == before
    assert (world.condition("Degraded")["status"], world.condition("Degraded")["reason"]) == ("True", "ForeignObject")
    assert name in world.condition("Degraded")["message"]
    world.api.remove(resource, "demo", name)
    await world.rest()


async def test_what_others_added_to_a_child_is_taken_away_when_it_matters() -> None:
    world = ensemble_world(3)
    await world.rest()
    before = world.api.peek(SERVICES, "demo", NAMES.client_service) or {}
    world.api.edit(SERVICES, "demo", NAMES.client_service, {"spec": {"selector": {"stray": "label"}}})
    world.api.edit(CONFIG_MAPS, "demo", NAMES.config_map, {"data": {"zoo.cfg": "skipACL=yes", "more": "x"}})
    await world.rest()
    service = world.api.peek(SERVICES, "demo", NAMES.client_service) or {}
    config = world.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) or {}
    assert service["spec"]["selector"] == before["spec"]["selector"]
    assert "skipACL" not in config["data"]["zoo.cfg"]
    assert "more" not in config["data"]


@pytest.mark.parametrize("added", [{"hostNetwork": True}, {"hostPID": True}, {"initContainers": [{"name": "x"}]}])
async def test_what_gives_pods_more_power_is_taken_out_of_the_template(added: Manifest) -> None:
    world = ensemble_world(3)
    await world.rest()
    before = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, {"spec": {"template": {"spec": added}}})
    await world.rest()
    after = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    assert after["spec"] == before["spec"]


async def test_a_container_beside_ours_is_taken_out_of_the_template() -> None:
    world = ensemble_world(1)
    await world.rest()
    before = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    more = [*before["spec"]["template"]["spec"]["containers"], {"name": "x", "image": "x"}]
    world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, {"spec": {"template": {"spec": {"containers": more}}}})
    await world.rest()
    after = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    assert after["spec"] == before["spec"]


class WithoutUnlabelled(Peeking):
    """Shows what informers show of claims: those that bear labels."""

    async def fetch(self, resource: Any, namespace: str, name: str) -> Manifest | None:
        found = await super().fetch(resource, namespace, name)
        hidden = resource is PERSISTENT_VOLUME_CLAIMS and found is not None and not found["metadata"].get("labels")
        return None if hidden else found


async def test_a_claim_that_somebody_else_made_is_not_taken_over() -> None:
    world = ensemble_world(3)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {}}
    world.api.put(PERSISTENT_VOLUME_CLAIMS, claim | {"metadata": {"name": NAMES.claim(2), "namespace": "demo"}})
    world.store = WithoutUnlabelled(world.api)
    world.start_operator()
    for _ in range(3):
        await world.turn()
    assert world.condition("Degraded")["reason"] == "ForeignObject"
    assert NAMES.claim(2) in world.condition("Degraded")["message"]
    assert world.api.every(STATEFUL_SETS) == ()
    labels = {"metadata": {"labels": NAMES.selector}}
    world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(2), labels)
    await world.rest()
    assert world.founded == 1


async def test_kept_claims_that_lost_their_labels_are_told_instead_of_an_endless_silence() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    for claim in world.api.every(PERSISTENT_VOLUME_CLAIMS):
        world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", claim["metadata"]["name"], {"metadata": {"labels": None}})
    world.api.put(
        ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **world.raw}
    )
    world.store = WithoutUnlabelled(world.api)
    world.start_operator()
    for _ in range(3):
        await world.turn()
    assert world.condition("Progressing")["reason"] == "Blocked"
    assert NAMES.claim(1) in world.condition("Progressing")["message"]
    assert world.api.every(STATEFUL_SETS) == ()
    for claim in world.api.every(PERSISTENT_VOLUME_CLAIMS):
        labels = {"metadata": {"labels": NAMES.selector}}
        world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", claim["metadata"]["name"], labels)
    await world.rest()
    assert world.founded == 1


async def test_a_repair_that_somebody_undoes_each_time_is_told_and_no_more_made_at_once() -> None:
    world = ensemble_world(3)
    await world.rest()
    hook, repairs = world.api.after, 0

    def undo(operation: Operation) -> None:
        nonlocal repairs
        hook(operation)
        if operation.is_write and operation.resource is STATEFUL_SETS and operation.verb == "patch":
            repairs += 1
            spoil()

    def spoil() -> None:
        added = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
        world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, added)

    world.api.after = undo
    spoil()
    for _ in range(50):
        await world.turn()
    first = repairs
    assert 5 < first <= 10
    assert world.condition("Progressing")["reason"] == "Blocked"
    assert "statefulset main-zk was put right 10 times" in world.condition("Progressing")["message"]
    for _ in range(120):
        await world.turn()
    assert first < repairs <= first + 3
    world.api.after = hook
    await world.rest()


async def test_a_conflict_that_does_not_end_is_reported_and_one_that_does_is_not() -> None:
    world = ensemble_world(3)
    await world.rest()
    hook, told = world.api.before, set[str]()

    def always(operation: Operation) -> None:
        if (operation.verb, operation.resource) == ("apply", SERVICES):
            raise ConflictError("somebody is always faster")
        hook(operation)

    world.api.before = always
    world.api.edit(SERVICES, "demo", NAMES.client_service, {"metadata": {"labels": None}})
    for _ in range(5):
        await world.turn()
        told.add(world.condition("Progressing")["reason"])
    assert "Blocked" not in told
    for _ in range(15):
        await world.turn()
    assert world.condition("Progressing")["reason"] == "Blocked"
    assert "somebody is always faster" in world.condition("Progressing")["message"]
    world.api.before = hook
    await world.rest()
    world.api.before = always
    world.api.edit(SERVICES, "demo", NAMES.client_service, {"metadata": {"labels": None}})
    for _ in range(5):
        await world.turn()
    assert world.condition("Progressing")["reason"] != "Blocked", "the count goes on from the last time"


SEEDS = (
    Seed(
        "claims without labels are found before the permission",
        replaced(Applier, "_require_no_contradicting_claim", no_check),
        (test_kept_claims_that_lost_their_labels_are_told_instead_of_an_endless_silence,),
    ),
    Seed(
        "a row of conflicts is reported",
        replaced(reconcile, "_MAX_CONFLICTS", 10**9),
        (test_a_conflict_that_does_not_end_is_reported_and_one_that_does_is_not,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
