"""The operator's own restarts go through the disruption budget, so that nobody else takes a second member meanwhile."""

from contextlib import suppress
from itertools import count

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_edges import Edge, alive, until
from tests.support.models.ensemble_simulation import BETTER, NAMES
from tests.support.models.seeds import Seed, claim_with, replaced, rewritten
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from zkoperator.ensemble.apply import applier
from zkoperator.ensemble.build import children
from zkoperator.ensemble.build.disruption_budget import disruption_budget
from zkoperator.ensemble.plan import roll
from zkoperator.ensemble.plan.steps import RestartPod
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import TransientError
from zkoperator.kube.port import EVENTS, POD_DISRUPTION_BUDGETS, PODS, BudgetSpentError, Manifest


async def at_rest(replicas: int, **spec: object) -> EnsembleWorld:
    world = ensemble_world(replicas, **spec)
    await world.rest()
    return world


def drain(world: EnsembleWorld) -> list[str]:
    """Drain whatever can be drained now; returns what was taken."""
    taken = []
    for name in sorted(alive(world)):
        with suppress(BudgetSpentError):
            world.api.evict_as_other("demo", name)
            taken.append(name)
    return taken


def drain_at_restarts(world: EnsembleWorld, *, after: bool) -> list[int]:
    """Let somebody drain every node in the moment of every third restart; returns how many were away each time."""
    away, moments, hook, move = list[int](), count(), world.api.after if after else world.api.before, world.move
    members = len(alive(world))

    def at(operation: Operation) -> None:
        if operation.resource is PODS and operation.verb in ("delete", "evict") and next(moments) % 3 == 0:
            drain(world)
        hook(operation)

    def look_and_move() -> None:
        # Whoever was taken since the last move comes back with this one.
        away.append(members - len(alive(world)))
        move()

    setattr(world.api, "after" if after else "before", at)
    world.move = look_and_move  # type: ignore[method-assign]
    return away


@pytest.mark.parametrize("replicas", [3, 5])
@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
async def test_a_drain_in_the_moment_of_a_restart_never_takes_a_second_member(replicas: int, after: bool) -> None:
    world = await at_rest(replicas)
    away = drain_at_restarts(world, after=after)
    for image in (BETTER, "zookeeper:3.9.7", "zookeeper:3.9.8"):
        world.ask_for(image=image)
        await world.rest()
    assert sum(away) >= 3 * replicas
    assert max(away) == 1


async def test_a_restart_waits_while_the_budget_is_spent_and_says_so() -> None:
    world = await at_rest(3)
    edge, step = await _about_to_restart(world)
    _spend(world)
    assert isinstance(await edge.take(step), BudgetSpentError)
    assert alive(world)[step.name] == step.uid
    world.counts_budgets = False
    await world.turn()
    told = world.condition("Progressing")
    assert (told["status"], told["reason"]) == ("True", "Upgrading")
    assert "needs 2 healthy pods and has 2 currently" in told["message"]


async def test_a_budget_that_stays_spent_blocks_the_roll_and_names_the_command() -> None:
    world = await at_rest(3)
    await _about_to_restart(world)
    _spend(world)
    world.counts_budgets = False
    for _ in range(95):
        await world.turn()
    told = world.condition("Progressing")
    assert told["reason"] == "Blocked"
    assert "kubectl get pdb main-zk" in told["message"]
    world.counts_budgets = True
    await world.rest()


@pytest.mark.parametrize("replicas", [1, 2])
async def test_an_ensemble_that_can_spare_nobody_is_rolled_all_the_same(replicas: int) -> None:
    world = await at_rest(replicas)
    assert drain(world) == []
    before = alive(world)
    world.ask_for(image=BETTER)
    await world.rest()
    assert not set(before.values()) & set(alive(world).values())
    assert _told(world, "MemberRestarted", "deleted rather than evicted")


async def test_a_single_member_says_that_it_holds_its_node_until_the_spec_lets_it_go() -> None:
    world = await at_rest(1)
    for kind in ("Ready", "Degraded"):
        assert "spec.disruption.singleMember" in world.condition(kind)["message"]
    world.ask_for(disruption={"singleMember": "Allow"})
    await world.rest()
    before = alive(world)
    for kind in ("Ready", "Degraded"):
        assert "drain" not in world.condition(kind)["message"]
    assert drain(world) == list(before)
    await world.rest()
    assert alive(world) != before


async def test_a_single_member_that_is_not_ready_lets_its_node_go_where_the_spec_says_so() -> None:
    world = await at_rest(1, disruption={"singleMember": "Allow"})
    world.crash(1, ticks=10)
    world.move()
    assert drain(world) == [NAMES.pod(1)]


async def test_a_pod_that_is_not_ready_is_replaced_though_the_budget_is_spent() -> None:
    world = await at_rest(3)
    world.ask_for(image="zookeeper:nothing")
    for _ in range(10):
        await world.turn()
    world.ask_for(image=BETTER)
    await world.rest()
    assert _told(world, "MemberRestarted", "it is not ready")


async def test_joiners_that_never_come_up_do_not_hold_the_restarts_of_voters() -> None:
    world = await at_rest(3)
    world.stuck = frozenset({4, 5})
    world.ask_for(replicas=5, image=BETTER)
    while len(alive(world)) < 5:
        await world.turn()
    away = drain_at_restarts(world, after=True)
    for _ in range(110):
        await world.turn()
    assert {world.pods[member].image for member in (1, 2, 3)} == {BETTER}
    assert max(away) == 1
    assert _told(world, "MemberRestarted", "members without a vote do not come up")


async def test_a_pod_of_two_budgets_is_deleted_and_that_is_told() -> None:
    world = await at_rest(3)
    selector = {"matchLabels": NAMES.selector}
    second = {"metadata": {"name": "all", "namespace": "demo"}, "spec": {"selector": selector, "minAvailable": 1}}
    world.api.put(POD_DISRUPTION_BUDGETS, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **second})
    world.ask_for(image=BETTER)
    await world.rest()
    assert _told(world, "MemberRestarted", "more than one PodDisruptionBudget")


async def test_a_restart_whose_answer_is_lost_is_not_done_again_to_another_member() -> None:
    world = await at_rest(3)
    lost: list[str] = []
    hook = world.api.after

    def lose(operation: Operation) -> None:
        hook(operation)
        if operation.verb == "evict":
            lost.append(operation.name)
            raise TransientError("no answer")

    world.api.after = lose
    world.ask_for(image=BETTER)
    await world.rest()
    assert sorted(lost) == sorted(alive(world))


async def _about_to_restart(world: EnsembleWorld) -> tuple[Edge, RestartPod]:
    world.ask_for(image=BETTER)
    return await until(world, RestartPod)


def _spend(world: EnsembleWorld) -> None:
    """Let somebody else have the one disruption, without a pod that shows it."""
    status = {"disruptionsAllowed": 0, "currentHealthy": 2}
    world.api.edit(POD_DISRUPTION_BUDGETS, "demo", NAMES.disruption_budget, {"status": status}, subresource="status")


def _told(world: EnsembleWorld, reason: str, words: str) -> bool:
    return any(event["reason"] == reason and words in event["note"] for event in world.api.every(EVENTS))


def _counts_ready_members_only(patch: pytest.MonkeyPatch) -> None:
    def with_the_default_policy(cluster: ValidatedCluster, voters: int) -> Manifest:
        made = disruption_budget(cluster, voters)
        return {**made, "spec": {**made["spec"], "unhealthyPodEvictionPolicy": "IfHealthyBudget"}}

    patch.setattr(children, "disruption_budget", with_the_default_policy)


SEEDS = (
    Seed(
        "restarts are evictions",
        rewritten(
            applier, "Applier._restart", "step.unguarded or await self._evict(cluster, step, version)", "'always'"
        ),
        (claim_with(test_a_drain_in_the_moment_of_a_restart_never_takes_a_second_member, 3, True),),
    ),
    Seed(
        "who can spare nobody is rolled past the budget",
        rewritten(roll, "unguarded", '"" if spare else', '"" and'),
        (claim_with(test_an_ensemble_that_can_spare_nobody_is_rolled_all_the_same, 1),),
    ),
    Seed(
        "joiners that never come up hold nobody",
        replaced(roll, "_joiner_is_stuck", lambda *_: False),
        (test_joiners_that_never_come_up_do_not_hold_the_restarts_of_voters,),
    ),
    Seed(
        "a single member that is not ready is let go too",
        _counts_ready_members_only,
        (claim_with(test_a_single_member_that_is_not_ready_lets_its_node_go_where_the_spec_says_so),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
