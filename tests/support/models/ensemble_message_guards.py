"""What the operator must say in known troubles, and does not with any of these guards taken out."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_guards import NOW, Guard, at_rest, dark, first_restarted, planned, told
from tests.support.models.ensemble_simulation import BAD, Simulation, raw_cluster, valid
from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import ClusterReason
from zkoperator.controller.events import Notice, build_event
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.observe import pod_view as views
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView, pod_view
from zkoperator.ensemble.plan import membership, plan, roll
from zkoperator.ensemble.status import conditions, events
from zkoperator.ensemble.status.events import transition_notices

# No leader


def a_change_that_waits_for_a_leader_is_not_nothing_to_do() -> None:
    world = at_rest()
    world.edit(replicas=5)
    for _ in range(2):
        world.tick()
    moment = planned(world, dark(world.observe(), 1, 2, 3, for_s=1.0))
    assert (moment.settled, moment.reason) == (False, ClusterReason.SCALING_UP)
    lasting = planned(world, dark(world.observe(), 1, 2, 3, for_s=10.0))
    assert lasting.reason is ClusterReason.BLOCKED
    assert "3 voters are to become 5: 0 members say they lead" in lasting.message


def _without_a_leader_nothing_is_to_be_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(membership, "_leaderless", lambda *_: None)


def what_was_said_of_an_older_spec_is_not_said_again() -> None:
    world = at_rest()
    world.raw["status"]["conditions"] = list(told(world, world.observe()).values())
    blink = dark(world.observe(), 1, for_s=1.0)
    assert told(world, blink)["Ready"]["status"] == "True"
    world.edit(replicas=3)
    assert told(world, blink)["Ready"]["status"] == "False"


def _last_of_any_spec(patch: pytest.MonkeyPatch) -> None:
    last = conditions._last_if_briefly_silent

    def whatever(facts: conditions.Facts, kind: Any) -> Any:
        before = tuple(
            c.model_copy(update={"observed_generation": facts.cluster.meta.generation})
            for c in facts.cluster.status.conditions
        )
        status = facts.cluster.status.model_copy(update={"conditions": before})
        return last(replace(facts, cluster=replace(facts.cluster, status=status)), kind)

    patch.setattr(conditions, "_last_if_briefly_silent", whatever)


# Pods that do not end


def a_pod_that_does_not_end_is_blocked_in_the_end() -> None:
    world = at_rest()
    observed = world.observe()
    pods = {**observed.pods, 1: replace(observed.pods[1], deleting=True)}
    soon = planned(world, replace(dark(observed, 1, for_s=10.0), pods=pods))
    assert soon.reason is ClusterReason.REPAIRING
    late = planned(world, replace(dark(observed, 1, for_s=200.0), pods=pods))
    assert late.reason is ClusterReason.BLOCKED
    assert "2 of 3 voters that are needed serve; missing: main-zk-0" in late.message


def _patience_without_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "overdue", lambda *_: "")


# What is said


def founders_that_do_not_start_say_why() -> None:
    world = Simulation(raw_cluster(3, image=BAD))
    for _ in range(6):
        world.tick()
    message = told(world, world.observe())["Ready"]["message"]
    assert "0 of 3 first members serve" in message
    assert "main-zk-0, main-zk-1, main-zk-2: ImagePullBackOff; check spec.image" in message


def _troubles_are_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Observed, "troubles", lambda *_: "")


def _seen(pod: PodView, running: bool) -> PodView:
    state = {"running": {}} if running else {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"reason": "Error", "exitCode": 1}}
    status = {"name": "zookeeper", "state": state, "started": False, "restartCount": 4, "lastState": last}
    meta = {
        "name": pod.name,
        "uid": pod.uid,
        "ownerReferences": [{"uid": pod.owner_uid, "controller": True}],
        "annotations": {"zkoperator.dev/revision": pod.revision, "zkoperator.dev/template": pod.template},
    }
    spec = {"containers": [{"name": "zookeeper", "image": pod.image}]}
    return pod_view(pod.member, {"metadata": meta, "spec": spec, "status": {"containerStatuses": [status]}})


def a_crash_loop_is_told_once() -> None:
    world = at_rest()
    world.edit(config={"tickTime": "3000"})
    new = first_restarted(world)
    observed = replace(dark(world.observe(), new, for_s=10.0), leaderless_s=0.0)
    world.raw["status"]["conditions"] = [
        Condition(
            type="Progressing",
            status=Truth.TRUE,
            observed_generation=2,
            last_transition_time=NOW,
            reason="RollingRestart",
            message="",
        ).manifest()
    ]
    before: list[dict[str, Any]] = []
    for running in (False, True, False, True):
        now = told(world, replace(observed, pods={**observed.pods, new: _seen(observed.pods[new], running)}))
        assert now["Degraded"]["reason"] == "PodFailing"
        assert now["Progressing"]["reason"] == "Blocked"
        assert before == [] or transition_notices(before, list(now.values())) == ()
        before = list(now.values())


def _running_is_well(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(views, "_failing", lambda _: {})


def an_outage_says_what_keeps_the_members_from_starting() -> None:
    world = at_rest(1)
    world.edit(image=BAD)
    first_restarted(world)
    now = told(world, replace(world.observe(), leaderless_s=60.0))
    assert now["Degraded"]["reason"] == "QuorumLost"
    for kind in ("Ready", "Degraded"):
        assert "main-zk-0: ImagePullBackOff; check spec.image" in now[kind]["message"]


def long_troubles_leave_room_for_the_commands() -> None:
    world = at_rest(3)
    observed = dark(world.observe(), 1, 2, 3, for_s=60.0)
    pods = {
        member: replace(pod, ready=False, running=views.Running.NO, trouble=f"Error{member}: " + "words " * 150)
        for member, pod in observed.pods.items()
    }
    now = told(world, replace(observed, pods=pods))
    assert now["Degraded"]["reason"] == "QuorumLost"
    (note,) = [n.note for n in transition_notices([now["Degraded"] | {"reason": "Healthy"}], [now["Degraded"]])]
    note = build_event("ZooKeeperCluster", valid(world.raw).meta, Notice("Warning", "x", note, "x"), NOW)["note"]
    assert all(f"main-zk-{ordinal}: Error{ordinal + 1}: words" in note for ordinal in range(3))
    for command in ("kubectl get pods,pvc", "kubectl zk recover main", "annotate zk main", "ones included"):
        assert command in note


def _troubles_take_any_room(patch: pytest.MonkeyPatch) -> None:
    everything = Observed.troubles
    patch.setattr(Observed, "troubles", lambda self, members, _=None: everything(self, members))


def a_new_object_that_is_refused_is_told_in_events() -> None:
    world = Simulation(raw_cluster(3))
    foreign = {"metadata": {"name": "main-zk", "ownerReferences": []}}
    now = told(world, replace(world.observe(), children={Child.CLIENT_SERVICE: foreign}))
    assert {notice.reason for notice in transition_notices((), list(now.values()))} == {"ForeignObject"}


def _a_first_status_says_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(events, "_BAD", ())


def a_new_warning_is_told_once() -> None:
    world = at_rest(3)
    before = list(told(world, world.observe()).values())
    world.edit(replicas=4)
    world.settle()
    now = list(told(world, world.observe()).values())
    assert [(notice.type, "4 voters survive" in notice.note) for notice in transition_notices(before, now)] == [
        ("Warning", True)
    ]
    assert transition_notices(now, now) == ()


def _warnings_are_no_news(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(events, "_is_warning", lambda *_: False)


def members_warn_of_the_version_that_the_tag_does_not_tell() -> None:
    world = at_rest(3, image="registry.example/zookeeper@sha256:0123")
    observed = world.observe()
    old = {m: replace(answer, version="3.9.3") for m in observed.pods if (answer := observed.serving(m)) is not None}
    assert "ZOOKEEPER-4925" in told(world, replace(observed, answers=old))["Degraded"]["message"]


def _only_tags_warn(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(conditions, "observed_warnings", lambda *_: ())


def a_paused_cluster_that_lacks_nothing_is_ready() -> None:
    world = at_rest(3, paused=False)
    world.edit(paused=True)
    now = told(world, world.observe())
    assert (now["Ready"]["status"], now["Progressing"]["reason"]) == ("True", "Paused")
    world.edit(replicas=5)
    assert told(world, world.observe())["Ready"]["status"] == "False"


def _paused_is_never_ready(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan.Plan, "settled", property(lambda self: self.reason is ClusterReason.SETTLED))


def a_voter_that_another_client_removed_is_repaired_and_not_called_growth() -> None:
    world = at_rest(3)
    world.raw["status"]["conditions"] = list(told(world, world.observe()).values())
    assert world.committed is not None
    world.reconfigure_by_hand(tuple(server for server in world.committed.servers if server.id != 3))
    reasons = {world.tick().reason for _ in range(5)}
    assert reasons & {ClusterReason.REPAIRING, ClusterReason.SCALING_UP} == {ClusterReason.REPAIRING}
    world.edit(replicas=4)
    assert world.tick().reason is ClusterReason.SCALING_UP


def _what_is_missing_is_growth(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(membership, "_was_settled", lambda _: False)


def a_restart_that_is_asked_for_no_more_restarts_nothing() -> None:
    world = at_rest(3)
    for text, restarts in (("once", 3), ("", 0), ("once", 0), ("twice", 3)):
        world.restarts.clear()
        world.raw["metadata"]["annotations"] = {"zkoperator.dev/restart": text} if text else {}
        world.settle()
        assert len(world.restarts) == restarts


def _the_last_restart_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Observed, "restarted", "")


GUARDS = (
    Guard(a_change_that_waits_for_a_leader_is_not_nothing_to_do, _without_a_leader_nothing_is_to_be_done),
    Guard(what_was_said_of_an_older_spec_is_not_said_again, _last_of_any_spec),
    Guard(a_pod_that_does_not_end_is_blocked_in_the_end, _patience_without_end),
    Guard(founders_that_do_not_start_say_why, _troubles_are_not_told),
    Guard(a_crash_loop_is_told_once, _running_is_well),
    Guard(an_outage_says_what_keeps_the_members_from_starting, _troubles_are_not_told),
    Guard(long_troubles_leave_room_for_the_commands, _troubles_take_any_room),
    Guard(a_new_object_that_is_refused_is_told_in_events, _a_first_status_says_nothing),
    Guard(a_new_warning_is_told_once, _warnings_are_no_news),
    Guard(members_warn_of_the_version_that_the_tag_does_not_tell, _only_tags_warn),
    Guard(a_paused_cluster_that_lacks_nothing_is_ready, _paused_is_never_ready),
    Guard(a_voter_that_another_client_removed_is_repaired_and_not_called_growth, _what_is_missing_is_growth),
    Guard(a_restart_that_is_asked_for_no_more_restarts_nothing, _the_last_restart_is_forgotten),
)
