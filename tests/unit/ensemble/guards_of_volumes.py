"""Whose the volumes are: noted on claims, told to the members, and asked of a person where it is somebody else's."""

from dataclasses import replace

import pytest

from tests.support.models.ensemble_guards import Guard, at_rest, planned, told
from tests.support.models.ensemble_simulation import UID, Simulation, raw_cluster
from tests.unit.ensemble.guards_of_data import again, records
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
    play = at_rest()
    assert {claim.ensemble for claim in play.claims.values()} == {UID}
    # A cluster from before there were such notes, whose members serve on.
    play.claims = {member: replace(claim, ensemble="") for member, claim in play.claims.items()}
    play.settle()
    assert {claim.ensemble for claim in play.claims.values()} == {UID}
    assert play.restarts == []


def _claims_name_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claim_steps, "NoteOnClaim", lambda claim, membership, owned, _: NoteOnClaim(claim, membership, owned))


def an_ensemble_keeps_the_mark_of_its_volumes_when_its_object_is_made_again() -> None:
    play = again(at_rest())
    play.raw["metadata"]["uid"] = "uid-of-the-second-object"
    assert records(play) == [RecordBootstrap(3, complete=True, ensemble=UID)]
    play.settle()
    assert {claim.ensemble for claim in play.claims.values()} == {UID}
    assert play.children[Child.CONFIG_MAP]["data"]["ensemble"] == UID


def _marks_are_those_of_the_object(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatedCluster, "ensemble", property(lambda cluster: cluster.meta.uid))


def no_mark_is_asked_for_that_nobody_noted() -> None:
    play = again(at_rest())
    play.claims = {member: replace(claim, ensemble="") for member, claim in play.claims.items()}
    play.settle()
    assert play.children[Child.CONFIG_MAP]["data"]["ensemble"] == ""


def claims_of_two_ensembles_are_not_taken_up_as_one() -> None:
    play = again(at_rest())
    play.claims[2] = replace(play.claims[2], ensemble="uid-of-another")
    plan = planned(play, play.observe())
    assert plan.steps == ()
    assert "data-main-zk-1 of ensemble uid-of-another" in plan.message


def _ensembles_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(founding, "_ensembles", lambda _: {UID: ""})


# Consent


def consent_is_told_to_members_until_the_ensemble_has_data_of_its_own() -> None:
    raw = raw_cluster()
    raw["metadata"]["annotations"] = _CONSENT
    play = Simulation(raw)
    while Child.CONFIG_MAP not in play.children:
        play.tick()
    assert play.children[Child.CONFIG_MAP]["data"]["take-over"] == "uid-of-the-original"
    play.settle()
    assert play.children[Child.CONFIG_MAP]["data"]["take-over"] == ""
    assert play.restarts == []
    assert (
        "kubectl -n demo annotate zk main zkoperator.dev/take-over-"
        in told(play, play.observe())["Degraded"]["message"]
    )


def _consent_is_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatedCluster, "take_over", property(lambda c: c.meta.annotations.get(TAKE_OVER, "")))


def a_member_that_refuses_its_volume_starts_anew_when_a_person_has_spoken() -> None:
    play = Simulation(raw_cluster())
    play.stuck = frozenset({1, 2, 3})
    for _ in range(3):
        play.tick()
    before = play.children[Child.STATEFUL_SET]["spec"]["template"]["metadata"]["annotations"][TEMPLATE]
    play.raw["metadata"]["annotations"] = _CONSENT
    play.tick()
    after = play.children[Child.STATEFUL_SET]["spec"]["template"]["metadata"]["annotations"][TEMPLATE]
    assert after != before
    assert [step for step in planned(play, play.observe()).steps if isinstance(step, RestartPod)]


def _consent_is_in_no_template(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("zkoperator.ensemble.build.statefulset._consent", lambda _: {})


# What a member says


WORDS = "the volume holds data of another ensemble (uid-of-the-original)"
ENDED: Manifest = {"terminated": {"reason": "Error", "exitCode": 1, "message": WORDS}}
WAITING: Manifest = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
STARTED: Manifest = {"running": {}}


def _after(play: Simulation, state: Manifest, *, started: bool) -> PodView:
    pod = play._pod_manifest(play.pods[1])
    container = {"name": "zookeeper", "state": state, "lastState": ENDED, "restartCount": 1, "started": started}
    pod["status"]["containerStatuses"] = [container]
    return views.pod_view(1, pod)


def the_last_words_of_a_member_reach_the_status() -> None:
    play = at_rest()
    observed = play.observe()
    for state in (WAITING, ENDED, STARTED):
        pods = {**observed.pods, 1: _after(play, state, started=False)}
        assert WORDS in told(play, replace(observed, pods=pods))["Degraded"]["message"]
    assert _after(play, STARTED, started=True).trouble == "", "once it serves they are of the past"


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
