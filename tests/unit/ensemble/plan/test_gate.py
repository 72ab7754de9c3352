"""The gate: each number that must block does, and says so."""

from dataclasses import replace
from typing import Any

import pytest

from zkoperator.ensemble.model.configuration import Configuration, server_of
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.observe.answers import Answer, Mode, NotServing, Serving, Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView, Running
from zkoperator.ensemble.plan.gate import gate, gate_for_broken_pod

NAMES = Names("demo", "main")
COMMITTED = Configuration(0x100000000, tuple(server_of(NAMES, member) for member in (1, 2, 3)))
FOLLOWER = Serving(Mode.FOLLOWER, 7, "3.9.5", COMMITTED)
LEADER = Serving(Mode.LEADER, 7, "3.9.5", COMMITTED, synced=2, synced_non_voting=0)


def pod(member: int, **fields: Any) -> PodView:
    return PodView(NAMES.pod(member), f"uid-{member}", member, "set", ip="10.0.0.1", **fields)


def observation(*answers: Answer, pods: dict[int, PodView] | None = None) -> Observed:
    told = dict(enumerate(answers, start=1))
    return Observed(pods=pods if pods is not None else {member: pod(member) for member in told}, answers=told)


def test_all_voters_serving_in_sync_open_it() -> None:
    verdict = gate(observation(LEADER, FOLLOWER, FOLLOWER))
    assert verdict.open
    assert (verdict.voters, verdict.needed, verdict.serving, verdict.leaders, verdict.synced) == (3, 3, 3, 1, 2)


@pytest.mark.parametrize(
    ("observed", "number"),
    [
        (
            observation(LEADER, FOLLOWER, Silent("dark")),
            "2 of 3 voters that are needed serve; missing: main-zk-2 (dark)",
        ),
        (
            observation(LEADER, FOLLOWER, NotServing()),
            "2 of 3 voters that are needed serve; missing: main-zk-2 (does not serve)",
        ),
        (observation(LEADER, FOLLOWER), "2 of 3"),
        (observation(LEADER, LEADER, FOLLOWER), "2 members say they lead"),
        (observation(FOLLOWER, FOLLOWER, FOLLOWER), "0 members say they lead"),
        (
            observation(replace(LEADER, configuration=None), FOLLOWER, FOLLOWER),
            "does not tell the committed configuration",
        ),
        (observation(replace(LEADER, synced=1), FOLLOWER, FOLLOWER), "1 of 2 voting followers are in sync"),
        (observation(replace(LEADER, synced_non_voting=1), FOLLOWER, FOLLOWER), "1 of 2 voting followers are in sync"),
        (observation(replace(LEADER, synced=None), FOLLOWER, FOLLOWER), "does not tell how many"),
        (observation(replace(LEADER, synced_non_voting=None), FOLLOWER, FOLLOWER), "does not tell how many"),
        (observation(LEADER, FOLLOWER, replace(FOLLOWER, configuration=None)), "unknown"),
        (
            observation(LEADER, FOLLOWER, replace(FOLLOWER, configuration=replace(COMMITTED, version=1))),
            "voters act on 2 configurations (1, 100000000)",
        ),
        (observation(LEADER, FOLLOWER, replace(FOLLOWER, mode=Mode.OBSERVER)), "2 of 3"),
        (
            observation(LEADER, FOLLOWER, FOLLOWER, pods={1: pod(1), 2: pod(2), 3: pod(3, deleting=True)}),
            "being stopped",
        ),
    ],
)
def test_it_is_shut_and_names_the_number(observed: Observed, number: str) -> None:
    verdict = gate(observed)
    assert not verdict.open
    assert number in verdict.why


def test_a_member_that_is_down_may_be_replaced_when_all_others_serve() -> None:
    down = observation(replace(LEADER, synced=1), FOLLOWER, Silent("dark"))
    assert gate(down, excluded=frozenset({3})).open
    assert not gate(down, excluded=frozenset({2})).open


def test_a_joiner_in_sync_does_not_make_up_for_a_voter_that_is_not() -> None:
    joiner = replace(FOLLOWER)
    observed = observation(replace(LEADER, synced=2, synced_non_voting=1), FOLLOWER, FOLLOWER, joiner)
    assert not gate(observed).open


def test_a_voter_that_cannot_be_asked_may_be_in_sync_where_that_is_known() -> None:
    silent = observation(LEADER, FOLLOWER, Silent("dark"))
    assert gate(silent, unreachable=frozenset({3})).open
    assert "2 of 1" in gate(silent, excluded=frozenset({3})).why
    assert gate(observation(replace(LEADER, synced=1), FOLLOWER, Silent("dark")), unreachable=frozenset({3})).open
    assert not gate(observation(replace(LEADER, synced=0), FOLLOWER, Silent("dark")), unreachable=frozenset({3})).open


NOT_RUNNING = {1: pod(1), 2: pod(2), 3: pod(3, running=Running.NO)}


@pytest.mark.parametrize(
    ("observed", "kept"),
    [
        (observation(LEADER, FOLLOWER, Silent("dark"), pods=NOT_RUNNING), ()),
        (observation(NotServing(), NotServing(), Silent("dark"), pods=NOT_RUNNING), (1, 2)),
        (observation(replace(LEADER, synced=1), FOLLOWER, Silent("dark")), ()),
        (
            replace(
                observation(NotServing(), NotServing(), NotServing()), recorded=COMMITTED.servers, leaderless_s=31.0
            ),
            (),
        ),
    ],
)
def test_a_broken_pod_may_go_when_no_quorum_can_have_its_server(observed: Observed, kept: tuple[int, ...]) -> None:
    assert gate_for_broken_pod(observed, 3, updated=frozenset(kept)).open


@pytest.mark.parametrize(
    ("observed", "kept", "number"),
    [
        (observation(LEADER, FOLLOWER, Silent("dark")), (), "2 of 1 voting followers are in sync"),
        (
            replace(observation(Silent("dark"), NotServing(), NotServing()), recorded=COMMITTED.servers),
            (),
            "1 of 3 voters may be part of a quorum unseen: [1]",
        ),
        (
            replace(
                observation(NotServing(), NotServing(), NotServing()), recorded=COMMITTED.servers, leaderless_s=2.0
            ),
            (),
            "there has been no leader for 2 s only, which may be an election",
        ),
        (
            observation(replace(LEADER, synced=0), Silent("dark"), Silent("dark"), pods=NOT_RUNNING),
            (2,),
            "1 of 3 voters have the newest revision and have not started with it: main-zk-1 (dark)",
        ),
        (
            observation(LEADER, Silent("dark"), Silent("dark"), pods=NOT_RUNNING | {2: pod(2, deleting=True)}),
            (),
            "1 of 3 voters that are needed are being stopped",
        ),
    ],
)
def test_a_broken_pod_stays_with_the_number_that_keeps_it(
    observed: Observed, kept: tuple[int, ...], number: str
) -> None:
    verdict = gate_for_broken_pod(observed, 3, updated=frozenset(kept))
    assert not verdict.open
    assert number in verdict.why
    assert verdict.voters == 3
