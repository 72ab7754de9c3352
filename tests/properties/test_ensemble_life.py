"""Random lives of an ensemble: spec edits, crashes, lost pods and answers; the planner brings it to rest every time."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.models.ensemble_simulation import BAD, BETTER, GOOD, Simulation, raw_cluster, valid
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.plan.plan import make_plan

REPLICAS = st.integers(1, 7)
MEMBERS = st.integers(1, 7)
SELF_SIGNED: dict[str, Any] = {"certificate": {"selfSigned": {}}}
CLIENT = st.sampled_from([{**SELF_SIGNED, "plaintext": plaintext} for plaintext in ("Allowed", "Refused")])
TLS: st.SearchStrategy[dict[str, Any] | None] = st.none() | st.fixed_dictionaries(
    {"client": st.none() | CLIENT, "quorum": st.sampled_from([None, {}])}
)
EVENTS = st.one_of(
    st.tuples(st.just("scale"), REPLICAS),
    st.tuples(st.just("image"), st.sampled_from([GOOD, BETTER, BAD])),
    st.tuples(st.just("config"), st.sampled_from(["2000", "3000", "4000"])),
    st.tuples(st.just("crash"), st.tuples(MEMBERS, st.integers(1, 5))),
    st.tuples(st.just("delete"), MEMBERS),
    st.tuples(st.just("dark"), MEMBERS),
    st.tuples(st.just("lose"), st.sampled_from(list(Child))),
    st.tuples(st.just("policy"), st.sampled_from(["Retain", "Delete"])),
    st.tuples(st.just("tls"), TLS),
)
LIVES = st.lists(st.tuples(EVENTS, st.integers(0, 6)), max_size=8)
pytestmark = pytest.mark.timeout(1500)
LONG = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def happen(world: Simulation, what: str, value: Any) -> None:
    world.dark = frozenset()
    match what:
        case "scale":
            world.edit(replicas=value)
        case "image":
            world.edit(image=value)
        case "config":
            world.edit(config={"tickTime": value})
        case "crash":
            world.crash(*value)
        case "delete":
            world.delete_pod(value)
        case "dark":
            world.dark = frozenset({value})
        case "lose":
            world.children.pop(value, None)
        case "tls":
            world.edit(tls=value)
        case "policy":
            world.edit(storage={"retention": {"whenScaled": value}})


@LONG
@given(st.integers(1, 5), LIVES)
def test_any_life_comes_to_rest_without_losing_a_write(first: int, life: list[tuple[tuple[str, Any], int]]) -> None:
    world = Simulation(raw_cluster(first))
    for (what, value), ticks in life:
        happen(world, what, value)
        for _ in range(ticks):
            world.tick()
    world.dark = frozenset()
    if world.raw["spec"]["image"] == BAD:
        world.edit(image=GOOD)
    world.settle(ticks=160)
    assert world.founded == 1
    assert all(world.disks[member].last == world.acknowledged for member in world.pods)


@LONG
@given(st.integers(1, 7), st.integers(1, 7))
def test_a_world_at_rest_has_an_empty_plan(first: int, then: int) -> None:
    world = Simulation(raw_cluster(first))
    world.settle()
    world.edit(replicas=then)
    world.settle()
    assert make_plan(valid(world.raw), world.observe()).steps == ()


@LONG
@given(st.sampled_from([3, 5, 7]), st.integers(0, 20), MEMBERS)
def test_one_wiped_member_at_any_time_loses_nothing(size: int, ticks: int, member: int) -> None:
    world = Simulation(raw_cluster(size))
    world.settle()
    for _ in range(ticks):
        world.tick()
    world.wipe(member)
    world.settle()
    assert world.founded == 1
    assert world.acknowledged == world.disks[1].last


CRASHES = st.lists(st.tuples(MEMBERS, st.integers(1, 8)), max_size=3)


@LONG
@given(
    st.sampled_from([3, 5]),
    st.lists(st.tuples(st.integers(1, 6), CRASHES), max_size=4),
    st.sampled_from([GOOD, BETTER]),
)
def test_a_bad_image_takes_one_member_at_most_and_the_next_spec_replaces_it(
    size: int, life: list[tuple[int, list[tuple[int, int]]]], good: str
) -> None:
    world = Simulation(raw_cluster(size))
    world.settle()
    world.edit(image=BAD)
    for ticks, crashes in life:
        for member, for_ticks in crashes:
            world.crash(member, for_ticks)
        for _ in range(ticks):
            world.tick()
            assert sum(pod.image == BAD for pod in world.pods.values()) <= 1
    world.edit(image=good)
    world.settle()
    assert {pod.image for pod in world.pods.values()} == {good}
