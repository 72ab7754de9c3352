"""Data that must outlive what happens to pods, claims and objects, and does not with any of these guards taken out."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_guards import Guard, at_rest, planned, told
from tests.support.models.ensemble_members import Disk
from tests.support.models.ensemble_simulation import BAD, BETTER, NAMES, UID, Simulation, raw_cluster
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Configuration, Server, server_of
from zkoperator.ensemble.observe.answers import NotServing
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import Running
from zkoperator.ensemble.plan import child_steps as desired
from zkoperator.ensemble.plan import claim_steps as claims
from zkoperator.ensemble.plan import founding, gate, roll
from zkoperator.ensemble.plan.claim_steps import MEMBER
from zkoperator.ensemble.plan.steps import RecordBootstrap, RestartPod
from zkoperator.ensemble.validate import ValidatedCluster

EPHEMERAL = {"type": "Ephemeral"}


def again(world: Simulation, **spec: Any) -> Simulation:
    """The object is deleted and created again; the claims and what is on their volumes stay."""
    raw = raw_cluster(**spec)
    kept = {member: replace(claim, owners=()) for member, claim in world.claims.items()}
    return Simulation(raw, claims=kept, disks=dict(world.disks), committed=world.committed)


def records(world: Simulation) -> list[RecordBootstrap]:
    return [step for step in planned(world, world.observe()).steps if isinstance(step, RecordBootstrap)]


# Claims


def claims_that_are_going_are_not_taken_up() -> None:
    world = again(at_rest())
    world.claims = {member: replace(claim, deleting=True) for member, claim in world.claims.items()}
    assert records(world) == []
    assert "waiting for the end of claims data-main-zk-0" in planned(world, world.observe()).message
    world.claims, world.disks, world.committed = {}, {}, None
    world.settle()
    assert world.founded == 1


def _nothing_forbids_a_record(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("zkoperator.ensemble.plan.plan.founding_obstacle", lambda *_: "")


def volumes_that_nobody_noted_may_be_those_of_members() -> None:
    world = again(at_rest(), replicas=1)
    world.claims = {member: replace(claim, membership="") for member, claim in world.claims.items()}
    assert records(world) == [RecordBootstrap(3, complete=False, ensemble="unknown")]
    world.settle()
    assert (world.founded, sorted(world.pods)) == (0, [1])


def _only_the_spec_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(founding, "_first_record", lambda cluster, _: RecordBootstrap(cluster.spec.replicas, complete=False))


def volumes_are_not_taken_up_by_pods_that_do_not_mount_them() -> None:
    world = again(at_rest(), storage={**EPHEMERAL, "retention": {"whenDeleted": "Delete"}})
    plan = planned(world, world.observe())
    assert (plan.steps, "spec.storage.type is Ephemeral" in plan.message) == ((), True)
    world.raw["status"]["bootstrap"] = {"members": 3, "complete": True, "ensemble": UID}
    assert [step for step in planned(world, world.observe()).steps if type(step).__name__ == "NoteOnClaim"] == []


def no_member_is_restarted_while_claims_are_being_deleted() -> None:
    play = at_rest()
    play.claims = {member: replace(claim, deleting=True) for member, claim in play.claims.items()}
    play.edit(config={"tickTime": "3000"})
    for _ in range(3):
        play.tick()
    plan = planned(play, play.observe())
    assert play.restarts == []
    assert "deletion was asked for" in plan.message
    assert told(play, play.observe())["Degraded"]["reason"] == "ClaimsTerminating"
    asked = play.observe()
    pods = {**asked.pods, 2: replace(asked.pods[2], restart="new-volume")}
    (step,) = planned(play, replace(asked, pods=pods)).disruptive
    assert isinstance(step, RestartPod) and step.member == 2


def _claims_that_are_going_do_not_matter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "_held", lambda *_: None)


def a_member_that_does_not_run_is_repaired_while_the_claim_of_another_is_going() -> None:
    play = at_rest()
    play.edit(image=BAD)
    for _ in range(10):
        play.tick()
    (broken,) = (member for member in play.pods if play.pods[member].image == BAD)
    going = min(play.pods.keys() - {broken})
    play.claims[going] = replace(play.claims[going], deleting=True)
    play.edit(image=BETTER)
    for _ in range(10):
        play.tick()
    assert play.restarts == [broken, broken]
    asked = play.observe()
    pods = {**asked.pods, going: replace(asked.pods[going], restart="new-volume")}
    assert restarted(play, replace(asked, pods=pods)) == [going]


def _who_does_not_run_is_held_too(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "_is_spared", lambda pod, _: bool(pod.restart))


def a_claim_that_is_going_does_not_keep_the_ensemble_from_being_founded() -> None:
    world = Simulation(raw_cluster(3))
    world.tick()
    world.claims[3] = ClaimView(NAMES.claim(3), "claim-of-3", "1", 3, deleting=True)
    for _ in range(10):
        world.tick()
    assert world.raw["status"]["bootstrap"] == {"members": 3, "complete": True, "ensemble": UID}


def _every_claim_must_be_noted(patch: pytest.MonkeyPatch) -> None:
    original = founding.bootstrap_steps

    def steps(cluster: Any, observed: Observed) -> Any:
        noted = all(observed.claims[m].membership for m in observed.voters if m in observed.claims)
        return original(cluster, observed) if noted or cluster.status.bootstrap is None else ()

    patch.setattr("zkoperator.ensemble.plan.plan.bootstrap_steps", steps)


def _retention(when_deleted: str) -> dict[str, Any]:
    return {"retention": {"whenDeleted": when_deleted}}


def claims_are_released_though_nobody_leads() -> None:
    world = at_rest(storage=_retention("Delete"))
    assert all(claim.owners == (UID,) for claim in world.claims.values())
    world.dark = frozenset({1, 2, 3})
    world.edit(storage=_retention("Retain"))
    world.tick()
    assert all(claim.owners == () and claim.membership == MEMBER for claim in world.claims.values())


def claims_of_an_ensemble_that_was_never_founded_go_with_it() -> None:
    world = Simulation(raw_cluster(3, image=BAD, storage=_retention("Delete")))
    for _ in range(6):
        world.tick()
    assert len(world.claims) == 3
    assert all(claim.owners == (UID,) and claim.membership == "" for claim in world.claims.values())


def _only_a_leader_releases_claims(patch: pytest.MonkeyPatch) -> None:
    steps = claims.claim_steps

    def released(cluster: ValidatedCluster, observed: Observed) -> Any:
        return steps(cluster, observed) if observed.committed is not None else ()

    patch.setattr("zkoperator.ensemble.plan.plan.claim_steps", released)


# Kept claims


def some_kept_claims_are_enough_to_bring_the_ensemble_back_by_hand() -> None:
    world = Simulation(raw_cluster(3))
    committed = Configuration(256, tuple(server_of(NAMES, member) for member in (1, 2, 3)))
    world.committed, world.acknowledged, world.founded = committed, 7, 1
    world.disks[1] = Disk(committed, 7)
    world.claims[1] = ClaimView(NAMES.claim(1), "kept", "1", 1, MEMBER)
    for _ in range(6):
        world.tick()
    assert set(world.pods) == {1, 2, 3}
    assert world.children[Child.CONFIG_MAP]["data"]["members"].count("server.") == 3
    assert world.plan is not None and not world.plan.settled
    world.disks[2] = Disk(committed, 0)  # docs/recovery.md
    world.settle()
    assert (world.founded, world.acknowledged > 7) == (1, True)


def _only_kept_claims_count(patch: pytest.MonkeyPatch) -> None:
    def kept(cluster: ValidatedCluster, observed: Observed) -> tuple[Server, ...]:
        found = observed.committed.servers if observed.committed is not None else observed.recorded
        return found or tuple(server_of(cluster.names, m) for m in range(1, cluster.founders + 1))

    patch.setattr(desired, "known_servers", kept)


# Data that goes with the pod


def a_container_that_ended_does_not_take_the_only_copy_along() -> None:
    for size in (1, 2, 3):
        world = at_rest(size, storage=EPHEMERAL)
        acknowledged = world.acknowledged
        world.edit(config={"tickTime": "3000"})
        world.stuck = frozenset(world.pods)
        for member in list(world.pods):
            world.crash(member)
        for _ in range(10):
            world.tick()
        world.stuck = frozenset()
        for _ in range(10):
            world.tick()
        assert max(disk.last for disk in world.disks.values()) >= acknowledged


def _broken_pods_hold_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "_data_goes_with_pod", lambda *_: False)


def the_only_member_is_not_restarted_while_its_claim_is_going() -> None:
    world = at_rest(1)
    world.claims[1] = replace(world.claims[1], deleting=True)
    world.edit(image=BETTER)
    plan = planned(world, world.observe())
    assert not [step for step in plan.steps if isinstance(step, RestartPod)]
    assert "claim data-main-zk-0 is being deleted and 1 voters are too few" in plan.message


# Elections


def no_member_is_restarted_while_the_others_elect() -> None:
    world = at_rest(3)
    world.edit(image=BETTER)
    world.tick()
    observed = world.observe()
    leader = observed.leader or 0
    pods = {**observed.pods, leader: replace(observed.pods[leader], running=Running.NO, ready=False)}
    idle = {member: NotServing() for member in observed.pods if member != leader}
    electing = replace(observed, pods=pods, answers=idle, leaderless_s=1.0)
    assert restarted(world, electing) == [leader]
    assert restarted(world, replace(electing, leaderless_s=40.0)) == [min(idle)]


def restarted(world: Simulation, observed: Observed) -> list[int]:
    return [step.member for step in planned(world, observed).steps if isinstance(step, RestartPod)]


def _an_election_takes_no_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "_election", lambda *_: "")


def founders_that_the_spec_does_not_ask_for_are_told_with_the_way_out() -> None:
    world = Simulation(raw_cluster(5))
    world.stuck = frozenset({3, 4, 5})
    for _ in range(5):
        world.tick()
    world.edit(replicas=1)
    assert "the first 5 members are fixed" in told(world, world.observe())["Ready"]["message"]


def _founders_are_what_the_spec_says(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatedCluster, "founders", property(lambda cluster: cluster.spec.replicas))


GUARDS = (
    Guard(claims_are_released_though_nobody_leads, _only_a_leader_releases_claims),
    Guard(claims_of_an_ensemble_that_was_never_founded_go_with_it, _only_a_leader_releases_claims),
    Guard(some_kept_claims_are_enough_to_bring_the_ensemble_back_by_hand, _only_kept_claims_count),
    Guard(claims_that_are_going_are_not_taken_up, _nothing_forbids_a_record),
    Guard(volumes_that_nobody_noted_may_be_those_of_members, _only_the_spec_counts),
    Guard(volumes_are_not_taken_up_by_pods_that_do_not_mount_them, _nothing_forbids_a_record),
    Guard(a_claim_that_is_going_does_not_keep_the_ensemble_from_being_founded, _every_claim_must_be_noted),
    Guard(a_container_that_ended_does_not_take_the_only_copy_along, _broken_pods_hold_nothing),
    Guard(the_only_member_is_not_restarted_while_its_claim_is_going, _broken_pods_hold_nothing),
    Guard(no_member_is_restarted_while_claims_are_being_deleted, _claims_that_are_going_do_not_matter),
    Guard(a_member_that_does_not_run_is_repaired_while_the_claim_of_another_is_going, _who_does_not_run_is_held_too),
    Guard(no_member_is_restarted_while_the_others_elect, _an_election_takes_no_time),
    Guard(founders_that_the_spec_does_not_ask_for_are_told_with_the_way_out, _founders_are_what_the_spec_says),
)
