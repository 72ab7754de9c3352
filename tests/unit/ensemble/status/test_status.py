"""Status and Events: true to what was observed, and told on transitions only."""

from dataclasses import replace
from typing import Any

from tests.support.models.ensemble_simulation import NAMES, Simulation, raw_cluster, valid
from zkoperator.controller.events import build_event
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.observe.answers import NotServing, Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.plan import make_plan
from zkoperator.ensemble.plan.steps import ApplyChild, RestartPod
from zkoperator.ensemble.status.events import step_notice, transition_notices
from zkoperator.ensemble.status.status import differs, status_of, zxid_differs

NOW = "2026-01-02T03:04:05Z"


def at_rest(replicas: int = 3) -> Simulation:
    world = Simulation(raw_cluster(replicas))
    world.settle()
    return world


def told(world: Simulation, observed: Observed) -> dict[str, Any]:
    cluster = valid(world.raw)
    return status_of(cluster, observed, make_plan(cluster, observed), NOW)


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in status["conditions"] if c["type"] == kind)
    return found


def silence(observed: Observed, *members: int, for_s: float) -> Observed:
    answers = {**observed.answers, **{member: Silent("it does not answer") for member in members}}
    return replace(observed, answers=answers, downtime_s=dict.fromkeys(members, for_s), leaderless_s=for_s)


def test_unknown_is_said_when_nothing_is_known() -> None:
    world = at_rest()
    status = told(world, silence(world.observe(), 1, 2, 3, for_s=10.0))
    assert (condition(status, "Available")["status"], condition(status, "Ready")["status"]) == ("Unknown", "False")
    assert condition(status, "Degraded")["reason"] == "Unknown"


def test_a_moment_of_silence_of_ready_members_changes_nothing_that_was_said() -> None:
    world = at_rest()
    world.raw["status"]["conditions"] = told(world, world.observe())["conditions"]
    status = told(world, silence(world.observe(), 1, for_s=1.0))
    assert [condition(status, kind)["status"] for kind in ("Available", "Ready", "Degraded")] == [
        "True",
        "True",
        "False",
    ]
    later = told(world, silence(world.observe(), 1, for_s=10.0))
    assert [condition(later, kind)["status"] for kind in ("Available", "Ready", "Degraded")] == [
        "True",
        "False",
        "True",
    ]


def test_a_leader_that_misses_one_answer_leads_on_until_more_is_known() -> None:
    world = at_rest()
    first = told(world, world.observe())
    world.raw["status"] |= first
    leader = world.leader
    assert leader is not None
    blinking = told(world, silence(world.observe(), leader, for_s=1.0))
    assert (blinking["leader"], blinking["version"]) == (NAMES.pod(leader), first["version"])
    assert told(world, silence(world.observe(), leader, for_s=10.0))["leader"] == ""
    idle = world.observe()
    idle = replace(idle, answers={**idle.answers, leader: NotServing()}, leaderless_s=1.0)
    assert told(world, idle)["leader"] == "", "it says itself that it leads nobody"


def test_a_majority_that_runs_and_never_elects_is_told_with_the_way_out() -> None:
    world = at_rest()
    observed = replace(world.observe(), answers=dict.fromkeys((1, 2, 3), NotServing()), leaderless_s=60.0)
    status = told(world, observed)
    assert condition(status, "Available")["reason"] == "QuorumLost"
    degraded = condition(status, "Degraded")
    assert degraded["reason"] == "MajorityWiped"
    assert "kubectl annotate zk main -n demo zkoperator.dev/recover=<pod>@<zxid>" in degraded["message"]
    assert len(degraded["message"]) < 1024


def test_an_election_is_no_fault_yet_but_there_is_no_quorum() -> None:
    world = at_rest()
    observed = replace(world.observe(), answers=dict.fromkeys((1, 2, 3), NotServing()), leaderless_s=1.0)
    status = told(world, observed)
    assert condition(status, "Available")["status"] == "False"
    assert condition(status, "Degraded")["status"] == "False"
    assert status["replicas"] == 3, "the last known number stays while nobody can tell"


def test_members_differing_in_version_leave_it_empty() -> None:
    world = at_rest()
    observed = world.observe()
    other = observed.serving(1)
    assert other is not None
    mixed = replace(observed, answers={**observed.answers, 1: replace(other, version="3.9.4")})
    assert told(world, observed)["version"] == "3.9.5"
    assert told(world, mixed)["version"] == ""


def test_joining_and_leaving_members_are_called_so() -> None:
    world = at_rest(3)
    world.edit(replicas=5)
    for _ in range(2):
        world.tick()
        world.stuck = frozenset({5})
    roles = {member["id"]: member["role"] for member in told(world, world.observe())["members"]}
    assert roles[4] in ("joining", "unknown")
    world.edit(replicas=1)
    roles = {member["id"]: member["role"] for member in told(world, world.observe())["members"]}
    assert roles[2] == "leaving"


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    world = at_rest()
    first = told(world, world.observe())["conditions"]
    world.raw["status"]["conditions"] = [{**c, "lastTransitionTime": "2020-01-01T00:00:00Z"} for c in first]
    again = told(world, world.observe())["conditions"]
    assert {c["lastTransitionTime"] for c in again} == {"2020-01-01T00:00:00Z"}


def test_transaction_ids_alone_are_no_other_status() -> None:
    world = at_rest()
    before = told(world, world.observe())
    world.tick()
    after = told(world, world.observe())
    assert not differs(before, after)
    assert zxid_differs(before, after)


def test_events_tell_transitions_and_nothing_else() -> None:
    world = at_rest()
    first = told(world, world.observe())["conditions"]
    assert transition_notices(first, first) == ()
    changed = told(world, silence(world.observe(), 1, for_s=30.0))["conditions"]
    assert {(notice.type, notice.reason) for notice in transition_notices(first, changed)} == {
        ("Warning", "MemberDown")
    }


def test_steps_that_take_something_away_are_told_and_others_are_not() -> None:
    notice = step_notice(NAMES, RestartPod(1, "main-zk-0", "u", "the image changes", harmless=False))
    assert notice is not None
    assert notice.note == "restarting main-zk-0: the image changes"
    assert step_notice(NAMES, ApplyChild(Child.DISRUPTION_BUDGET, {})) is None
    manifest = build_event("ZooKeeperCluster", valid(raw_cluster()).meta, notice, "2026-01-02T03:04:05.000000Z")
    assert manifest["regarding"]["uid"] == "uid-of-main"
    assert len(manifest["metadata"]["name"]) < 253
