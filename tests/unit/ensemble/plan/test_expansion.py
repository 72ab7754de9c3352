"""Volumes that grow while the ensemble serves, with an API server in memory and a storage that may refuse."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.worlds.ensemble import KEY
from tests.support.worlds.ensemble_volumes import VolumeWorld, volume_world
from zkoperator.api.member_volume import VolumeState
from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.apply import volumes as writer
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.observe import claim_view
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.expansions import ExpansionWatch
from zkoperator.ensemble.plan import claim_changes, claim_templates, expansion, roll
from zkoperator.ensemble.plan.gate import Verdict, gate
from zkoperator.ensemble.plan.steps import ExpandClaim, LeavePods
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS, ZOOKEEPER_CLUSTERS, Manifest

NAMES = Names("demo", "main")
LARGER: dict[str, Any] = {"size": "20Gi"}
Story = Callable[[], Awaitable[None]]
Patch = pytest.MonkeyPatch


async def settled(replicas: int = 3, **spec: Any) -> VolumeWorld:
    return await volume_world(replicas, **spec).settled()


def pods(world: VolumeWorld) -> dict[str, tuple[str, list[str]]]:
    """The uid of each pod, and those of its owners."""
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], [o["uid"] for o in pod["metadata"]["ownerReferences"]])
        for pod in world.api.every(PODS)
    }


async def volumes_grow_and_nobody_is_restarted() -> None:
    world = await settled()
    before = pods(world)
    world.ask_for(storage=LARGER)
    await world.rest()
    assert world.sizes == {("20Gi", "20Gi")}
    assert world.template["resources"]["requests"]["storage"] == "20Gi"
    after = pods(world)
    assert {name: uid for name, (uid, _) in after.items()} == {name: uid for name, (uid, _) in before.items()}
    live = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set)
    assert live is not None and {tuple(owners) for _, owners in after.values()} == {(live["metadata"]["uid"],)}
    members = (world.cluster() or {})["status"]["members"]
    assert [member["volume"] for member in members] == [
        {"requested": "20Gi", "capacity": "20Gi", "storageClassName": "standard", "state": "Bound"}
    ] * 3


async def the_claim_of_a_member_that_is_down_grows_too() -> None:
    """A full disk may be why it is down, so the gate is not asked."""
    world = await settled()
    world.stuck = frozenset({1, 2})
    world.crash(1, 1000)
    world.crash(2, 1000)
    world.ask_for(storage=LARGER)
    await world.wait(10)
    assert world.sizes == {("20Gi", "20Gi")}
    assert not [name for name in world.made if name.startswith("delete statefulsets")], "nobody could make a pod again"
    world.stuck = frozenset()
    for pod in world.pods.values():
        pod.down_for = 0
    await world.rest()
    assert world.template["resources"]["requests"]["storage"] == "20Gi"


async def a_file_system_that_waits_is_mounted_anew_once_a_member() -> None:
    world = await settled()
    world.mounted_grow = False
    world.ask_for(storage=LARGER)
    await world.wait(30)
    assert {world.claim(member).state for member in world.pods} == {VolumeState.FILE_SYSTEM_RESIZE_PENDING}
    assert world.restarted == [], "a kubelet may need a while for a mounted file system"
    world.clock.seconds += 200
    await world.rest(300)
    assert world.sizes == {("20Gi", "20Gi")}
    assert sorted(world.restarted) == [f"main-zk-{n}" for n in range(3)]


async def a_file_system_that_stays_small_restarts_nobody_twice() -> None:
    world = await settled()
    world.mounted_grow = False
    world._may_grow = lambda *_: False  # type: ignore[method-assign]
    world.ask_for(storage=LARGER)
    for _ in range(8):
        await world.wait(10)
        world.clock.seconds += 300
    assert sorted(world.restarted) == [f"main-zk-{n}" for n in range(3)]


async def a_class_that_cannot_expand_is_told_and_nothing_is_touched() -> None:
    world = await settled()
    world.api.rigid_classes = {"standard"}
    world.ask_for(storage=LARGER)
    await world.wait(10)
    told = world.condition("Progressing")
    assert told["reason"] == "Blocked"
    for words in ("data-main-zk-0", "StorageClass standard", "10Gi", "must support resize", "spec.storage.size: 10Gi"):
        assert words in told["message"]
    assert world.sizes == {("10Gi", "10Gi")}
    assert world.template["resources"]["requests"]["storage"] == "10Gi"
    assert world.made == []
    # What else is to be done is done.
    world.ask_for(config={"tickTime": "3000"})
    await world.wait(40)
    assert len(world.restarted) == 3
    world.ask_for(storage={"size": "10Gi"})
    await world.rest()


async def a_refusal_that_is_over_is_found_out_by_itself() -> None:
    world = await settled()
    world.api.rigid_classes = {"standard"}
    world.ask_for(storage=LARGER)
    await world.wait(10)
    asked = [o for o in world.api.operations if o.verb == "patch" and o.resource is PERSISTENT_VOLUME_CLAIMS]
    await world.wait(10)
    again = [o for o in world.api.operations if o.verb == "patch" and o.resource is PERSISTENT_VOLUME_CLAIMS]
    assert again == asked, "it is not asked for at every look"
    world.api.rigid_classes = set()
    world.clock.seconds += 100
    await world.rest()
    assert world.sizes == {("20Gi", "20Gi")}


async def a_size_that_the_storage_cannot_make_is_taken_back() -> None:
    world = await settled()
    world._storage = lambda: None  # type: ignore[method-assign]
    world.ask_for(storage={"size": "20Ti"})
    await world.wait(5)
    status = {"allocatedResourceStatuses": {"storage": "ControllerResizeInfeasible"}}
    for member in world.pods:
        world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(member), {"status": status}, subresource="status")
    await world.wait(5)
    told = world.condition("Progressing")
    assert told["reason"] == "Blocked" and "as large as 20Ti" in told["message"] and "at least 10Gi" in told["message"]
    world.ask_for(storage=LARGER)
    await world.wait(5)
    assert {world.claim(member).requested for member in world.pods} == {"20Gi"}


async def claims_that_a_person_has_made_larger_stay_so() -> None:
    world = await settled()
    patch = {"spec": {"resources": {"requests": {"storage": "50Gi"}}}}
    world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(2), patch)
    await world.rest()
    world.ask_for(storage=LARGER)
    await world.rest()
    assert world.sizes == {("20Gi", "20Gi"), ("50Gi", "50Gi")}


async def a_kept_claim_grows_when_its_member_is_back() -> None:
    world = await settled(5)
    world.ask_for(replicas=3)
    await world.rest()
    world.ask_for(storage=LARGER)
    await world.rest()
    assert world.claim(5).requested == "10Gi"
    world.ask_for(replicas=5)
    await world.rest()
    assert world.sizes == {("20Gi", "20Gi")}


async def an_operator_that_ends_between_delete_and_create_makes_the_set_again() -> None:
    world = await settled()
    before = pods(world)
    world.ask_for(storage=LARGER)
    await _turn_until(world, lambda: "delete statefulsets/main-zk" in world.made)
    world.start_operator()
    world.made.clear()
    await world.rest()
    assert {name: uid for name, (uid, _) in pods(world).items()} == {name: uid for name, (uid, _) in before.items()}
    assert world.made == []
    assert "StatefulSet" not in world.condition("Degraded")["message"]


async def no_pod_is_called_a_stray_while_its_set_is_made_again() -> None:
    world = await settled()
    world.ask_for(storage=LARGER)
    for _ in range(12):
        await world.turn()
        assert world.condition("Degraded")["status"] == "False", world.condition("Degraded")
    await world.rest()


async def _turn_until(world: VolumeWorld, moment: Callable[[], bool]) -> None:
    for _ in range(60):
        await world.turn()
        if moment():
            return
    raise AssertionError("the moment never came")


def _in_the_background(patch: Patch) -> None:
    async def leave_pods(self: writer.VolumeWriter, cluster: Any, step: LeavePods) -> None:
        await self._api.delete(STATEFUL_SETS, "demo", step.name, uid=step.uid)

    patch.setattr(writer.VolumeWriter, "_leave_pods", leave_pods)


def _gate_always_open(patch: Patch) -> None:
    patch.setattr(claim_templates, "gate", lambda *_, **__: Verdict(True, ""))


def _no_time_for_the_kubelet(patch: Patch) -> None:
    patch.setattr(expansion, "MOUNTED_S", 0.0)


def _restarted_for_ever(patch: Patch) -> None:
    def awaited(observed: Any, pod: Any) -> str:
        found = observed.claims.get(pod.member)
        waits = found is not None and found.state is VolumeState.FILE_SYSTEM_RESIZE_PENDING
        return "it waits" if waits and observed.expansions[pod.member].waiting_s >= expansion.MOUNTED_S else ""

    patch.setattr(roll, "awaited_start", awaited)


def _refusals_stop_everything(patch: Patch) -> None:
    async def expand(self: writer.VolumeWriter, cluster: Any, step: ExpandClaim) -> None:
        raise ForbiddenError("must support resize")

    patch.setattr(writer.VolumeWriter, "_change", expand)


def _refusals_are_for_ever(patch: Patch) -> None:
    patch.setattr("zkoperator.ensemble.observe.expansions.ASK_AGAIN_S", float("inf"))


def _refusals_are_forgotten(patch: Patch) -> None:
    patch.setattr(ExpansionWatch, "refuse", lambda *_: None)


def _all_claims_are_made_equal(patch: Patch) -> None:
    patch.setattr(
        claim_changes, "_has_wrong_size", lambda claim, size: claim.requested != size and bool(claim.capacity)
    )


def _only_upwards(patch: Patch) -> None:
    def due(claim: ClaimView, size: str) -> bool:
        return parse_quantity(claim.requested) < parse_quantity(size)

    patch.setattr(claim_changes, "_has_wrong_size", due)


def _templates_are_left_alone(patch: Patch) -> None:
    patch.setattr(expansion, "remake_set", lambda *_: None)


def _through_the_gate_alone(patch: Patch) -> None:
    whole = expansion.expansion_steps

    def steps(cluster: Any, observed: Any) -> Any:
        return whole(cluster, observed) if gate(observed).open else ()

    patch.setattr("zkoperator.ensemble.plan.plan.expansion_steps", steps)


def _every_claim(patch: Patch) -> None:
    def claims(_: Any, observed: Any) -> list[ClaimView]:
        return list(observed.claims.values())

    patch.setattr(expansion, "_claims", claims)


def _adoption_is_not_awaited(patch: Patch) -> None:
    patch.setattr("zkoperator.ensemble.plan.plan.await_adoption", lambda *_: None)


GUARDS: tuple[tuple[Story, Callable[[Patch], None]], ...] = (
    (volumes_grow_and_nobody_is_restarted, _in_the_background),
    (volumes_grow_and_nobody_is_restarted, _templates_are_left_alone),
    (the_claim_of_a_member_that_is_down_grows_too, _gate_always_open),
    (the_claim_of_a_member_that_is_down_grows_too, _through_the_gate_alone),
    (a_file_system_that_waits_is_mounted_anew_once_a_member, _no_time_for_the_kubelet),
    (a_file_system_that_stays_small_restarts_nobody_twice, _restarted_for_ever),
    (a_class_that_cannot_expand_is_told_and_nothing_is_touched, _refusals_stop_everything),
    (a_refusal_that_is_over_is_found_out_by_itself, _refusals_are_for_ever),
    (a_refusal_that_is_over_is_found_out_by_itself, _refusals_are_forgotten),
    (a_size_that_the_storage_cannot_make_is_taken_back, _only_upwards),
    (claims_that_a_person_has_made_larger_stay_so, _all_claims_are_made_equal),
    (a_kept_claim_grows_when_its_member_is_back, _every_claim),
    (no_pod_is_called_a_stray_while_its_set_is_made_again, _adoption_is_not_awaited),
)
STORIES = (
    *dict.fromkeys(story for story, _ in GUARDS),
    an_operator_that_ends_between_delete_and_create_makes_the_set_again,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_with_all_guards(story: Story) -> None:
    await story()


@pytest.mark.parametrize(("story", "seed"), GUARDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_without_one_of_them(story: Story, seed: Callable[[Patch], None], monkeypatch: Patch) -> None:
    seed(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        await story()


async def test_a_cluster_whose_volumes_grow_says_how_far_it_is() -> None:
    world = await settled()
    world._storage = lambda: None  # type: ignore[method-assign]
    world.ask_for(storage=LARGER)
    await world.wait(5)
    told = world.condition("Progressing")
    assert told["reason"] == "ExpandingVolumes"
    assert "growing the volumes to 20Gi: data-main-zk-0 has 10Gi (Expanding)" in told["message"]
    assert world.condition("Ready")["status"] == "False"
    world.clock.seconds += 1000
    await world.wait(5)
    told = world.condition("Progressing")
    assert told["reason"] == "Blocked" and "kubectl describe pvc data-main-zk-0" in told["message"]


async def test_a_cluster_with_ephemeral_storage_takes_the_size_for_new_pods() -> None:
    world = await settled(storage={"type": "Ephemeral"})
    world.ask_for(storage={"type": "Ephemeral", **LARGER})
    await world.rest()
    assert world.made == []
    assert world.api.peek(ZOOKEEPER_CLUSTERS, *KEY) is not None


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, VolumeState.PENDING),
        ({"phase": "Pending"}, VolumeState.PENDING),
        ({"phase": "Lost"}, VolumeState.LOST),
        ({"phase": "Bound", "capacity": {"storage": "10Gi"}}, VolumeState.EXPANDING),
        ({"phase": "Bound", "capacity": {"storage": "20480Mi"}}, VolumeState.BOUND),
        (
            {
                "phase": "Bound",
                "capacity": {"storage": "10Gi"},
                "allocatedResourceStatuses": {"storage": "NodeResizeInfeasible"},
            },
            VolumeState.INFEASIBLE,
        ),
    ],
)
def test_the_state_of_a_claim_is_what_its_status_says(status: Manifest, state: VolumeState) -> None:
    spec = {"resources": {"requests": {"storage": "20Gi"}}}
    meta: Manifest = {"name": "data-main-zk-0", "uid": "u", "resourceVersion": "1"}
    assert claim_view.claim_view(1, {"metadata": meta, "spec": spec, "status": status}).state is state
    ending = {"metadata": {**meta, "deletionTimestamp": "now"}, "spec": spec, "status": status}
    assert claim_view.claim_view(1, ending).state is VolumeState.TERMINATING
