"""A pod whose labels were edited away: the StatefulSet has let it go and cannot make it again, while it votes on."""

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_edges import alive
from tests.support.models.ensemble_simulation import BETTER, NAMES
from tests.support.models.seeds import Seed, claim_with, replaced
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from zkoperator.ensemble.observe.observer import Observer
from zkoperator.ensemble.plan import plan
from zkoperator.ensemble.status import conditions
from zkoperator.kube.port import EVENTS, PODS, SERVICES, STATEFUL_SETS, Manifest

POD = NAMES.pod(2)


async def at_rest() -> EnsembleWorld:
    world = ensemble_world(3)
    await world.rest()
    return world


def set_aside(world: EnsembleWorld, label: str, value: str | None = None) -> None:
    world.api.edit(PODS, "demo", POD, {"metadata": {"labels": {label: value}}})
    world.move()
    assert not pod(world).get("ownerReferences") or label not in NAMES.selector


def pod(world: EnsembleWorld) -> Manifest:
    found: Manifest = (world.api.peek(PODS, "demo", POD) or {})["metadata"]
    return found


@pytest.mark.parametrize("value", [None, "debug"])
@pytest.mark.parametrize("label", NAMES.labels)
async def test_a_pod_that_was_set_aside_is_taken_back_without_a_restart(label: str, value: str | None) -> None:
    world = await at_rest()
    before = alive(world)
    set_aside(world, label, value)
    await world.rest()
    assert alive(world) == before
    assert NAMES.labels.items() <= pod(world)["labels"].items()
    owner = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    assert [reference["uid"] for reference in pod(world)["ownerReferences"]] == [owner["metadata"]["uid"]]
    assert [event for event in world.api.every(EVENTS) if event["reason"] == "EditTakenBack" and POD in event["note"]]


async def test_an_upgrade_goes_on_with_a_pod_that_was_set_aside() -> None:
    world = await at_rest()
    before = alive(world)
    set_aside(world, "app.kubernetes.io/name")
    world.ask_for(image=BETTER)
    await world.rest()
    assert not set(before.values()) & set(alive(world).values())


async def test_while_paused_a_pod_that_was_set_aside_is_told_with_the_command() -> None:
    world = await at_rest()
    world.ask_for(paused=True)
    await world.turn()
    set_aside(world, "app.kubernetes.io/name")
    await world.turn()
    assert world.condition("Ready")["status"] == "False"
    assert POD in world.condition("Ready")["message"]
    told = world.condition("Degraded")
    assert (told["status"], told["reason"]) == ("True", "PodFailing")
    assert f"kubectl label pod {POD} --overwrite app.kubernetes.io/component=server" in told["message"]


async def test_a_pod_that_somebody_else_has_is_not_in_place() -> None:
    world = await at_rest()
    other = world.api.peek(SERVICES, "demo", NAMES.client_service) or {}
    stranger = {"metadata": {"ownerReferences": [{"uid": other["metadata"]["uid"], "controller": True}]}}
    world.api.edit(PODS, "demo", POD, stranger)
    await world.turn()
    assert (world.condition("Ready")["status"], world.condition("Degraded")["status"]) == ("False", "True")


async def test_labels_that_somebody_takes_away_each_time_are_not_given_back_without_end() -> None:
    world = await at_rest()
    given: list[str] = []
    hook = world.api.after

    def strip(operation: Operation) -> None:
        hook(operation)
        if operation.verb == "patch" and operation.resource is PODS:
            given.append(operation.name)
            world.api.edit(PODS, "demo", POD, {"metadata": {"labels": {"app.kubernetes.io/name": None}}})

    world.api.after = strip
    set_aside(world, "app.kubernetes.io/name")
    for _ in range(40):
        await world.turn()
    assert 10 <= len(given) <= 11
    assert f"pod {POD} was put right 10 times" in world.condition("Progressing")["message"]


async def _none_is_looked_for(*_: object) -> dict[int, object]:
    return {}


SEEDS = (
    Seed(
        "a pod that no informer follows is looked for",
        replaced(Observer, "_unfollowed_pods", _none_is_looked_for),
        (claim_with(test_an_upgrade_goes_on_with_a_pod_that_was_set_aside),),
    ),
    Seed(
        "labels are given back",
        replaced(plan, "label_steps", lambda *_: ()),
        (claim_with(test_a_pod_that_was_set_aside_is_taken_back_without_a_restart, "app.kubernetes.io/name", None),),
    ),
    Seed(
        "a voter needs a pod that its StatefulSet has",
        replaced(conditions, "_strays", lambda _: ""),
        (test_a_pod_that_somebody_else_has_is_not_in_place,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
