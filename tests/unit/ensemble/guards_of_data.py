"""Data that must outlive what happens to pods, claims and objects, and does not with any of these guards taken out."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_guards import Guard, at_rest, planned, told
from tests.support.models.ensemble_simulation import BETTER, NAMES, Simulation, raw_cluster
from zkoperator.ensemble.observe.answers import NotServing
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import Running
from zkoperator.ensemble.plan import founding, gate, roll
from zkoperator.ensemble.plan.steps import RecordBootstrap, RestartPod
from zkoperator.ensemble.validate import ValidatedCluster

EPHEMERAL = {"type": "Ephemeral"}


def again(play: Simulation, **spec: Any) -> Simulation:
    """The object is deleted and created again; the claims and what is on their volumes stay."""
    raw = raw_cluster(**spec)
    kept = {member: replace(claim, owners=()) for member, claim in play.claims.items()}
    return Simulation(raw, claims=kept, disks=dict(play.disks), committed=play.committed)


def records(play: Simulation) -> list[RecordBootstrap]:
    return [step for step in planned(play, play.observe()).steps if isinstance(step, RecordBootstrap)]


# Claims


def claims_that_are_going_are_not_taken_up() -> None:
    play = again(at_rest())
    play.claims = {member: replace(claim, deleting=True) for member, claim in play.claims.items()}
    assert records(play) == []
    assert "waiting for the end of claims data-main-zk-0" in planned(play, play.observe()).message
    play.claims, play.disks, play.committed = {}, {}, None
    play.settle()
    assert play.founded == 1


def _nothing_forbids_a_record(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("zkoperator.ensemble.plan.plan.founding_obstacle", lambda *_: "")


def volumes_that_nobody_noted_may_be_those_of_members() -> None:
    play = again(at_rest(), replicas=1)
    play.claims = {member: replace(claim, membership="") for member, claim in play.claims.items()}
    assert records(play) == [RecordBootstrap(3, complete=False, ensemble="unknown")]
    play.settle()
    assert (play.founded, sorted(play.pods)) == (0, [1])


def _only_the_spec_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(founding, "_first_record", lambda cluster, _: RecordBootstrap(cluster.spec.replicas, complete=False))


def volumes_are_not_taken_up_by_pods_that_do_not_mount_them() -> None:
    play = again(at_rest(), storage={**EPHEMERAL, "retention": {"whenDeleted": "Delete"}})
    plan = planned(play, play.observe())
    assert (plan.steps, "spec.storage.type is Ephemeral" in plan.message) == ((), True)
    play.raw["status"]["bootstrap"] = {"members": 3, "complete": True}
    assert [step for step in planned(play, play.observe()).steps if type(step).__name__ == "NoteOnClaim"] == []


def a_claim_that_is_going_does_not_keep_the_ensemble_from_being_founded() -> None:
    play = Simulation(raw_cluster(3))
    play.tick()
    play.claims[3] = ClaimView(NAMES.claim(3), "claim-of-3", "1", 3, deleting=True)
    for _ in range(10):
        play.tick()
    assert play.raw["status"]["bootstrap"] == {"members": 3, "complete": True}


def _every_claim_must_be_noted(patch: pytest.MonkeyPatch) -> None:
    original = founding.bootstrap_steps

    def steps(cluster: Any, observed: Observed) -> Any:
        noted = all(observed.claims[m].membership for m in observed.voters if m in observed.claims)
        return original(cluster, observed) if noted or cluster.status.bootstrap is None else ()

    patch.setattr("zkoperator.ensemble.plan.plan.bootstrap_steps", steps)


# Data that goes with the pod


def a_container_that_ended_does_not_take_the_only_copy_along() -> None:
    for size in (1, 2, 3):
        play = at_rest(size, storage=EPHEMERAL)
        acknowledged = play.acknowledged
        play.edit(config={"tickTime": "3000"})
        play.stuck = frozenset(play.pods)
        for member in list(play.pods):
            play.crash(member)
        for _ in range(10):
            play.tick()
        play.stuck = frozenset()
        for _ in range(10):
            play.tick()
        assert max(disk.last for disk in play.disks.values()) >= acknowledged


def _broken_pods_hold_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "_data_goes_with_pod", lambda *_: False)


def the_only_member_is_not_restarted_while_its_claim_is_going() -> None:
    play = at_rest(1)
    play.claims[1] = replace(play.claims[1], deleting=True)
    play.edit(image=BETTER)
    plan = planned(play, play.observe())
    assert not [step for step in plan.steps if isinstance(step, RestartPod)]
    assert "claim data-main-zk-0 is being deleted and 1 voters are too few" in plan.message


# Elections


def no_member_is_restarted_while_the_others_elect() -> None:
    play = at_rest(3)
    play.edit(image=BETTER)
    play.tick()
    observed = play.observe()
    leader = observed.leader or 0
    pods = {**observed.pods, leader: replace(observed.pods[leader], running=Running.NO, ready=False)}
    idle = {member: NotServing() for member in observed.pods if member != leader}
    electing = replace(observed, pods=pods, answers=idle, leaderless_s=1.0)
    assert restarted(play, electing) == [leader]
    assert restarted(play, replace(electing, leaderless_s=40.0)) == [min(idle)]


def restarted(play: Simulation, observed: Observed) -> list[int]:
    return [step.member for step in planned(play, observed).steps if isinstance(step, RestartPod)]


def _an_election_takes_no_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "_election", lambda *_: "")


def founders_that_the_spec_does_not_ask_for_are_told_with_the_way_out() -> None:
    play = Simulation(raw_cluster(5))
    play.stuck = frozenset({3, 4, 5})
    for _ in range(5):
        play.tick()
    play.edit(replicas=1)
    assert "the first 5 members are fixed" in told(play, play.observe())["Ready"]["message"]


def _founders_are_what_the_spec_says(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatedCluster, "founders", property(lambda cluster: cluster.spec.replicas))


GUARDS = (
    Guard(claims_that_are_going_are_not_taken_up, _nothing_forbids_a_record),
    Guard(volumes_that_nobody_noted_may_be_those_of_members, _only_the_spec_counts),
    Guard(volumes_are_not_taken_up_by_pods_that_do_not_mount_them, _nothing_forbids_a_record),
    Guard(a_claim_that_is_going_does_not_keep_the_ensemble_from_being_founded, _every_claim_must_be_noted),
    Guard(a_container_that_ended_does_not_take_the_only_copy_along, _broken_pods_hold_nothing),
    Guard(the_only_member_is_not_restarted_while_its_claim_is_going, _broken_pods_hold_nothing),
    Guard(no_member_is_restarted_while_the_others_elect, _an_election_takes_no_time),
    Guard(founders_that_the_spec_does_not_ask_for_are_told_with_the_way_out, _founders_are_what_the_spec_says),
)
