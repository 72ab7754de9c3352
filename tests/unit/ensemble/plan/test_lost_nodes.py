"""Members on nodes that are off: replaced when somebody has stated so, told otherwise. With an API in memory."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import NAMES
from tests.support.worlds.ensemble_volumes import VolumeWorld, volume_world
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.ensemble.observe.node_view import HOSTNAME, MemberNode, NodeState, only_host_of, state_of
from zkoperator.ensemble.plan import lost_nodes, replacement
from zkoperator.ensemble.plan.gate import Verdict
from zkoperator.kube.port import NODES, PODS, Manifest

Story = Callable[[], Awaitable[None]]
Patch = pytest.MonkeyPatch


async def settled(replicas: int = 3, **options: Any) -> VolumeWorld:
    return await volume_world(replicas, **options).settled()


def node_of(world: VolumeWorld, member: int) -> str:
    return world._node_of_pod(member)


async def a_pod_on_a_node_that_is_gone_goes_elsewhere_with_its_volume() -> None:
    world = await settled()
    before = world.volumes
    world.lose_node(2, "gone")
    await world.rest()
    assert (node_of(world, 2), world.volumes) == ("node-9", before)


async def a_pod_on_a_node_out_of_service_goes_elsewhere_with_its_volume() -> None:
    world = await settled()
    before = world.volumes
    world.lose_node(2, "tainted")
    await world.rest()
    assert (node_of(world, 2), world.volumes) == ("node-9", before)


async def a_volume_that_was_on_the_lost_node_is_replaced_too() -> None:
    world = await settled(local=True)
    before = world.volumes
    world.lose_node(2, "gone")
    await world.rest()
    after = world.volumes
    assert node_of(world, 2) == "node-9"
    assert {member for member in after if after[member] != before[member]} == {2}
    assert world.disks[2].last == world.acknowledged


async def a_member_whose_pod_kubernetes_has_removed_already_is_found_by_its_volume() -> None:
    world = await settled(local=True)
    before = world.volumes
    world.lose_node(2, "gone")
    await world.api.delete(PODS, "demo", NAMES.pod(2), grace_period_s=0)
    await world.rest()
    assert node_of(world, 2) == "node-9"
    assert world.volumes[2] != before[2]


async def a_node_that_is_silent_is_told_and_nothing_is_touched_however_long() -> None:
    world = await settled(local=True)
    before = world.volumes
    world.lose_node(2, "silent")
    await world.wait(20)
    world.clock.seconds += 86400
    await world.wait(20)
    told = world.condition("Degraded")
    assert told["reason"] == "NodeLost", told
    for words in (
        "main-zk-1 is on node node-2, which does not report",
        "kubectl taint node node-2 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
        "kubectl delete node node-2",
        f"zkoperator.dev/replace-volume=main-zk-1={before[2]}",
    ):
        assert words in told["message"], told
    assert (world.made, world.volumes) == ([], before)
    # And by the word of a person it goes on.
    world.api.remove(NODES, "", "node-2")
    await world.rest()
    assert node_of(world, 2) == "node-9"


async def without_the_right_it_is_told_what_is_not_known_and_a_person_can_go_on() -> None:
    world = await settled(local=True, reads_nodes=False)
    before = world.volumes
    world.lose_node(2, "gone")
    world.api.remove(PODS, "demo", NAMES.pod(2))
    await world.wait(20)
    world.clock.seconds += 200
    await world.wait(10)
    told = world.condition("Degraded")
    assert told["reason"] == "NodeLost" and "manifests/nodes" in told["message"], told
    assert (world.made, world.volumes) == ([], before)
    assert not [o for o in world.api.operations if o.resource is NODES], "it asks for nothing that it may not have"
    # Kubernetes removes the pod of a node that does not exist; a person names the volume.
    await world.api.delete(PODS, "demo", NAMES.pod(2), grace_period_s=0)
    await world.wait(3)
    world.approve(f"main-zk-1={before[2]}")
    await world.rest()
    assert node_of(world, 2) == "node-9" and world.volumes[2] != before[2]


async def a_lost_volume_waits_while_another_member_is_away() -> None:
    world = await settled(local=True)
    before = world.volumes
    world.crash(1, 60)
    await world.wait(2)
    world.lose_node(2, "gone")
    await world.wait(40)
    assert world.volumes == before
    await world.rest()
    assert world.volumes[2] != before[2]


async def a_member_that_answers_is_not_lost() -> None:
    """Somebody has deleted the Node object of a machine that runs."""
    world = await settled(local=True)
    before = world.volumes
    world.api.remove(NODES, "", "node-2")
    world.dark = frozenset()
    await world.wait(30)
    assert (world.made, world.volumes) == ([], before)


async def a_node_that_comes_back_in_the_last_moment_keeps_its_pod() -> None:
    world = await settled()
    uids = {pod["metadata"]["uid"] for pod in world.api.every(PODS)}
    world.lose_node(2, "tainted")
    look, hook = [0], world.api.before

    def back(operation: Any) -> None:
        if operation.resource is NODES and operation.verb == "get":
            look[0] += 1
            if look[0] == 2:
                world.api.edit(NODES, "", "node-2", {"spec": {"taints": None}})
        hook(operation)

    world.api.before = back
    await world.wait(40)
    assert look[0] >= 2
    assert {pod["metadata"]["uid"] for pod in world.api.every(PODS)} == uids


def _silence_is_enough(patch: Patch) -> None:
    patch.setattr(MemberNode, "is_lost", property(lambda _: True))


def _answers_do_not_count(patch: Patch) -> None:
    def lost(observed: Any, member: int) -> Any:
        return MemberNode("node-2", NodeState.GONE, "pv-2") if member == 2 else None

    patch.setattr(lost_nodes, "lost_node", lost)


def _volumes_stay(patch: Patch) -> None:
    patch.setattr(replacement, "lost_volumes", lambda _: {})
    patch.setattr(lost_nodes, "_holds_volume", lambda *_: False)


def _volumes_always_go(patch: Patch) -> None:
    patch.setattr(lost_nodes, "_holds_volume", lambda *_: True)


def _gate_always_open(patch: Patch) -> None:
    patch.setattr(replacement, "gate", lambda *_, **__: Verdict(True, ""))


def _no_second_look(patch: Patch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    patch.setattr(Applier, "_require_lost", nothing)


def _no_force(patch: Patch) -> None:
    patch.setattr("zkoperator.ensemble.plan.replacement.lost_node", lambda *_: None)


GUARDS: tuple[tuple[Story, Callable[[Patch], None]], ...] = (
    (a_pod_on_a_node_out_of_service_goes_elsewhere_with_its_volume, _volumes_always_go),
    (a_volume_that_was_on_the_lost_node_is_replaced_too, _volumes_stay),
    (a_volume_that_was_on_the_lost_node_is_replaced_too, _no_force),
    (a_member_whose_pod_kubernetes_has_removed_already_is_found_by_its_volume, _volumes_stay),
    (a_node_that_is_silent_is_told_and_nothing_is_touched_however_long, _silence_is_enough),
    (a_lost_volume_waits_while_another_member_is_away, _gate_always_open),
    (a_member_that_answers_is_not_lost, _answers_do_not_count),
    (a_node_that_comes_back_in_the_last_moment_keeps_its_pod, _no_second_look),
)
STORIES = (
    *dict.fromkeys(story for story, _ in GUARDS),
    a_pod_on_a_node_that_is_gone_goes_elsewhere_with_its_volume,
    without_the_right_it_is_told_what_is_not_known_and_a_person_can_go_on,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_with_all_guards(story: Story) -> None:
    await story()


@pytest.mark.parametrize(("story", "seed"), GUARDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_without_one_of_them(story: Story, seed: Callable[[Patch], None], monkeypatch: Patch) -> None:
    seed(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        await story()


def _node(taints: list[Manifest] | None = None, ready: str | None = "True") -> Manifest:
    conditions = [{"type": "MemoryPressure", "status": "False"}]
    conditions += [{"type": "Ready", "status": ready}] if ready is not None else []
    return {"metadata": {"name": "n"}, "spec": {"taints": taints}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("node", "state"),
    [
        (None, NodeState.GONE),
        (_node(), NodeState.REPORTS),
        (_node(ready="Unknown"), NodeState.SILENT),
        (_node(ready=None), NodeState.SILENT),
        (_node([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}], "Unknown"), NodeState.SILENT),
        (_node([{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]), NodeState.OUT_OF_SERVICE),
    ],
)
def test_only_a_statement_makes_a_node_lost(node: Manifest | None, state: NodeState) -> None:
    assert state_of(node) is state
    assert MemberNode("n", state).is_lost is (state in (NodeState.GONE, NodeState.OUT_OF_SERVICE))


def _volume(*terms: Manifest) -> Manifest:
    return {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": list(terms)}}} if terms else {}}


def _term(key: str, *values: str) -> Manifest:
    return {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}]}


@pytest.mark.parametrize(
    ("volume", "host"),
    [
        (_volume(), ""),
        (_volume(_term(HOSTNAME, "a")), "a"),
        (_volume(_term(HOSTNAME, "a", "b")), ""),
        (_volume(_term(HOSTNAME, "a"), _term(HOSTNAME, "b")), ""),
        (_volume(_term("topology.kubernetes.io/zone", "a")), ""),
    ],
)
def test_a_volume_is_tied_to_a_node_only_if_it_can_be_used_nowhere_else(volume: Manifest, host: str) -> None:
    assert only_host_of(volume) == host
