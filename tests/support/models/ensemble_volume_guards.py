"""Whose the volumes are: noted on claims, told to the members, and asked of a person where it is somebody else's."""

from dataclasses import replace

import pytest

from tests.support.models.ensemble_data_guards import again, records
from tests.support.models.ensemble_guards import Guard, at_rest, planned, told
from tests.support.models.ensemble_simulation import UID, Simulation, raw_cluster
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import TAKE_OVER, TEMPLATE
from zkoperator.ensemble.observe import pod_view as views
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.ensemble.plan import claim_steps, founding
from zkoperator.ensemble.plan.steps import NoteOnClaim, RecordBootstrap, RestartPod
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

_CONSENT = {TAKE_OVER: "uid-of-the-original"}


def the_claims_of_members_name_their_ensemble() -> None:
    world = at_rest()
    assert {claim.ensemble for claim in world.claims.values()} == {UID}
    # A cluster from before there were such notes, whose members serve on.
    world.claims = {member: replace(claim, ensemble="") for member, claim in world.claims.items()}
    world.settle()
    assert {claim.ensemble for claim in world.claims.values()} == {UID}
    assert world.restarts == []


def _claims_name_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claim_steps, "NoteOnClaim", lambda claim, membership, owned, _: NoteOnClaim(claim, membership, owned))


def an_ensemble_keeps_the_mark_of_its_volumes_when_its_object_is_made_again() -> None:
    world = again(at_rest())
    world.raw["metadata"]["uid"] = "uid-of-the-second-object"
    assert records(world) == [RecordBootstrap(3, complete=True, ensemble=UID)]
    world.settle()
    assert {claim.ensemble for claim in world.claims.values()} == {UID}
    assert world.children[Child.CONFIG_MAP]["data"]["ensemble"] == UID


def _marks_are_those_of_the_object(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatedCluster, "ensemble", property(lambda cluster: cluster.meta.uid))


def no_mark_is_asked_for_that_nobody_noted() -> None:
    world = again(at_rest())
    world.claims = {member: replace(claim, ensemble="") for member, claim in world.claims.items()}
    world.settle()
    assert world.children[Child.CONFIG_MAP]["data"]["ensemble"] == ""


def claims_of_two_ensembles_are_not_taken_up_as_one() -> None:
    world = again(at_rest())
    world.claims[2] = replace(world.claims[2], ensemble="uid-of-another")
    plan = planned(world, world.observe())
    assert plan.steps == ()
    assert "data-main-zk-1 of ensemble uid-of-another" in plan.message


def _ensembles_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(founding, "_ensembles", lambda _: {UID: ""})


# Consent


def consent_is_told_to_members_until_the_ensemble_has_data_of_its_own() -> None:
    raw = raw_cluster()
    raw["metadata"]["annotations"] = _CONSENT
    world = Simulation(raw)
    while Child.CONFIG_MAP not in world.children:
        world.tick()
    assert world.children[Child.CONFIG_MAP]["data"]["take-over"] == "uid-of-the-original"
    world.settle()
    assert world.children[Child.CONFIG_MAP]["data"]["take-over"] == ""
    assert world.restarts == []
    assert (
        "kubectl -n demo annotate zk main zkoperator.dev/take-over-"
        in told(world, world.observe())["Degraded"]["message"]
    )


def _consent_is_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatedCluster, "take_over", property(lambda c: c.meta.annotations.get(TAKE_OVER, "")))


def a_member_that_refuses_its_volume_starts_anew_when_a_person_has_spoken() -> None:
    world = Simulation(raw_cluster())
    world.stuck = frozenset({1, 2, 3})
    for _ in range(3):
        world.tick()
    before = world.children[Child.STATEFUL_SET]["spec"]["template"]["metadata"]["annotations"][TEMPLATE]
    world.raw["metadata"]["annotations"] = _CONSENT
    world.tick()
    after = world.children[Child.STATEFUL_SET]["spec"]["template"]["metadata"]["annotations"][TEMPLATE]
    assert after != before
    assert [step for step in planned(world, world.observe()).steps if isinstance(step, RestartPod)]


def _consent_is_in_no_template(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("zkoperator.ensemble.build.statefulset._consent", lambda _: {})


# What a member says


WORDS = "the volume holds data of another ensemble (uid-of-the-original)"
ENDED: Manifest = {"terminated": {"reason": "Error", "exitCode": 1, "message": WORDS}}
WAITING: Manifest = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
STARTED: Manifest = {"running": {}}


def _after(world: Simulation, state: Manifest, *, started: bool) -> PodView:
    pod = world._pod_manifest(world.pods[1])
    container = {"name": "zookeeper", "state": state, "lastState": ENDED, "restartCount": 1, "started": started}
    pod["status"]["containerStatuses"] = [container]
    return views.pod_view(1, pod)


def the_last_words_of_a_member_reach_the_status() -> None:
    world = at_rest()
    observed = world.observe()
    for state in (WAITING, ENDED, STARTED):
        pods = {**observed.pods, 1: _after(world, state, started=False)}
        assert WORDS in told(world, replace(observed, pods=pods))["Degraded"]["message"]
    assert _after(world, STARTED, started=True).trouble == "", "once it serves they are of the past"


def _nobody_listens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(views, "_last_words", lambda _: "")


GUARDS = (
    Guard(the_claims_of_members_name_their_ensemble, _claims_name_nothing),
    Guard(an_ensemble_keeps_the_mark_of_its_volumes_when_its_object_is_made_again, _marks_are_those_of_the_object),
    Guard(no_mark_is_asked_for_that_nobody_noted, _marks_are_those_of_the_object),
    Guard(claims_of_two_ensembles_are_not_taken_up_as_one, _ensembles_are_not_compared),
    Guard(consent_is_told_to_members_until_the_ensemble_has_data_of_its_own, _consent_is_for_ever),
    Guard(a_member_that_refuses_its_volume_starts_anew_when_a_person_has_spoken, _consent_is_in_no_template),
    Guard(the_last_words_of_a_member_reach_the_status, _nobody_listens),
)
