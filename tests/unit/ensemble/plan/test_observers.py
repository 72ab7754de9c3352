"""Observers join, are replaced and leave without a vote: no quorum counts them, and no voter waits for one for long."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_guards import at_rest, planned
from tests.support.models.ensemble_simulation import BAD, BETTER, GOOD, NAMES, UID, Simulation, raw_cluster, valid
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.certified import BOTH
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model import configuration
from zkoperator.ensemble.model.names import is_observer
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan import child_steps, founding, gate, membership, observers, plan
from zkoperator.ensemble.validate import ValidatedCluster

TWO: dict[str, Any] = {"replicas": 2}
NONE: dict[str, Any] = {"replicas": 0}


def lines(world: Simulation) -> list[str]:
    assert world.committed is not None
    return [server.line for server in world.committed.servers if not server.voting]


def voters(world: Simulation) -> set[int]:
    assert world.committed is not None
    return set(world.committed.voters)


def replicas(world: Simulation, child: Child) -> int:
    return int(world.children[child]["spec"]["replicas"])


# They join and leave


def they_join_without_a_vote() -> None:
    world = at_rest()
    world.edit(observers=TWO)
    world.settle()
    assert lines(world) == [
        f"server.{member}={NAMES.host(member)}:2888:3888:observer;0.0.0.0:2181" for member in (101, 102)
    ]
    assert [NAMES.pod(member) for member in (101, 102)] == ["main-zk-observers-0", "main-zk-observers-1"]
    assert voters(world) == {1, 2, 3} and world.restarts == []
    assert replicas(world, Child.STATEFUL_SET) == 3


def a_new_ensemble_is_founded_without_them() -> None:
    world = Simulation(raw_cluster(3, observers=TWO))
    while not world.founded:
        world.tick()
        assert not any(map(is_observer, world.pods)), "there is nothing to observe yet"
    world.settle()
    assert world.founded == 1 and len(lines(world)) == 2


def each_joins_when_it_serves() -> None:
    world = at_rest()
    world.stuck = frozenset({101})
    world.edit(observers=TWO)
    for _ in range(8):
        world.tick()
    assert [line.partition("=")[0] for line in lines(world)] == ["server.102"]
    assert world.plan is not None and "waiting for main-zk-observers-0" in world.plan.message
    world.stuck = frozenset()
    world.settle()
    assert len(lines(world)) == 2


def voters_join_while_an_observer_does_not_come() -> None:
    world = at_rest()
    world.stuck = frozenset({101})
    world.edit(observers=TWO, replicas=5)
    for _ in range(12):
        world.tick()
    assert voters(world) == {1, 2, 3, 4, 5}


def they_leave_the_configuration_before_their_pods_end() -> None:
    world = at_rest(observers=TWO)
    world.edit(observers={"replicas": 1})
    while 102 in world.pods and not world.pods[102].deleting:
        world.tick()
        assert 102 in world.pods or len(lines(world)) == 1, "its pod ends while it is a member"
    world.settle()
    world.edit(observers=None)
    world.settle()
    assert lines(world) == [] and replicas(world, Child.OBSERVERS) == 0
    assert voters(world) == {1, 2, 3} and world.restarts == []


def the_ensemble_grows_and_shrinks_beside_them() -> None:
    world = at_rest(observers=TWO)
    world.edit(replicas=5)
    world.settle()
    assert replicas(world, Child.STATEFUL_SET) == 5
    world.edit(replicas=1)
    world.settle()
    assert voters(world) == {1} and len(lines(world)) == 2
    assert replicas(world, Child.STATEFUL_SET) == 1 and replicas(world, Child.OBSERVERS) == 2


def they_follow_the_scale_where_the_spec_names_no_number() -> None:
    world = at_rest(observers={})
    for scaled in (3, 1, 0, 2):
        live = world.children[Child.OBSERVERS]
        world.children[Child.OBSERVERS] = {**live, "spec": {**live["spec"], "replicas": scaled}}
        for _ in range(10):
            world.tick()
        assert len(lines(world)) == replicas(world, Child.OBSERVERS) == scaled
        assert world.plan is not None and world.plan.settled
    assert voters(world) == {1, 2, 3} and world.restarts == []


def one_that_a_person_gave_a_vote_loses_it_again() -> None:
    world = at_rest(observers=TWO)
    assert world.committed is not None
    servers = tuple(replace(server, voting=True) if server.id == 101 else server for server in world.committed.servers)
    world.reconfigure_by_hand(servers)
    world.leader = 101
    world.settle()
    assert voters(world) == {1, 2, 3} and len(lines(world)) == 2


# They are replaced


def they_are_replaced_before_the_voters_one_after_another() -> None:
    world = at_rest(observers={"replicas": 3})
    world.edit(image=BETTER)
    world.settle()
    assert world.restarts[:3] == [103, 102, 101]
    assert sorted(world.restarts[3:]) == [1, 2, 3]


def resources_of_their_own_restart_them_alone() -> None:
    world = at_rest(observers=TWO)
    world.edit(observers={**TWO, "resources": {"limits": {"memory": "2Gi"}}})
    world.settle()
    assert world.restarts == [102, 101]
    world.edit(observers={**TWO, "resources": {"limits": {"memory": "2Gi"}}, "pod": {"nodeSelector": {"disk": "ssd"}}})
    world.settle()
    assert world.restarts == [102, 101, 102, 101]


def a_bad_image_takes_one_of_them_and_one_voter_at_most() -> None:
    world = at_rest(observers=TWO)
    world.edit(image=BAD)
    for _ in range(15):
        world.tick()
    assert sorted(m for m, pod in world.pods.items() if pod.image == BAD) == sorted(world.restarts)
    assert len(world.restarts) == 2 and world.restarts[0] == 102 and not is_observer(world.restarts[1])
    world.edit(image=GOOD)
    world.settle()


def the_only_one_is_replaced_too() -> None:
    world = at_rest(observers={"replicas": 1})
    world.edit(config={"tickTime": "3000"})
    world.settle()
    assert world.restarts[0] == 101 and sorted(world.restarts[1:]) == [1, 2, 3]


def no_voter_that_does_not_serve_waits_for_them() -> None:
    world = at_rest(observers=TWO)
    world.edit(image=BAD)
    for _ in range(10):
        world.tick()
    broken = next(m for m, pod in world.pods.items() if pod.image == BAD and not is_observer(m))
    world.restarts.clear()
    world.edit(image=BETTER)
    for _ in range(3):
        world.tick()
    assert world.restarts[0] == broken


# A voter's restart counts voters


def the_gate_does_not_see_them() -> None:
    world = at_rest(observers=TWO)
    seen = world.observe()
    gone = replace(seen, observer_pods={}, observer_answers={})
    assert gate.gate(seen) == gate.gate(gone)
    assert gate.gate(seen).open and gate.gate(seen).voters == 3


def a_voter_is_restarted_while_they_are_all_away() -> None:
    world = at_rest(observers=TWO)
    world.stuck = frozenset({101, 102})
    for member in (101, 102):
        world.crash(member)
    world.edit(image=BETTER)
    for _ in range(4):
        world.tick()
    late = dict.fromkeys((101, 102), 200.0)
    for _ in range(30):
        world._stateful_set_controller()
        world._kubelet()
        world._elect()
        seen = replace(world.observe(), downtime_s=late)
        for step in planned(world, seen).steps:
            world._execute(step)
    assert {1, 2, 3} <= set(world.restarts)


def observers_save_no_voter_from_the_gate() -> None:
    world = at_rest(observers=TWO)
    world.stuck = frozenset({1})
    world.crash(1)
    world.tick()
    world.edit(image=BETTER)
    for _ in range(10):
        world.tick()
    assert not {2, 3} & set(world.restarts), "a voter is restarted while another is away"


def a_status_that_was_lost_does_not_count_them_as_founders() -> None:
    world = at_rest(observers=TWO)
    seen = replace(world.observe(), claims={})
    config = seen.children[Child.CONFIG_MAP]
    metadata = {key: value for key, value in config["metadata"].items() if key != "ownerReferences"}
    children = {Child.CONFIG_MAP: {**config, "metadata": metadata}}
    raw = {**world.raw, "status": {}, "metadata": {**world.raw["metadata"], "uid": UID}}
    (step,) = plan.make_plan(valid(raw), replace(seen, children=children, pods={}, observer_pods={})).steps
    assert getattr(step, "members", None) == 3


def tls_goes_on_and_off_beside_them() -> None:
    world = at_rest(observers=TWO)
    for tls in (BOTH, {**BOTH, "client": {**BOTH["client"], "plaintext": "Refused"}}, BOTH, None):
        world.edit(tls=tls)
        world.settle(200)
        assert len({str(pod.tls) for pod in world.pods.values()}) == 1
    assert len(lines(world)) == 2


STORIES = (
    they_join_without_a_vote,
    a_new_ensemble_is_founded_without_them,
    each_joins_when_it_serves,
    voters_join_while_an_observer_does_not_come,
    they_leave_the_configuration_before_their_pods_end,
    the_ensemble_grows_and_shrinks_beside_them,
    they_follow_the_scale_where_the_spec_names_no_number,
    one_that_a_person_gave_a_vote_loses_it_again,
    they_are_replaced_before_the_voters_one_after_another,
    resources_of_their_own_restart_them_alone,
    a_bad_image_takes_one_of_them_and_one_voter_at_most,
    the_only_one_is_replaced_too,
    no_voter_that_does_not_serve_waits_for_them,
    the_gate_does_not_see_them,
    a_voter_is_restarted_while_they_are_all_away,
    observers_save_no_voter_from_the_gate,
    a_status_that_was_lost_does_not_count_them_as_founders,
    tls_goes_on_and_off_beside_them,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_observers(story: Callable[[], None]) -> None:
    story()


# Seeded bugs


def as_claim(story: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def claim() -> None:
        story()

    return claim


def without_founding(patch: pytest.MonkeyPatch) -> None:
    rewritten(child_steps, "_may_exist", " or (child.of_observers and not cluster.is_founded)", "")(patch)
    rewritten(child_steps, "wanted_observers", " or not cluster.is_founded", "")(patch)
    patch.setattr(observers, "wanted_observers", child_steps.wanted_observers)


def pods_first(patch: pytest.MonkeyPatch) -> None:
    def asked(cluster: ValidatedCluster, _: Observed) -> int:
        return len(cluster.observers)

    patch.setattr(child_steps, "wanted_observers", asked)
    patch.setattr(observers, "wanted_observers", asked)
    rewritten(observers, "remove_observers", "is not None for member in removed", "is observed for member in removed")(
        patch
    )
    patch.setattr(plan, "remove_observers", observers.remove_observers)


def in_plan(module: Any, name: str, old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """The bug in a function that the planner has by its name."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        rewritten(module, name, old, new)(patch)
        patch.setattr(plan, name, getattr(module, name))

    return bug


SEEDS = (
    Seed(
        "an observer is listed without a vote",
        replaced(configuration, "is_observer", lambda _: False),
        (as_claim(they_join_without_a_vote),),
    ),
    Seed(
        "only voters are counted as such",
        in_plan(
            membership, "change_members", "{server.id for server in ready if server.voting}", "{s.id for s in ready}"
        ),
        (as_claim(they_join_without_a_vote),),
    ),
    Seed(
        "an observer is listed when it serves",
        replaced(membership, "_absent_observers", lambda *_: ()),
        (as_claim(each_joins_when_it_serves),),
    ),
    Seed(
        "a vote that was given by hand is taken back",
        in_plan(membership, "change_members", "*(server.id for server in ready if not server.voting)", ""),
        (as_claim(one_that_a_person_gave_a_vote_loses_it_again),),
    ),
    Seed("an ensemble is founded by voters", without_founding, (as_claim(a_new_ensemble_is_founded_without_them),)),
    Seed(
        "an observer leaves the configuration before its pod ends",
        pods_first,
        (as_claim(they_leave_the_configuration_before_their_pods_end),),
    ),
    Seed(
        "who scales them is not scaled back",
        replaced(ValidatedCluster, "observers_are_scaled", False),
        (as_claim(they_follow_the_scale_where_the_spec_names_no_number),),
    ),
    Seed(
        "observers go before voters",
        replaced(plan, "_observers_first", lambda voters, observers: (voters, observers)),
        (as_claim(they_are_replaced_before_the_voters_one_after_another),),
    ),
    Seed(
        "one observer after another",
        replaced(observers, "_away", lambda *_: ""),
        (as_claim(a_bad_image_takes_one_of_them_and_one_voter_at_most),),
    ),
    Seed(
        "voters do not wait for an observer that cannot be replaced",
        rewritten(plan, "_observers_first", "observers.blocked or ", ""),
        (as_claim(a_bad_image_takes_one_of_them_and_one_voter_at_most),),
    ),
    Seed(
        "a voter that does not serve is mended first",
        rewritten(plan, "_observers_first", " or mends", ""),
        (as_claim(no_voter_that_does_not_serve_waits_for_them),),
    ),
    Seed(
        "founders are voters",
        rewritten(founding, "_first_record", " if server.voting", ""),
        (as_claim(a_status_that_was_lost_does_not_count_them_as_founders),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
