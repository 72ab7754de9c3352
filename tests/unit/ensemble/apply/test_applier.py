"""Between a look and the write that follows from it, and between a write and its arrival, the world goes on."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.children import ONE_OF_EACH, asking_for, exist_with
from tests.support.models.ensemble_edges import (
    Held,
    Selecting,
    about_to,
    alive,
    made_again,
    marked,
    meanwhile,
    replicas,
    rolling,
    seen,
    until,
)
from tests.support.models.ensemble_simulation import BETTER, NAMES
from tests.support.models.seeds import Seed, claim_with, request_without, rewritten
from tests.support.worlds.ensemble import KEY, ensemble_world
from zkoperator.ensemble.apply import applier
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import MEMBERSHIP, Component
from zkoperator.ensemble.plan.child_steps import stateful_set_of
from zkoperator.ensemble.plan.steps import (
    ApplyChild,
    CreateSecret,
    NoteOnClaim,
    RecordBootstrap,
    RemovePods,
)
from zkoperator.errors import ConflictError
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
)


async def test_pods_are_not_removed_from_a_stateful_set_that_somebody_scaled_meanwhile() -> None:
    edge, step = await about_to(RemovePods)
    more = {"spec": {"replicas": 5}}
    meanwhile(edge.world, "apply", STATEFUL_SETS, lambda: edge.world.api.edit(STATEFUL_SETS, "demo", "main-zk", more))
    assert isinstance(await edge.take(step), ConflictError)
    assert replicas(edge.world) == 5


async def test_a_stateful_set_that_is_deleted_meanwhile_is_not_made_with_fewer_pods() -> None:
    edge, step = await about_to(RemovePods)
    meanwhile(edge.world, "apply", STATEFUL_SETS, lambda: edge.world.api.remove(STATEFUL_SETS, "demo", "main-zk"))
    assert isinstance(await edge.take(step), ConflictError)
    assert edge.world.api.peek(STATEFUL_SETS, "demo", "main-zk") is None


async def test_a_child_that_is_deleted_meanwhile_is_not_made_from_an_old_look() -> None:
    world = await rolling()
    edge, step = await until(world, ApplyChild, lambda step: step.child is Child.STATEFUL_SET)
    meanwhile(world, "apply", STATEFUL_SETS, lambda: world.api.remove(STATEFUL_SETS, "demo", "main-zk"))
    assert isinstance(await edge.take(step), ConflictError)
    assert world.api.peek(STATEFUL_SETS, "demo", "main-zk") is None


def own_labels(child: Child) -> dict[str, str]:
    return NAMES.labels_of(Component.OBSERVER if child.of_observers else Component.SERVER)


@pytest.mark.parametrize("child", ONE_OF_EACH)
async def test_a_child_that_somebody_edits_meanwhile_is_looked_at_again(child: Child) -> None:
    world, resource, name = ensemble_world(3, **asking_for(child)), child.resource, child.name_of(NAMES)
    await world.rest()
    world.api.edit(resource, "demo", name, {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}})
    edge, step = await until(world, ApplyChild, lambda step: step.child is child)
    theirs = {"metadata": {"labels": {"app.kubernetes.io/component": "theirs"}}}
    meanwhile(world, "apply", resource, lambda: world.api.edit(resource, "demo", name, theirs))
    assert isinstance(await edge.take(step), ConflictError)
    found = world.api.peek(resource, "demo", name) or {}
    assert found["metadata"]["labels"]["app.kubernetes.io/component"] == "theirs"
    await world.rest()
    found = world.api.peek(resource, "demo", name) or {}
    assert found["metadata"]["labels"] == own_labels(child)


async def test_a_write_of_a_dead_operator_that_lands_after_a_growth_takes_no_pod() -> None:
    world = ensemble_world(1)
    await world.rest()
    world.ask_for(logLevel="DEBUG", config={"tickTime": "3000"})
    held = Held(world, STATEFUL_SETS)
    await world.rest()
    world.ask_for(replicas=3)
    await world.rest()
    await held.land()
    assert replicas(world) == 3


async def test_a_creation_of_a_dead_operator_that_lands_after_a_growth_takes_no_pod() -> None:
    world = ensemble_world(1)
    held = Held(world, STATEFUL_SETS)
    await world.rest()
    world.ask_for(replicas=3)
    await world.rest()
    await held.land()
    assert replicas(world) == 3


async def test_a_stateful_set_whose_status_never_rests_is_written_all_the_same() -> None:
    world = ensemble_world(3)
    await world.rest()
    hook, tries = world.api.before, count()

    def busy(operation: Operation) -> None:
        if (operation.resource, operation.verb) == (STATEFUL_SETS, "apply") and (seen := next(tries)) % 3:
            world.api.edit(STATEFUL_SETS, "demo", "main-zk", {"status": {"seen": seen}}, subresource="status")
        hook(operation)

    next(tries)
    world.api.before = busy
    world.ask_for(image=BETTER)
    await world.rest()
    assert next(tries) >= 4, "the StatefulSet was never busy"
    assert {pod["spec"]["containers"][0]["image"] for pod in world.api.every(PODS)} == {BETTER}


async def test_children_that_lost_their_labels_get_them_back_and_no_pod_is_lost_by_it() -> None:
    world = ensemble_world(1, **asking_for(Child.EXTERNAL))
    await world.rest()
    world.ask_for(replicas=3)
    await world.rest()
    before = alive(world)
    world.dark = frozenset({1, 2, 3})
    for child in exist_with(Child.EXTERNAL):
        world.api.edit(child.resource, "demo", child.name_of(NAMES), {"metadata": {"labels": None}})
    world.store = Selecting(world.api)
    world.start_operator()
    for _ in range(10):
        await world.turn()
        assert replicas(world) == 3
    world.dark = frozenset()
    await world.rest()
    assert alive(world) == before
    for child in exist_with(Child.EXTERNAL):
        found = world.api.peek(child.resource, "demo", child.name_of(NAMES)) or {}
        assert found["metadata"]["labels"] == own_labels(child)


async def test_a_child_that_is_there_and_was_not_seen_yet_is_not_written() -> None:
    world = ensemble_world(3)
    await world.rest()
    edge = await seen(world)
    foreign = {"spec": {"replicas": 5}}
    world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, foreign)
    manifest = stateful_set_of(edge.cluster, edge.observed, 3)
    assert isinstance(await edge.take(ApplyChild(Child.STATEFUL_SET, manifest)), ConflictError)
    assert replicas(world) == 5


async def test_a_note_does_not_take_away_an_owner_that_came_meanwhile() -> None:
    world = ensemble_world(3)
    edge, step = await until(world, NoteOnClaim)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "theirs", "controller": False}
    meanwhile(
        world,
        "patch",
        PERSISTENT_VOLUME_CLAIMS,
        lambda: world.api.edit(
            PERSISTENT_VOLUME_CLAIMS, "demo", step.claim.name, {"metadata": {"ownerReferences": [owner]}}
        ),
    )
    assert isinstance(await edge.take(step), ConflictError)
    found = world.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", step.claim.name) or {}
    assert found["metadata"]["ownerReferences"] == [owner]


async def test_a_note_is_not_written_on_a_new_claim() -> None:
    world = ensemble_world(3)
    edge, step = await until(world, NoteOnClaim)
    made_again(world, PERSISTENT_VOLUME_CLAIMS, step.claim.name)
    assert isinstance(await edge.take(step), ConflictError)
    found = world.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", step.claim.name) or {}
    assert MEMBERSHIP not in (found["metadata"].get("annotations") or {})


@pytest.mark.parametrize("is_gone", [True, False])
async def test_an_ensemble_is_not_taken_up_from_claims_that_go_meanwhile(is_gone: bool) -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    world.api.put(
        ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **world.raw}
    )
    world.start_operator()
    edge, step = await until(world, RecordBootstrap)
    assert step.complete
    if not is_gone:
        marked(world, PERSISTENT_VOLUME_CLAIMS, NAMES.claim(2))
    else:
        world.api.remove(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(2))
    assert isinstance(await edge.take(step), ConflictError)
    assert "bootstrap" not in (world.cluster() or {}).get("status", {})


async def test_the_permission_is_not_given_for_a_spec_that_changed_meanwhile() -> None:
    world = ensemble_world(3)
    edge, step = await until(world, RecordBootstrap)
    meanwhile(world, "patch", ZOOKEEPER_CLUSTERS, lambda: world.ask_for(replicas=5))
    assert isinstance(await edge.take(step), ConflictError)
    assert "bootstrap" not in (world.cluster() or {}).get("status", {})


async def test_a_repair_does_not_undo_what_somebody_does_meanwhile() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.edit(SERVICES, "demo", NAMES.client_service, {"spec": {"selector": {"stray": "label"}}})
    edge, step = await until(world, ApplyChild, lambda step: step.child is Child.CLIENT_SERVICE)
    theirs = {"spec": {"selector": {"stray": "theirs"}}}
    meanwhile(
        world, "patch", SERVICES, lambda: world.api.edit(SERVICES, "demo", NAMES.client_service, theirs), "main-zk"
    )
    assert isinstance(await edge.take(step), ConflictError)
    found = world.api.peek(SERVICES, "demo", NAMES.client_service) or {}
    assert found["spec"]["selector"]["stray"] == "theirs"


async def test_a_secret_that_is_there_is_never_overwritten() -> None:
    world = ensemble_world(3)
    await world.rest()
    edge = await seen(world)
    broken = {"data": {"digest": "eA=="}}
    world.api.edit(SECRETS, "demo", NAMES.secret, broken)
    before = world.api.peek(SECRETS, "demo", NAMES.secret)
    assert "delete it" in str(await edge.take(CreateSecret()))
    assert world.api.peek(SECRETS, "demo", NAMES.secret) == before


def _apply_without(*conditions: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Apply without these preconditions in the manifest."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        with_metadata = applier._with_metadata

        def fewer(manifest: Any, **fields: str) -> Any:
            return with_metadata(manifest, **{name: each for name, each in fields.items() if name not in conditions})

        patch.setattr(applier, "_with_metadata", fewer)

    return bug


_NOT_OBSERVED = """\
                await self._restore_labels(resource, live, manifest)
                return ""
            wanted = _with_metadata(manifest, resourceVersion=NO_VERSION)"""


SEEDS = (
    Seed(
        "the version of what is applied",
        _apply_without("resourceVersion"),
        (
            test_a_write_of_a_dead_operator_that_lands_after_a_growth_takes_no_pod,
            test_a_creation_of_a_dead_operator_that_lands_after_a_growth_takes_no_pod,
            test_pods_are_not_removed_from_a_stateful_set_that_somebody_scaled_meanwhile,
            claim_with(test_a_child_that_somebody_edits_meanwhile_is_looked_at_again, Child.STATEFUL_SET),
        ),
    ),
    Seed(
        "the uid of what is applied",
        _apply_without("uid"),
        (
            test_a_stateful_set_that_is_deleted_meanwhile_is_not_made_with_fewer_pods,
            test_a_child_that_is_deleted_meanwhile_is_not_made_from_an_old_look,
        ),
    ),
    Seed(
        "a child that was not observed is not written",
        rewritten(applier, "Applier._apply_child", _NOT_OBSERVED, "            wanted = manifest"),
        (test_a_child_that_is_there_and_was_not_seen_yet_is_not_written,),
    ),
    Seed(
        "the version of what is patched",
        request_without("patch", "resource_version"),
        (
            test_a_note_does_not_take_away_an_owner_that_came_meanwhile,
            test_the_permission_is_not_given_for_a_spec_that_changed_meanwhile,
            test_a_repair_does_not_undo_what_somebody_does_meanwhile,
        ),
    ),
    Seed(
        "the uid of a claim that is noted",
        rewritten(applier, "Applier._annotate_claim", ' or live["metadata"]["uid"] != step.claim.uid', ""),
        (test_a_note_is_not_written_on_a_new_claim,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
