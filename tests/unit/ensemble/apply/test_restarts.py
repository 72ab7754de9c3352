"""No member is taken away on account of what was true of another moment."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_edges import (
    about_to,
    alive,
    claims,
    cluster_made_again,
    made_again,
    marked,
    meanwhile,
    replicas,
    shrinking,
    until,
)
from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Claim, Seed, claim_with, no_check, replaced, request_without, rewritten
from tests.support.worlds.ensemble import KEY, EnsembleWorld
from zkoperator.ensemble.apply import applier
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.ensemble.apply.reconfigurer import Reconfigurer
from zkoperator.ensemble.model.configuration import server_of
from zkoperator.ensemble.observe.pod_view import Running
from zkoperator.ensemble.plan.steps import (
    DeleteClaim,
    Reconfigure,
    RemovePods,
    RestartPod,
    Step,
)
from zkoperator.errors import ConflictError
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)


def state(world: EnsembleWorld) -> tuple[object, ...]:
    return alive(world), claims(world), replicas(world), world.committed


CHANGES: dict[str, Callable[[EnsembleWorld], object]] = {
    "edited": lambda world: world.ask_for(paused=True),
    "deleted": lambda world: world.api.remove(ZOOKEEPER_CLUSTERS, *KEY),
    "being deleted": lambda world: marked(world, ZOOKEEPER_CLUSTERS, "main"),
    "made again": cluster_made_again,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", [RestartPod, Reconfigure, RemovePods, DeleteClaim])
async def test_nothing_is_taken_away_for_a_cluster_that_has_changed_since(kind: type[Step], change: str) -> None:
    edge, step = await about_to(kind)
    before = state(edge.world)
    CHANGES[change](edge.world)
    assert isinstance(await edge.take(step), ConflictError)
    assert state(edge.world) == before


POD_CHANGES: dict[str, Callable[[EnsembleWorld, str], object]] = {
    "vanished": lambda world, pod: world.api.remove(PODS, "demo", pod),
    "made again": lambda world, pod: made_again(world, PODS, pod),
    "being stopped": lambda world, pod: marked(world, PODS, pod),
    "at another address": lambda world, pod: _pod_status(world, pod, podIP="10.0.0.99"),
    "not running": lambda world, pod: _pod_status(world, pod, containerStatuses=_containers("waiting")),
}


def _pod_status(world: EnsembleWorld, pod: str, **status: Any) -> None:
    world.api.edit(PODS, "demo", pod, {"status": status}, subresource="status")


def _containers(state: str) -> list[Manifest]:
    return [{"name": "zookeeper", "state": {state: {}}}]


@pytest.mark.parametrize("change", POD_CHANGES)
async def test_no_member_is_restarted_when_another_voter_is_not_as_it_was_judged(change: str) -> None:
    edge, step = await about_to(RestartPod)
    other = next(member for member in (1, 2, 3) if member != step.member)
    POD_CHANGES[change](edge.world, NAMES.pod(other))
    assert isinstance(await edge.take(step), ConflictError)
    assert alive(edge.world)[step.name] == step.uid


async def test_a_pod_that_runs_by_now_is_not_deleted_as_one_that_waits() -> None:
    edge, step = await about_to(RestartPod)
    waiting = replace(edge.observed.pods[step.member], running=Running.NO)
    edge.observed = replace(edge.observed, pods={**edge.observed.pods, step.member: waiting})
    assert isinstance(await edge.take(step), ConflictError)
    assert alive(edge.world)[step.name] == step.uid


async def test_a_pod_that_is_ready_by_now_is_not_deleted_past_its_budget() -> None:
    edge, step = await about_to(RestartPod)
    late = replace(edge.observed.pods[step.member], ready=False)
    edge.observed = replace(edge.observed, pods={**edge.observed.pods, step.member: late})
    assert isinstance(await edge.take(replace(step, unguarded="it is not ready")), ConflictError)
    assert alive(edge.world)[step.name] == step.uid


WAYS = {"evict": "", "delete": "the disruption budget can spare no member"}


@pytest.mark.parametrize("way", WAYS)
async def test_a_pod_that_changes_at_the_last_moment_is_not_restarted(way: str) -> None:
    edge, step = await about_to(RestartPod)
    meanwhile(edge.world, way, PODS, lambda: _pod_status(edge.world, step.name, phase="Running"))
    assert isinstance(await edge.take(replace(step, unguarded=WAYS[way])), ConflictError)
    assert alive(edge.world)[step.name] == step.uid


@pytest.mark.parametrize("way", WAYS)
async def test_a_pod_that_came_at_the_last_moment_is_not_restarted(way: str) -> None:
    edge, step = await about_to(RestartPod)
    meanwhile(edge.world, way, PODS, lambda: made_again(edge.world, PODS, step.name))
    assert isinstance(await edge.take(replace(step, unguarded=WAYS[way])), ConflictError)
    assert alive(edge.world)[step.name] not in ("", step.uid)


@pytest.mark.parametrize("kind", [RemovePods, DeleteClaim])
async def test_a_member_that_is_back_in_the_configuration_loses_neither_pod_nor_claim(kind: type[Step]) -> None:
    edge, step = await until(await shrinking(5, 3), kind)
    before = state(edge.world)[:3]
    edge.world.reconfigure_by_hand(tuple(server_of(NAMES, member) for member in (1, 2, 3, 4)))
    assert isinstance(await edge.take(step), ConflictError)
    assert state(edge.world)[:3] == before


async def test_a_claim_whose_pod_is_there_after_all_is_kept() -> None:
    edge, step = await about_to(DeleteClaim)
    pod = {"name": NAMES.pod(step.claim.member), "namespace": "demo"}
    edge.world.api.put(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": {"containers": []}})
    assert isinstance(await edge.take(step), ConflictError)
    assert step.claim.name in claims(edge.world)


async def test_a_claim_that_came_at_the_last_moment_is_kept() -> None:
    edge, step = await about_to(DeleteClaim)
    meanwhile(
        edge.world,
        "delete",
        PERSISTENT_VOLUME_CLAIMS,
        lambda: made_again(edge.world, PERSISTENT_VOLUME_CLAIMS, step.claim.name),
    )
    assert isinstance(await edge.take(step), ConflictError)
    assert step.claim.name in claims(edge.world)


async def _version_only(self: Applier, cluster: Any, _: Any, restarted: int) -> str:
    live = await self._api.get(PODS, cluster.names.namespace, cluster.names.pod(restarted)) or {}
    return str(live["metadata"]["resourceVersion"])


def _judged_without(index: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Judge pods without one of the facts: uid, address, whether it is being stopped, whether it runs."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        judged = applier._gate_facts

        def fewer(pod: Any) -> Any:
            facts = judged(pod)
            return facts and (*facts[:index], *facts[index + 1 :])

        patch.setattr(applier, "_gate_facts", fewer)

    return bug


def _changed(kind: type[Step], change: str) -> Claim:
    return claim_with(test_nothing_is_taken_away_for_a_cluster_that_has_changed_since, kind, change)


def _another(change: str) -> Claim:
    return claim_with(test_no_member_is_restarted_when_another_voter_is_not_as_it_was_judged, change)


SEEDS = (
    Seed(
        "the object is looked at again before anything is taken away",
        replaced(Applier, "_require_unchanged_cluster", no_check),
        tuple(_changed(kind, "edited") for kind in (RestartPod, Reconfigure, RemovePods, DeleteClaim)),
    ),
    Seed(
        "its uid",
        rewritten(applier, "Applier._require_unchanged_cluster", 'meta.get("uid") == cluster.meta.uid and ', ""),
        (_changed(RestartPod, "made again"),),
    ),
    Seed(
        "its end",
        rewritten(applier, "Applier._require_unchanged_cluster", ' or "deletionTimestamp" in meta', ""),
        (_changed(RestartPod, "being deleted"),),
    ),
    Seed(
        "pods are looked at again before one is deleted",
        replaced(Applier, "_require_unchanged_pods", _version_only),
        tuple(_another(change) for change in POD_CHANGES),
    ),
    Seed("a pod's uid", _judged_without(0), (_another("made again"),)),
    Seed("a pod's address", _judged_without(1), (_another("at another address"),)),
    Seed("a pod's end", _judged_without(2), (_another("being stopped"),)),
    Seed(
        "whether a pod runs",
        _judged_without(3),
        (_another("not running"), test_a_pod_that_runs_by_now_is_not_deleted_as_one_that_waits),
    ),
    Seed(
        "whether a pod is ready", _judged_without(4), (test_a_pod_that_is_ready_by_now_is_not_deleted_past_its_budget,)
    ),
    Seed(
        "the version of what is evicted",
        request_without("evict", "resource_version"),
        (claim_with(test_a_pod_that_changes_at_the_last_moment_is_not_restarted, "evict"),),
    ),
    Seed(
        "the uid and version of what is evicted",
        request_without("evict", "uid", "resource_version"),
        (claim_with(test_a_pod_that_came_at_the_last_moment_is_not_restarted, "evict"),),
    ),
    Seed(
        "the version of what is deleted",
        request_without("delete", "resource_version"),
        (claim_with(test_a_pod_that_changes_at_the_last_moment_is_not_restarted, "delete"),),
    ),
    Seed(
        "the uid and version of what is deleted",
        request_without("delete", "uid", "resource_version"),
        (
            claim_with(test_a_pod_that_came_at_the_last_moment_is_not_restarted, "delete"),
            test_a_claim_that_came_at_the_last_moment_is_kept,
        ),
    ),
    Seed(
        "the configuration is read again before pods and claims go",
        replaced(Reconfigurer, "confirm_absent", no_check),
        tuple(
            claim_with(test_a_member_that_is_back_in_the_configuration_loses_neither_pod_nor_claim, kind)
            for kind in (RemovePods, DeleteClaim)
        ),
    ),
    Seed(
        "a claim in use",
        rewritten(applier, "Applier._delete_claim", " is not None:", " is ...:"),
        (test_a_claim_whose_pod_is_there_after_all_is_kept,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
