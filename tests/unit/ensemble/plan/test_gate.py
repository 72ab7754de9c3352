"""The gate: each number that must block does, and says so."""

from dataclasses import replace
from typing import Any

import pytest

from zkoperator.ensemble.model.configuration import Configuration, server_of
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.observe.answers import Answer, Mode, NotServing, Serving, Silent
from zkoperator.ensemble.observe.world import PodView, Running, World
from zkoperator.ensemble.plan.gate import gate, gate_of_broken

NAMES = Names("demo", "main")
COMMITTED = Configuration(0x100000000, tuple(server_of(NAMES, member) for member in (1, 2, 3)))
FOLLOWER = Serving(Mode.FOLLOWER, 7, "3.9.5", COMMITTED)
LEADER = Serving(Mode.LEADER, 7, "3.9.5", COMMITTED, synced=2, synced_non_voting=0)


def pod(member: int, **fields: Any) -> PodView:
    return PodView(NAMES.pod(member), f"uid-{member}", member, "set", ip="10.0.0.1", **fields)


def world(*answers: Answer, pods: dict[int, PodView] | None = None) -> World:
    told = dict(enumerate(answers, start=1))
    return World(pods=pods if pods is not None else {member: pod(member) for member in told}, answers=told)


def test_all_voters_serving_in_sync_open_it() -> None:
    verdict = gate(world(LEADER, FOLLOWER, FOLLOWER))
    assert verdict.open
    assert (verdict.voters, verdict.needed, verdict.serving, verdict.leaders, verdict.synced) == (3, 3, 3, 1, 2)


@pytest.mark.parametrize(
    ("observed", "number"),
    [
        (world(LEADER, FOLLOWER, Silent("dark")), "2 of 3 voters that are needed serve; missing: main-zk-2 (dark)"),
        (
            world(LEADER, FOLLOWER, NotServing()),
            "2 of 3 voters that are needed serve; missing: main-zk-2 (does not serve)",
        ),
        (world(LEADER, FOLLOWER), "2 of 3"),
        (world(LEADER, LEADER, FOLLOWER), "2 members say they lead"),
        (world(FOLLOWER, FOLLOWER, FOLLOWER), "0 members say they lead"),
        (world(replace(LEADER, configuration=None), FOLLOWER, FOLLOWER), "does not tell the committed configuration"),
        (world(replace(LEADER, synced=1), FOLLOWER, FOLLOWER), "1 of 2 voting followers are in sync"),
        (world(replace(LEADER, synced_non_voting=1), FOLLOWER, FOLLOWER), "1 of 2 voting followers are in sync"),
        (world(replace(LEADER, synced=None), FOLLOWER, FOLLOWER), "does not tell how many"),
        (world(replace(LEADER, synced_non_voting=None), FOLLOWER, FOLLOWER), "does not tell how many"),
        (world(LEADER, FOLLOWER, replace(FOLLOWER, configuration=None)), "unknown"),
        (
            world(LEADER, FOLLOWER, replace(FOLLOWER, configuration=replace(COMMITTED, version=1))),
            "voters act on 2 configurations (1, 100000000)",
        ),
        (world(LEADER, FOLLOWER, replace(FOLLOWER, mode=Mode.OBSERVER)), "2 of 3"),
        (world(LEADER, FOLLOWER, FOLLOWER, pods={1: pod(1), 2: pod(2), 3: pod(3, deleting=True)}), "being stopped"),
    ],
)
def test_it_is_shut_and_names_the_number(observed: World, number: str) -> None:
    verdict = gate(observed)
    assert not verdict.open
    assert number in verdict.why


def test_a_member_that_is_down_may_be_replaced_when_all_others_serve() -> None:
    down = world(replace(LEADER, synced=1), FOLLOWER, Silent("dark"))
    assert gate(down, spared=frozenset({3})).open
    assert not gate(down, spared=frozenset({2})).open


def test_a_joiner_in_sync_does_not_make_up_for_a_voter_that_is_not() -> None:
    joiner = replace(FOLLOWER)
    observed = world(replace(LEADER, synced=2, synced_non_voting=1), FOLLOWER, FOLLOWER, joiner)
    assert not gate(observed).open


def test_a_voter_that_cannot_be_asked_may_be_in_sync_where_that_is_known() -> None:
    silent = world(LEADER, FOLLOWER, Silent("dark"))
    assert gate(silent, unseen=frozenset({3})).open
    assert "2 of 1" in gate(silent, spared=frozenset({3})).why
    assert gate(world(replace(LEADER, synced=1), FOLLOWER, Silent("dark")), unseen=frozenset({3})).open
    assert not gate(world(replace(LEADER, synced=0), FOLLOWER, Silent("dark")), unseen=frozenset({3})).open


NOT_RUNNING = {1: pod(1), 2: pod(2), 3: pod(3, running=Running.NO)}


@pytest.mark.parametrize(
    ("observed", "kept"),
    [
        (world(LEADER, FOLLOWER, Silent("dark"), pods=NOT_RUNNING), ()),
        (world(NotServing(), NotServing(), Silent("dark"), pods=NOT_RUNNING), (1, 2)),
        (world(replace(LEADER, synced=1), FOLLOWER, Silent("dark")), ()),
        (replace(world(NotServing(), NotServing(), NotServing()), recorded=COMMITTED.servers, leaderless_s=31.0), ()),
    ],
)
def test_a_broken_pod_may_go_when_no_quorum_can_have_its_server(observed: World, kept: tuple[int, ...]) -> None:
    assert gate_of_broken(observed, 3, kept=frozenset(kept)).open


@pytest.mark.parametrize(
    ("observed", "kept", "number"),
    [
        (world(LEADER, FOLLOWER, Silent("dark")), (), "2 of 1 voting followers are in sync"),
        (
            replace(world(Silent("dark"), NotServing(), NotServing()), recorded=COMMITTED.servers),
            (),
            "1 of 3 voters may be part of a quorum unseen: [1]",
        ),
        (
            replace(world(NotServing(), NotServing(), NotServing()), recorded=COMMITTED.servers, leaderless_s=2.0),
            (),
            "there has been no leader for 2 s only, which may be an election",
        ),
        (
            world(replace(LEADER, synced=0), Silent("dark"), Silent("dark"), pods=NOT_RUNNING),
            (2,),
            "1 of 3 voters have the newest revision and have not started with it: main-zk-1 (dark)",
        ),
        (
            world(LEADER, Silent("dark"), Silent("dark"), pods=NOT_RUNNING | {2: pod(2, deleting=True)}),
            (),
            "1 of 3 voters that are needed are being stopped",
        ),
    ],
)
def test_a_broken_pod_stays_with_the_number_that_keeps_it(observed: World, kept: tuple[int, ...], number: str) -> None:
    verdict = gate_of_broken(observed, 3, kept=frozenset(kept))
    assert not verdict.open
    assert number in verdict.why
    assert verdict.voters == 3
