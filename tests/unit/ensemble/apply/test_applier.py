"""Between a look and the write that follows from it, and between a write and its arrival, the world goes on."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_edges import (
    Edge,
    Held,
    alive,
    claims,
    cluster_made_again,
    made_again,
    marked,
    meanwhile,
    replicas,
    seen,
    until,
)
from tests.support.models.ensemble_simulation import BETTER, NAMES
from tests.support.worlds.ensemble import KEY, Peeking, Stage, stage
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import server_of
from zkoperator.ensemble.model.names import MEMBERSHIP
from zkoperator.ensemble.observe.pod_view import Running
from zkoperator.ensemble.plan.child_steps import stateful_set_of
from zkoperator.ensemble.plan.steps import (
    ApplyChild,
    CreateSecret,
    DeleteClaim,
    NoteOnClaim,
    Reconfigure,
    RecordBootstrap,
    RemovePods,
    RestartPod,
    Step,
)
from zkoperator.errors import ConflictError
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
    Resource,
)

DELETE = {"storage": {"retention": {"whenScaled": "Delete"}}}


async def shrinking(first: int = 3, then: int = 1) -> Stage:
    play = stage(first, **DELETE)
    await play.rest()
    play.ask_for(replicas=then)
    return play


async def rolling() -> Stage:
    play = stage(3)
    await play.rest()
    play.ask_for(config={"tickTime": "3000"})
    return play


async def about_to(kind: type[Step]) -> tuple[Edge, Any]:
    return await until(await (rolling() if kind is RestartPod else shrinking()), kind)


def state(play: Stage) -> tuple[object, ...]:
    return alive(play), claims(play), replicas(play), play.committed


CHANGES: dict[str, Callable[[Stage], object]] = {
    "edited": lambda play: play.ask_for(paused=True),
    "deleted": lambda play: play.api.remove(ZOOKEEPER_CLUSTERS, *KEY),
    "being deleted": lambda play: marked(play, ZOOKEEPER_CLUSTERS, "main"),
    "made again": cluster_made_again,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", [RestartPod, Reconfigure, RemovePods, DeleteClaim])
async def test_nothing_is_taken_away_for_a_cluster_that_has_changed_since(kind: type[Step], change: str) -> None:
    edge, step = await about_to(kind)
    before = state(edge.play)
    CHANGES[change](edge.play)
    assert isinstance(await edge.take(step), ConflictError)
    assert state(edge.play) == before


POD_CHANGES: dict[str, Callable[[Stage, str], object]] = {
    "vanished": lambda play, pod: play.api.remove(PODS, "demo", pod),
    "made again": lambda play, pod: made_again(play, PODS, pod),
    "being stopped": lambda play, pod: marked(play, PODS, pod),
    "at another address": lambda play, pod: _pod_status(play, pod, podIP="10.0.0.99"),
    "not running": lambda play, pod: _pod_status(play, pod, containerStatuses=_containers("waiting")),
}


def _pod_status(play: Stage, pod: str, **status: Any) -> None:
    play.api.edit(PODS, "demo", pod, {"status": status}, subresource="status")


def _containers(state: str) -> list[Manifest]:
    return [{"name": "zookeeper", "state": {state: {}}}]


@pytest.mark.parametrize("change", POD_CHANGES)
async def test_no_member_is_restarted_when_another_voter_is_not_as_it_was_judged(change: str) -> None:
    edge, step = await about_to(RestartPod)
    other = next(member for member in (1, 2, 3) if member != step.member)
    POD_CHANGES[change](edge.play, NAMES.pod(other))
    assert isinstance(await edge.take(step), ConflictError)
    assert alive(edge.play)[step.name] == step.uid


async def test_a_pod_that_runs_by_now_is_not_deleted_as_one_that_waits() -> None:
    edge, step = await about_to(RestartPod)
    waiting = replace(edge.observed.pods[step.member], running=Running.NO)
    edge.observed = replace(edge.observed, pods={**edge.observed.pods, step.member: waiting})
    assert isinstance(await edge.take(step), ConflictError)
    assert alive(edge.play)[step.name] == step.uid


async def test_a_pod_that_changes_at_the_last_moment_is_not_deleted() -> None:
    edge, step = await about_to(RestartPod)
    meanwhile(edge.play, "delete", PODS, lambda: _pod_status(edge.play, step.name, phase="Running"))
    assert isinstance(await edge.take(step), ConflictError)
    assert alive(edge.play)[step.name] == step.uid


async def test_a_pod_that_came_at_the_last_moment_is_not_deleted() -> None:
    edge, step = await about_to(RestartPod)
    meanwhile(edge.play, "delete", PODS, lambda: made_again(edge.play, PODS, step.name))
    assert isinstance(await edge.take(step), ConflictError)
    assert alive(edge.play)[step.name] not in ("", step.uid)


@pytest.mark.parametrize("kind", [RemovePods, DeleteClaim])
async def test_a_member_that_is_back_in_the_configuration_loses_neither_pod_nor_claim(kind: type[Step]) -> None:
    edge, step = await until(await shrinking(5, 3), kind)
    before = state(edge.play)[:3]
    edge.play.reconfigure_by_hand(tuple(server_of(NAMES, member) for member in (1, 2, 3, 4)))
    assert isinstance(await edge.take(step), ConflictError)
    assert state(edge.play)[:3] == before


async def test_a_claim_whose_pod_is_there_after_all_is_kept() -> None:
    edge, step = await about_to(DeleteClaim)
    pod = {"name": NAMES.pod(step.claim.member), "namespace": "demo"}
    edge.play.api.put(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": {"containers": []}})
    assert isinstance(await edge.take(step), ConflictError)
    assert step.claim.name in claims(edge.play)


async def test_a_claim_that_came_at_the_last_moment_is_kept() -> None:
    edge, step = await about_to(DeleteClaim)
    meanwhile(
        edge.play,
        "delete",
        PERSISTENT_VOLUME_CLAIMS,
        lambda: made_again(edge.play, PERSISTENT_VOLUME_CLAIMS, step.claim.name),
    )
    assert isinstance(await edge.take(step), ConflictError)
    assert step.claim.name in claims(edge.play)


async def test_pods_are_not_removed_from_a_stateful_set_that_somebody_scaled_meanwhile() -> None:
    edge, step = await about_to(RemovePods)
    more = {"spec": {"replicas": 5}}
    meanwhile(edge.play, "apply", STATEFUL_SETS, lambda: edge.play.api.edit(STATEFUL_SETS, "demo", "main-zk", more))
    assert isinstance(await edge.take(step), ConflictError)
    assert replicas(edge.play) == 5


async def test_a_stateful_set_that_is_deleted_meanwhile_is_not_made_with_fewer_pods() -> None:
    edge, step = await about_to(RemovePods)
    meanwhile(edge.play, "apply", STATEFUL_SETS, lambda: edge.play.api.remove(STATEFUL_SETS, "demo", "main-zk"))
    assert isinstance(await edge.take(step), ConflictError)
    assert edge.play.api.peek(STATEFUL_SETS, "demo", "main-zk") is None


async def test_a_child_that_is_deleted_meanwhile_is_not_made_from_an_old_look() -> None:
    play = await rolling()
    edge, step = await until(play, ApplyChild, lambda step: step.child is Child.STATEFUL_SET)
    meanwhile(play, "apply", STATEFUL_SETS, lambda: play.api.remove(STATEFUL_SETS, "demo", "main-zk"))
    assert isinstance(await edge.take(step), ConflictError)
    assert play.api.peek(STATEFUL_SETS, "demo", "main-zk") is None


@pytest.mark.parametrize("child", Child)
async def test_a_child_that_somebody_edits_meanwhile_is_looked_at_again(child: Child) -> None:
    play, resource, name = stage(3), child.resource, child.name_of(NAMES)
    await play.rest()
    play.api.edit(resource, "demo", name, {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}})
    edge, step = await until(play, ApplyChild, lambda step: step.child is child)
    theirs = {"metadata": {"labels": {"app.kubernetes.io/component": "theirs"}}}
    meanwhile(play, "apply", resource, lambda: play.api.edit(resource, "demo", name, theirs))
    assert isinstance(await edge.take(step), ConflictError)
    found = play.api.peek(resource, "demo", name) or {}
    assert found["metadata"]["labels"]["app.kubernetes.io/component"] == "theirs"
    await play.rest()
    found = play.api.peek(resource, "demo", name) or {}
    assert found["metadata"]["labels"] == NAMES.labels


async def test_a_write_of_a_dead_operator_that_lands_after_a_growth_takes_no_pod() -> None:
    play = stage(1)
    await play.rest()
    play.ask_for(logLevel="DEBUG", config={"tickTime": "3000"})
    held = Held(play, STATEFUL_SETS)
    await play.rest()
    play.ask_for(replicas=3)
    await play.rest()
    await held.land()
    assert replicas(play) == 3


async def test_a_creation_of_a_dead_operator_that_lands_after_a_growth_takes_no_pod() -> None:
    play = stage(1)
    held = Held(play, STATEFUL_SETS)
    await play.rest()
    play.ask_for(replicas=3)
    await play.rest()
    await held.land()
    assert replicas(play) == 3


async def test_a_stateful_set_whose_status_never_rests_is_written_all_the_same() -> None:
    play = stage(3)
    await play.rest()
    hook, tries = play.api.before, count()

    def busy(operation: Operation) -> None:
        if (operation.resource, operation.verb) == (STATEFUL_SETS, "apply") and (seen := next(tries)) % 3:
            play.api.edit(STATEFUL_SETS, "demo", "main-zk", {"status": {"seen": seen}}, subresource="status")
        hook(operation)

    next(tries)
    play.api.before = busy
    play.ask_for(image=BETTER)
    await play.rest()
    assert next(tries) >= 4, "the StatefulSet was never busy"
    assert {pod["spec"]["containers"][0]["image"] for pod in play.api.every(PODS)} == {BETTER}


class Selecting(Peeking):
    """Shows what informers show: children that bear the labels by which they are followed."""

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        found = await super().fetch(resource, namespace, name)
        labels = ((found or {}).get("metadata") or {}).get("labels") or {}
        followed = resource is ZOOKEEPER_CLUSTERS or labels.get("app.kubernetes.io/managed-by") == "zkoperator"
        return found if followed else None


async def test_children_that_lost_their_labels_get_them_back_and_no_pod_is_lost_by_it() -> None:
    play = stage(1)
    await play.rest()
    play.ask_for(replicas=3)
    await play.rest()
    before = alive(play)
    play.dark = frozenset({1, 2, 3})
    for child in Child:
        play.api.edit(child.resource, "demo", child.name_of(NAMES), {"metadata": {"labels": None}})
    play.store = Selecting(play.api)
    play.start_operator()
    for _ in range(10):
        await play.turn()
        assert replicas(play) == 3
    play.dark = frozenset()
    await play.rest()
    assert alive(play) == before
    for child in Child:
        found = play.api.peek(child.resource, "demo", child.name_of(NAMES)) or {}
        assert found["metadata"]["labels"] == NAMES.labels


async def test_a_child_that_is_there_and_was_not_seen_yet_is_not_written() -> None:
    play = stage(3)
    await play.rest()
    edge = await seen(play)
    foreign = {"spec": {"replicas": 5}}
    play.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, foreign)
    manifest = stateful_set_of(edge.cluster, edge.observed, 3)
    assert isinstance(await edge.take(ApplyChild(Child.STATEFUL_SET, manifest)), ConflictError)
    assert replicas(play) == 5


async def test_a_note_does_not_take_away_an_owner_that_came_meanwhile() -> None:
    play = stage(3)
    edge, step = await until(play, NoteOnClaim)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "theirs", "controller": False}
    meanwhile(
        play,
        "patch",
        PERSISTENT_VOLUME_CLAIMS,
        lambda: play.api.edit(
            PERSISTENT_VOLUME_CLAIMS, "demo", step.claim.name, {"metadata": {"ownerReferences": [owner]}}
        ),
    )
    assert isinstance(await edge.take(step), ConflictError)
    found = play.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", step.claim.name) or {}
    assert found["metadata"]["ownerReferences"] == [owner]


async def test_a_note_is_not_written_on_a_new_claim() -> None:
    play = stage(3)
    edge, step = await until(play, NoteOnClaim)
    made_again(play, PERSISTENT_VOLUME_CLAIMS, step.claim.name)
    assert isinstance(await edge.take(step), ConflictError)
    found = play.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", step.claim.name) or {}
    assert MEMBERSHIP not in (found["metadata"].get("annotations") or {})


@pytest.mark.parametrize("is_gone", [True, False])
async def test_an_ensemble_is_not_taken_up_from_claims_that_go_meanwhile(is_gone: bool) -> None:
    play = stage(3)
    await play.rest()
    play.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    play.api.collect_garbage()
    play.api.put(ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **play.raw})
    play.start_operator()
    edge, step = await until(play, RecordBootstrap)
    assert step.complete
    if not is_gone:
        marked(play, PERSISTENT_VOLUME_CLAIMS, NAMES.claim(2))
    else:
        play.api.remove(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(2))
    assert isinstance(await edge.take(step), ConflictError)
    assert "bootstrap" not in (play.cluster() or {}).get("status", {})


async def test_the_permission_is_not_given_for_a_spec_that_changed_meanwhile() -> None:
    play = stage(3)
    edge, step = await until(play, RecordBootstrap)
    meanwhile(play, "patch", ZOOKEEPER_CLUSTERS, lambda: play.ask_for(replicas=5))
    assert isinstance(await edge.take(step), ConflictError)
    assert "bootstrap" not in (play.cluster() or {}).get("status", {})


async def test_a_repair_does_not_undo_what_somebody_does_meanwhile() -> None:
    play = stage(3)
    await play.rest()
    play.api.edit(SERVICES, "demo", NAMES.client_service, {"spec": {"selector": {"stray": "label"}}})
    edge, step = await until(play, ApplyChild, lambda step: step.child is Child.CLIENT_SERVICE)
    theirs = {"spec": {"selector": {"stray": "theirs"}}}
    meanwhile(play, "patch", SERVICES, lambda: play.api.edit(SERVICES, "demo", NAMES.client_service, theirs), "main-zk")
    assert isinstance(await edge.take(step), ConflictError)
    found = play.api.peek(SERVICES, "demo", NAMES.client_service) or {}
    assert found["spec"]["selector"]["stray"] == "theirs"


async def test_a_secret_that_is_there_is_never_overwritten() -> None:
    play = stage(3)
    await play.rest()
    edge = await seen(play)
    broken = {"data": {"digest": "eA=="}}
    play.api.edit(SECRETS, "demo", NAMES.secret, broken)
    before = play.api.peek(SECRETS, "demo", NAMES.secret)
    assert "delete it" in str(await edge.take(CreateSecret()))
    assert play.api.peek(SECRETS, "demo", NAMES.secret) == before
