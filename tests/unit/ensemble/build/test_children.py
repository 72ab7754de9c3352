"""The table of children: an entry is all that a kind needs, and a stage that leaves one out is noticed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.models.children import ONE_OF_EACH, asking_for
from tests.support.models.ensemble_edges import seen
from tests.support.models.ensemble_simulation import NAMES, raw_cluster, valid
from tests.support.worlds.ensemble import ensemble_world
from zkoperator.api.cluster import MAX_REPLICAS
from zkoperator.ensemble.build import children, render
from zkoperator.ensemble.build.children import EXTERNAL_OF, FOLLOWED, Child, Desired, cluster_of
from zkoperator.ensemble.model.configuration import server_of
from zkoperator.ensemble.model.names import CHILD_LABELS, Names
from zkoperator.ensemble.observe import observer
from zkoperator.ensemble.plan import child_steps as planned
from zkoperator.kube.port import Resource

Claim = Callable[[Child], Awaitable[None]]


async def is_built_as_the_table_says(child: Child) -> None:
    cluster = valid(raw_cluster(**asking_for(child)))
    manifest = child.build(cluster, Desired((server_of(NAMES, 1),), 1))
    meta = manifest["metadata"]
    assert (manifest["apiVersion"], manifest["kind"]) == (child.resource.api_version, child.resource.kind)
    assert (meta["name"], meta["namespace"]) == (child.name_of(NAMES), NAMES.namespace)
    assert CHILD_LABELS.items() <= meta["labels"].items()
    assert meta["ownerReferences"] == [cluster.owner]


async def is_rendered(child: Child) -> None:
    found = {
        (each["kind"], each["metadata"]["name"]) for each in render.render(valid(raw_cluster(**asking_for(child))))
    }
    assert (child.resource.kind, child.name_of(NAMES)) in found


async def is_applied(child: Child) -> None:
    world = ensemble_world(1, **asking_for(child))
    await world.rest()
    world.api.remove(child.resource, NAMES.namespace, child.name_of(NAMES))
    await world.rest()
    assert world.api.peek(child.resource, NAMES.namespace, child.name_of(NAMES)) is not None


async def is_observed(child: Child) -> None:
    world = ensemble_world(1, **asking_for(child))
    await world.rest()
    found = (await seen(world)).observed.children[child]
    assert found == world.api.peek(child.resource, NAMES.namespace, child.name_of(NAMES))


async def wakes_its_cluster(child: Child) -> None:
    assert child.resource in FOLLOWED
    for cluster in ("main", "a-zk", "a-zk-members"):
        assert children.cluster_of(child.resource, child.name_of(Names("demo", cluster))) == cluster


CLAIMS: tuple[Claim, ...] = (is_built_as_the_table_says, is_rendered, is_applied, is_observed, wakes_its_cluster)


@pytest.mark.parametrize("child", ONE_OF_EACH)
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
async def test_every_kind_in_the_table(claim: Claim, child: Child) -> None:
    await claim(child)


class _Fewer(list[Child]):
    """The table without an entry."""

    def __getattr__(self, name: str) -> Child:
        return Child[name]


def _left_out(module: Any) -> Callable[[pytest.MonkeyPatch, Child], None]:
    return lambda patch, child: patch.setattr(module, "Child", _Fewer(each for each in Child if each is not child))


def _built_without_owner(patch: pytest.MonkeyPatch, child: Child) -> None:
    build = Child.build

    def unowned(self: Child, *given: Any) -> Any:
        manifest = build(self, *given)
        return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": []}} if self is child else manifest

    patch.setattr(Child, "build", unowned)


SEEDS: dict[str, tuple[Callable[[pytest.MonkeyPatch, Child], None], Claim]] = {
    "built without its owner": (_built_without_owner, is_built_as_the_table_says),
    "not rendered": (_left_out(render), is_rendered),
    "not applied": (_left_out(planned), is_applied),
    "not observed": (_left_out(observer), is_observed),
    "wakes nobody": (_left_out(children), wakes_its_cluster),
}


@pytest.mark.parametrize("child", ONE_OF_EACH)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_stage_that_leaves_a_kind_out_is_noticed(
    seed: str, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug, claim = SEEDS[seed]
    bug(monkeypatch, child)
    with pytest.raises((AssertionError, KeyError)):
        await claim(child)


def test_there_is_a_service_for_each_member_that_there_may_be() -> None:
    assert list(EXTERNAL_OF) == list(range(1, MAX_REPLICAS + 1))
    raw = raw_cluster(MAX_REPLICAS, **asking_for(EXTERNAL_OF[1]))
    named = {each["metadata"]["name"] for each in render.render(valid(raw))}
    assert {f"main-zk-external-{ordinal}" for ordinal in range(MAX_REPLICAS)} < named
    assert "main-zk-external" not in named


def test_the_names_of_other_kinds_lead_nowhere() -> None:
    others: tuple[tuple[Resource, str], ...] = tuple(
        (child.resource, name) for child in Child for name in ("main", "main-zk-0-x", child.name_of(Names("demo", "")))
    )
    assert {cluster_of(resource, name) for resource, name in others} == {None}
