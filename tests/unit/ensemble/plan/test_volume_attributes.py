"""Volumes that get other attributes while the ensemble serves, with an API server in memory."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import NAMES
from tests.support.worlds.ensemble_volumes import VolumeWorld, volume_world
from zkoperator.api.member_volume import VolumeState
from zkoperator.ensemble.apply import volumes as writer
from zkoperator.ensemble.observe import claim_view
from zkoperator.ensemble.plan import claim_changes, expansion
from zkoperator.ensemble.plan.steps import ModifyClaim
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, STATEFUL_SETS, Manifest

Story = Callable[[], Awaitable[None]]
Patch = pytest.MonkeyPatch
GOLD: dict[str, Any] = {"storage": {"volumeAttributesClassName": "gold"}}


async def settled(replicas: int = 3, **spec: Any) -> VolumeWorld:
    return await volume_world(replicas, **spec).settled()


def attributes(world: VolumeWorld) -> set[tuple[str, str]]:
    found = [world.claim(member) for member in world.pods]
    return {(claim.attributes_class, claim.attributes) for claim in found}


def asked_of_new_claims(world: VolumeWorld) -> list[str]:
    found = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set)
    assert found is not None
    return [each["spec"].get("volumeAttributesClassName", "") for each in found["spec"]["volumeClaimTemplates"]]


def tell(world: VolumeWorld, **status: Any) -> None:
    """Let the storage say something of every claim."""
    for claim in world.api.every(PERSISTENT_VOLUME_CLAIMS):
        patch: Manifest = {"status": status}
        world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", claim["metadata"]["name"], patch, subresource="status")


async def attributes_change_and_nobody_is_restarted() -> None:
    world = await settled()
    before = world.volumes
    world.ask_for(**GOLD)
    reasons = set()
    for _ in range(12):
        await world.turn()
        reasons.add(world.condition("Progressing")["reason"])
    await world.rest()
    assert attributes(world) == {("gold", "gold")}
    assert (asked_of_new_claims(world), world.restarted, world.volumes) == (["gold"], [], before)
    assert reasons >= {"ModifyingVolumes", "Settled"}
    members = (world.cluster() or {})["status"]["members"]
    assert {member["volume"]["volumeAttributesClassName"] for member in members} == {"gold"}
    world.ask_for(storage={"volumeAttributesClassName": "silver"})
    await world.rest()
    assert (attributes(world), asked_of_new_claims(world)) == ({("silver", "silver")}, ["silver"])


async def size_and_attributes_come_together() -> None:
    world = await settled()
    world.ask_for(storage={"volumeAttributesClassName": "gold", "size": "20Gi"})
    await world.rest()
    assert (attributes(world), world.sizes, world.restarted) == ({("gold", "gold")}, {("20Gi", "20Gi")}, [])


async def a_server_that_drops_the_field_is_told_and_nothing_is_made_again() -> None:
    world = await settled()
    patch = world.api.patch

    async def old(resource: Any, namespace: str, name: str, body: Manifest, **more: Any) -> Any:
        if resource is PERSISTENT_VOLUME_CLAIMS:
            body = {**body, "spec": {k: v for k, v in body.get("spec", {}).items() if k == "resources"}}
        return await patch(resource, namespace, name, body, **more)

    world.api.patch = old  # type: ignore[method-assign, assignment]
    world.ask_for(**GOLD)
    await world.wait(15)
    told = world.condition("Progressing")
    assert told["reason"] == "Blocked", told
    assert "the API server has dropped the field" in told["message"]
    assert 'write spec.storage.volumeAttributesClassName: ""' in told["message"]
    assert (asked_of_new_claims(world), world.made) == ([""], [])
    world.ask_for(storage={"volumeAttributesClassName": ""})
    await world.rest()


async def attributes_that_the_storage_cannot_give_are_told_with_those_that_it_has() -> None:
    world = await settled(**GOLD)
    world._modify = lambda claim: None  # type: ignore[method-assign]
    world.ask_for(storage={"volumeAttributesClassName": "iron"})
    await world.wait(5)
    assert {world.claim(member).state for member in world.pods} == {VolumeState.MODIFYING}
    tell(world, modifyVolumeStatus={"targetVolumeAttributesClassName": "iron", "status": "Infeasible"})
    await world.wait(5)
    told = world.condition("Progressing")
    assert told["reason"] == "Blocked"
    assert "cannot give data-main-zk-0 the attributes of iron" in told["message"]
    assert "write another spec.storage.volumeAttributesClassName, such as gold" in told["message"]
    tell(world, modifyVolumeStatus=None)
    world.ask_for(**GOLD)
    await world.rest()
    assert asked_of_new_claims(world) == ["gold"]


async def a_storage_that_never_says_what_it_gave_is_not_waited_for() -> None:
    world = await settled()
    world._modify = lambda claim: None  # type: ignore[method-assign]
    world.ask_for(**GOLD)
    await world.rest()
    assert attributes(world) == {("gold", "")}


async def attributes_that_are_late_are_told() -> None:
    world = await settled(**GOLD)
    world._modify = lambda claim: None  # type: ignore[method-assign]
    world.ask_for(storage={"volumeAttributesClassName": "silver"})
    await world.wait(5)
    assert world.condition("Progressing")["reason"] == "ModifyingVolumes"
    world.clock.seconds += 700
    await world.wait(3)
    assert "has not had the attributes of silver for more than 10 minutes" in world.condition("Progressing")["message"]


def _attributes_are_never_due(patch: Patch) -> None:
    whole = claim_changes.due_change

    def due(cluster: Any, claim: Any) -> Any:
        found = whole(cluster, claim)
        return None if isinstance(found, ModifyClaim) else found

    patch.setattr(expansion, "due_change", due)


def _silence_is_consent(patch: Patch) -> None:
    async def change(self: writer.VolumeWriter, cluster: Any, step: Any) -> None:
        await self._api.patch(PERSISTENT_VOLUME_CLAIMS, "demo", step.claim.name, writer._patch(step))

    patch.setattr(writer.VolumeWriter, "_change", change)


def _never_modified(patch: Patch) -> None:
    patch.setattr(claim_view, "_is_modified", lambda _: False)


def _for_ever_modified(patch: Patch) -> None:
    patch.setattr(
        claim_view,
        "_is_modified",
        lambda claim: (
            claim["spec"].get("volumeAttributesClassName") != claim["status"].get("currentVolumeAttributesClassName")
        ),
    )


def _nothing_is_in_the_way(patch: Patch) -> None:
    patch.setattr(expansion, "_obstacle", lambda *_: "")


GUARDS: tuple[tuple[Story, Callable[[Patch], None]], ...] = (
    (attributes_change_and_nobody_is_restarted, _attributes_are_never_due),
    (a_server_that_drops_the_field_is_told_and_nothing_is_made_again, _silence_is_consent),
    (attributes_that_the_storage_cannot_give_are_told_with_those_that_it_has, _never_modified),
    (attributes_that_the_storage_cannot_give_are_told_with_those_that_it_has, _nothing_is_in_the_way),
    (a_storage_that_never_says_what_it_gave_is_not_waited_for, _for_ever_modified),
    (attributes_that_are_late_are_told, _nothing_is_in_the_way),
)
STORIES = (*dict.fromkeys(story for story, _ in GUARDS), size_and_attributes_come_together)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_with_all_guards(story: Story) -> None:
    await story()


@pytest.mark.parametrize(("story", "seed"), GUARDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_without_one_of_them(story: Story, seed: Callable[[Patch], None], monkeypatch: Patch) -> None:
    seed(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        await story()
