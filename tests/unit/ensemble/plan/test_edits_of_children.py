"""Other people's hands on the children of a cluster: told by name, taken back, honoured where they ask to restart."""

from typing import Any

import pytest

from tests.support.models.ensemble_simulation import BETTER, NAMES
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble.apply import applier
from zkoperator.ensemble.model.names import ROLLOUT_BASELINE, ROLLOUT_RESTARTED
from zkoperator.ensemble.plan import plan, restart_request
from zkoperator.ensemble.plan.drift import changed_fields, edit_of
from zkoperator.kube.port import EVENTS, POD_DISRUPTION_BUDGETS, SERVICES, STATEFUL_SETS, ZOOKEEPER_CLUSTERS, Manifest


def notes(world: EnsembleWorld, reason: str) -> list[str]:
    return [event["note"] for event in world.api.every(EVENTS) if event["reason"] == reason]


def evicted(world: EnsembleWorld) -> list[str]:
    return [each.removeprefix("evict pods/") for each in world.made if each.startswith("evict pods/")]


async def test_an_edit_that_is_taken_back_is_told_with_its_author_and_field() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.edit(
        POD_DISRUPTION_BUDGETS, "demo", NAMES.disruption_budget, {"spec": {"maxUnavailable": 2}}, manager="kubectl-edit"
    )
    await world.rest()
    told = "PodDisruptionBudget main-zk: kubectl-edit changed spec.maxUnavailable; it is taken back: change the "
    assert notes(world, "EditTakenBack") == [f"{told}ZooKeeperCluster instead"]
    budget = world.api.peek(POD_DISRUPTION_BUDGETS, "demo", NAMES.disruption_budget) or {}
    assert budget["spec"]["maxUnavailable"] == 1


async def test_a_change_of_the_spec_is_nobody_s_edit_although_somebody_had_added_something() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.edit(SERVICES, "demo", NAMES.client_service, {"metadata": {"annotations": {"team": "shop"}}})
    world.ask_for(image=BETTER)
    await world.rest()
    assert notes(world, "EditTakenBack") == []


def rollout_restart(world: EnsembleWorld, time: str | None) -> None:
    """Do what `kubectl rollout restart statefulset` does; None takes the mark away again."""
    template = {"metadata": {"annotations": {ROLLOUT_RESTARTED: time}}}
    manager = "kubectl-rollout"
    world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, {"spec": {"template": template}}, manager=manager)


async def test_kubectl_rollout_restart_restarts_each_member_once_through_the_gate() -> None:
    world = ensemble_world(3)
    await world.rest()
    rollout_restart(world, "2026-01-02T03:04:05Z")
    await world.rest()
    assert sorted(evicted(world)) == [NAMES.pod(member) for member in (1, 2, 3)]
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {"other": "x"}}})
    rollout_restart(world, None)
    await world.rest()
    assert len(evicted(world)) == 3
    rollout_restart(world, "2026-02-02T03:04:05Z")
    await world.rest()
    assert len(evicted(world)) == 6


async def test_the_annotation_of_the_cluster_and_a_rollout_are_two_requests() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {"zkoperator.dev/restart": "monday"}}})
    await world.rest()
    rollout_restart(world, "2026-01-02T03:04:05Z")
    await world.rest()
    assert len(evicted(world)) == 6
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {"zkoperator.dev/restart": None}}})
    await world.rest()
    assert len(evicted(world)) == 6


async def test_a_rollout_that_all_pods_were_made_after_is_no_request() -> None:
    world = ensemble_world(3)
    await world.rest()
    with pytest.MonkeyPatch.context() as earlier:
        # An operator that does not know of rollouts leaves what asks for one in the template.
        earlier.setattr(plan, "restart_request", lambda asked, observed: asked or observed.restarted)
        rollout_restart(world, "2026-01-02T03:04:05Z")
        world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {"zkoperator.dev/restart": "monday"}}})
        await world.rest()
    assert len(evicted(world)) == 3
    world.start_operator()
    await world.rest()
    assert len(evicted(world)) == 3
    rollout_restart(world, "2026-02-02T03:04:05Z")
    await world.rest()
    assert len(evicted(world)) == 6


async def a_rollout_from_before_the_operator_knew_of_rollouts_restarts_nothing(world: EnsembleWorld) -> None:
    await world.rest()
    old = {"metadata": {"annotations": {ROLLOUT_BASELINE: None}}}
    world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, old)
    rollout_restart(world, "2026-01-02T03:04:05Z")
    world.start_operator()
    await world.rest()
    world.start_operator()
    await world.rest()
    assert evicted(world) == []
    rollout_restart(world, "2026-02-02T03:04:05Z")
    await world.rest()
    assert sorted(evicted(world)) == [NAMES.pod(member) for member in (1, 2, 3)]


async def test_a_rollout_from_before_the_operator_knew_of_rollouts_restarts_nothing() -> None:
    await a_rollout_from_before_the_operator_knew_of_rollouts_restarts_nothing(ensemble_world(3))


async def what_was_honoured_before_the_baseline_was_noted_is_not_honoured_again() -> None:
    world = ensemble_world(3)
    await world.rest()
    rollout_restart(world, "2026-01-02T03:04:05Z")
    await world.rest()
    assert len(evicted(world)) == 3
    old = {"metadata": {"annotations": {ROLLOUT_BASELINE: None}}}
    world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, old)
    await world.rest()
    assert len(evicted(world)) == 3


async def test_what_was_honoured_before_the_baseline_was_noted_is_not_honoured_again() -> None:
    await what_was_honoured_before_the_baseline_was_noted_is_not_honoured_again()


async def test_a_rollout_that_was_asked_for_while_no_operator_ran_is_honoured() -> None:
    world = ensemble_world(3)
    await world.rest()
    rollout_restart(world, "2026-01-02T03:04:05Z")
    world.start_operator()
    await world.rest()
    assert len(evicted(world)) == 3


@pytest.mark.parametrize(
    ("live", "fields"),
    [
        ({"spec": {"replicas": 5, "selector": {"a": "b"}}}, ("spec.replicas",)),
        ({"spec": {"replicas": 3, "selector": {"a": "b", "c": "d"}}}, ("spec.selector.c",)),
        ({"spec": {"replicas": 3}}, ("spec.selector.a",)),
        ({"spec": {"replicas": 3, "selector": "x"}}, ("spec.selector",)),
        ({"spec": {"replicas": 3, "selector": {"a": "b"}, "more": 1}}, ()),
    ],
)
def test_the_fields_that_differ_are_named_by_their_paths(live: Manifest, fields: tuple[str, ...]) -> None:
    assert changed_fields(live, {"spec": {"replicas": 3, "selector": {"a": "b"}}}) == fields


@pytest.mark.parametrize(
    ("owned", "who"),
    [
        ({"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:replicas": {}}}}, "kubectl-edit changed spec.replicas"),
        ({"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:paused": {}}}}, ""),
        ({"manager": "zkoperator", "fieldsV1": {"f:spec": {"f:replicas": {}}}}, ""),
        ({"manager": "kubectl-edit"}, ""),
    ],
)
def test_the_author_of_a_field_is_its_owner_and_nobody_else(owned: dict[str, Any], who: str) -> None:
    live = {"metadata": {"managedFields": [owned]}, "spec": {"replicas": 5}}
    assert edit_of(live, {"metadata": {}, "spec": {"replicas": 3}}) == who


SEEDS = (
    Seed(
        "the author of an edit is looked for",
        replaced(applier, "edit_of", lambda *_: ""),
        (test_an_edit_that_is_taken_back_is_told_with_its_author_and_field,),
    ),
    Seed(
        "kubectl rollout restart is a request",
        replaced(plan, "restart_request", lambda asked, observed: asked or observed.restarted),
        (
            test_kubectl_rollout_restart_restarts_each_member_once_through_the_gate,
            test_the_annotation_of_the_cluster_and_a_rollout_are_two_requests,
        ),
    ),
    Seed(
        "a rollout that is done is no request",
        replaced(restart_request, "_is_done", lambda *_: False),
        (test_a_rollout_that_all_pods_were_made_after_is_no_request,),
    ),
    Seed(
        "what stands at first sight is done",
        rewritten(
            restart_request, "rollout_baseline", "noted or observed.template_annotation(ROLLOUT_RESTARTED)", "noted"
        ),
        (test_a_rollout_from_before_the_operator_knew_of_rollouts_restarts_nothing,),
    ),
    Seed(
        "it is noted, so that later ones are honoured",
        rewritten(restart_request, "rollout_baseline", "noted or ", ""),
        (
            test_a_rollout_from_before_the_operator_knew_of_rollouts_restarts_nothing,
            test_a_rollout_that_was_asked_for_while_no_operator_ran_is_honoured,
        ),
    ),
    Seed(
        "what was honoured stays so",
        replaced(restart_request, "_recorded", lambda _: ("", "")),
        (test_what_was_honoured_before_the_baseline_was_noted_is_not_honoured_again,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_the_claims_notice(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
