"""Which pods are restarted, when and in which order: what goes wrong with any of these guards taken out."""

from dataclasses import replace

import pytest

from tests.support.models.ensemble_guards import Guard, at_rest, first_restarted, planned, told
from tests.support.models.ensemble_members import SimPod
from tests.support.models.ensemble_simulation import BAD, BETTER, GOOD, Simulation, raw_cluster
from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.build.statefulset import revision
from zkoperator.ensemble.observe import pod_view as views
from zkoperator.ensemble.observe.answers import NotServing, Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan import gate, plan, roll
from zkoperator.ensemble.plan.steps import RestartPod
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

# A stopped roll


def a_bad_image_and_a_reboot_take_one_member_at_most() -> None:
    world = at_rest()
    world.edit(image=BAD)
    while not any(pod.image == BAD for pod in world.pods.values()):
        world.tick()
    old = next(member for member, pod in world.pods.items() if pod.image != BAD and member != world.leader)
    world.crash(old, ticks=6)
    for _ in range(12):
        world.tick()
        assert sum(pod.image == BAD for pod in world.pods.values()) == 1
    assert world.leader is not None
    world.edit(image=GOOD)
    world.settle()


def founders_with_a_bad_image_are_replaced_one_by_one() -> None:
    world = Simulation(raw_cluster(3, image=BAD))
    for _ in range(6):
        world.tick()
    world.edit(image=GOOD)
    first = first_restarted(world)
    for _ in range(6):
        world.tick()
        assert world.restarts == [first]
    world.stuck = frozenset()
    world.settle()
    assert (world.founded, sorted(world.restarts)) == (1, [1, 2, 3])


def two_pods_that_an_older_operator_broke_are_both_replaced() -> None:
    world = at_rest()
    for member in (1, 2):
        template = world.pods[member].template
        annotations = {**template["metadata"]["annotations"], "zkoperator.dev/template": "older"}
        world.pods[member].template = {**template, "metadata": {"annotations": annotations}}
        world.crash(member, ticks=100)
    world.settle()


def _second_ones_at_will(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "_unproven", lambda *_: "")


def _proof_needs_a_quorum(patch: pytest.MonkeyPatch) -> None:
    def unproven(observed: Observed, kept: frozenset[int]) -> str:
        return "away" if any(observed.serving(member) is None for member in kept) else ""

    patch.setattr(gate, "_unproven", unproven)


def _all_of_the_revision_are_kept(patch: pytest.MonkeyPatch) -> None:
    def kept(cluster: ValidatedCluster, observed: Observed, _: frozenset[int]) -> frozenset[int]:
        current = revision(cluster, observed.secret_id or "")
        return frozenset(m for m in observed.voters if m in observed.pods and observed.pods[m].revision == current)

    patch.setattr(roll, "_updated", kept)


# What admission does to pods


class Admitted(Simulation):
    """Admission puts a container first and takes images from a mirror."""

    def _pod_manifest(self, pod: SimPod) -> Manifest:
        manifest = super()._pod_manifest(pod)
        (container,) = manifest["spec"]["containers"]
        manifest["spec"]["containers"] = [
            {"name": "proxy", "image": "proxy:1"},
            {**container, "image": f"mirror/{container['image']}"},
        ]
        manifest["status"]["containerStatuses"].insert(0, {"name": "proxy", "state": {"waiting": {"reason": "Error"}}})
        return manifest


def admission_that_changes_pods_rolls_nothing() -> None:
    world = at_rest(3, Admitted)
    assert world.restarts == []
    assert told(world, world.observe())["Degraded"]["reason"] == "Healthy"
    world.edit(image="zookeeper:3.9.6")
    assert planned(world, world.observe()).reason is ClusterReason.UPGRADING
    world.settle()
    assert sorted(world.restarts) == [1, 2, 3]


def _images_are_compared(patch: pytest.MonkeyPatch) -> None:
    why = roll.why_replaced
    patch.setattr(roll, "why_replaced", lambda c, w, pod: why(c, w, pod) or ("image" if pod.image != c.image else ""))


def _the_first_container_is_ours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(views, "_ours", lambda containers: next(iter(containers), {}))


# A new password


def members_learn_a_new_password_before_the_membership_changes() -> None:
    world = at_rest()
    world.password = "new"
    world.edit(replicas=5)
    world.settle()
    assert len(world.restarts) == 3


def _the_password_does_not_matter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "leader_has_other_password", lambda _: False)


# Data that goes with the pod


def _ephemeral(replicas: int) -> None:
    world = at_rest(replicas, storage={"type": "Ephemeral"})
    world.edit(config={"tickTime": "3000"})
    for _ in range(8):
        world.tick()
    assert world.restarts == []
    assert world.plan is not None
    assert world.plan.reason is ClusterReason.BLOCKED
    assert "scale to 3 first" in world.plan.message
    world.edit(replicas=3)
    world.settle()
    assert sorted(world.restarts) == list(range(1, replicas + 1))


def the_only_copy_of_the_data_is_not_restarted() -> None:
    _ephemeral(1)


def neither_of_two_copies_of_the_data_is_restarted() -> None:
    _ephemeral(2)


def _pods_hold_no_data(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "_only_copy", lambda *_: "")


# Evidence that a member does not serve


def a_member_that_missed_one_answer_is_not_restarted_for_its_template() -> None:
    world, follower = _with_a_newer_template()
    for silent_s in (0.0, 5.0, 60.0):
        assert _restarted(world, _away(world, follower, Silent("it does not answer"), silent_s)) == []


def a_member_that_is_known_to_be_away_gets_the_newer_template() -> None:
    world, follower = _with_a_newer_template()
    assert _restarted(world, _away(world, follower, NotServing(), 0.0)) == [follower]
    assert _restarted(world, _away(world, follower, Silent("it does not answer"), 100.0)) == [follower]
    stopped = _away(world, follower, Silent("it does not answer"), 0.0)
    pod = replace(stopped.pods[follower], running=views.Running.NO)
    assert _restarted(world, replace(stopped, pods={**stopped.pods, follower: pod})) == [follower]


def a_member_in_a_pod_that_is_not_ready_is_restarted_before_others() -> None:
    """It spends the disruption budget, so that no eviction of another one is let through."""
    world = at_rest()
    world.edit(config={"tickTime": "3000"})
    world.tick()
    assert world.restarts == [], "the children are written first"
    for member in sorted(world.pods):
        observed = world.observe()
        pods = {each: replace(pod, ready=each != member) for each, pod in observed.pods.items()}
        assert _restarted(world, replace(observed, pods=pods)) == [member]


def _readiness_does_not_matter(patch: pytest.MonkeyPatch) -> None:
    rank = roll._rank

    def blind(observed: Observed, member: int) -> tuple[int, int]:
        pods = {each: replace(pod, ready=True) for each, pod in observed.pods.items()}
        return rank(replace(observed, pods=pods), member)

    patch.setattr(roll, "_rank", blind)


def a_member_that_only_we_cannot_ask_is_not_broken() -> None:
    world = at_rest(2)
    world.edit(image=BETTER)
    world.dark = frozenset({1})
    for _ in range(5):
        world.tick()
    assert world.restarts == []


def _more_in_sync_than_answer_is_well(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "_unsynced", lambda synced, followers, _: "" if synced >= followers else "not in sync")


def _with_a_newer_template() -> tuple[Simulation, int]:
    world = at_rest()
    world.edit(imagePullPolicy="Always")
    world.settle()
    assert world.restarts == [], "what needs no restart was edited"
    return world, next(member for member in world.pods if member != world.leader)


def _away(world: Simulation, member: int, answer: NotServing | Silent, for_s: float) -> Observed:
    """Observe a member that neither answers as it should nor is counted by its leader."""
    observed = world.observe()
    leader = observed.leader
    assert leader is not None
    leading = observed.serving(leader)
    assert leading is not None
    answers = {**observed.answers, member: answer, leader: replace(leading, synced=1)}
    return replace(observed, answers=answers, downtime_s={member: for_s})


def _restarted(world: Simulation, observed: Observed) -> list[int]:
    return [step.member for step in planned(world, observed).steps if isinstance(step, RestartPod)]


def _one_look_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "_is_known_away", lambda observed, pod: observed.serving(pod.member) is None)


def _nobody_is_known_to_be_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "_is_known_away", lambda *_: False)


GUARDS = (
    Guard(a_member_in_a_pod_that_is_not_ready_is_restarted_before_others, _readiness_does_not_matter),
    Guard(a_member_that_missed_one_answer_is_not_restarted_for_its_template, _one_look_is_enough),
    Guard(a_member_that_is_known_to_be_away_gets_the_newer_template, _nobody_is_known_to_be_away),
    Guard(a_bad_image_and_a_reboot_take_one_member_at_most, _second_ones_at_will),
    Guard(founders_with_a_bad_image_are_replaced_one_by_one, _second_ones_at_will),
    Guard(founders_with_a_bad_image_are_replaced_one_by_one, _proof_needs_a_quorum),
    Guard(two_pods_that_an_older_operator_broke_are_both_replaced, _all_of_the_revision_are_kept),
    Guard(admission_that_changes_pods_rolls_nothing, _images_are_compared),
    Guard(admission_that_changes_pods_rolls_nothing, _the_first_container_is_ours),
    Guard(members_learn_a_new_password_before_the_membership_changes, _the_password_does_not_matter),
    Guard(the_only_copy_of_the_data_is_not_restarted, _pods_hold_no_data),
    Guard(neither_of_two_copies_of_the_data_is_restarted, _pods_hold_no_data),
    Guard(a_member_that_only_we_cannot_ask_is_not_broken, _more_in_sync_than_answer_is_well),
)
