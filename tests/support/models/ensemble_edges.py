"""The edges between the parts of a pass: what the operator saw, the step that it made of it, and what came between."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_simulation import NAMES, valid
from tests.support.worlds.ensemble import KEY, EnsembleWorld, Peeking, ensemble_world
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.steps import RestartPod, Step
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ConflictError, ZkOperatorError
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
    Resource,
)

S = TypeVar("S", bound=Step)


@dataclass
class Edge:
    """What the operator saw, and whose next step is about to be taken."""

    world: EnsembleWorld
    cluster: ValidatedCluster
    observed: Observed

    async def take(self, step: Step) -> ZkOperatorError | None:
        """Let the operator carry out the step now; returns what it was refused with."""
        try:
            await self.world.operator._applier.apply(self.cluster, self.observed, step)
        except ZkOperatorError as error:
            return error
        return None


async def seen(world: EnsembleWorld) -> Edge:
    """Let the operator observe the cluster as it is now."""
    cluster = valid(world.cluster() or {})
    state = world.operator._states.of(KEY).observer
    return Edge(world, cluster, await world.operator._observer.observe(cluster, state))


async def until(
    world: EnsembleWorld, kind: type[S], which: Callable[[S], bool] = lambda _: True, turns: int = 80
) -> tuple[Edge, S]:
    """Play until the operator is about to take such a step, and keep it from it; returns what it saw, and the step."""
    applier, caught = world.operator._applier, list[tuple[Edge, S]]()
    go_on = applier.apply

    async def watch(cluster: ValidatedCluster, observed: Observed, step: Step) -> str:
        if isinstance(step, kind) and which(step):
            caught.append((Edge(world, cluster, observed), step))
            raise ConflictError("held back")
        return await go_on(cluster, observed, step)

    applier.apply = watch  # type: ignore[method-assign]
    for _ in range(turns):
        await world.turn()
        if caught:
            applier.apply = go_on  # type: ignore[method-assign]
            return caught[0]
    raise AssertionError(f"no {kind.__name__} in {turns} turns")


def meanwhile(
    world: EnsembleWorld, verb: str, resource: Resource, happens: Callable[[], object], name: str = ""
) -> None:
    """Let something happen just before the next such request of the operator takes effect."""
    hook = world.api.before

    def before(operation: Operation) -> None:
        if (operation.verb, operation.resource) == (verb, resource) and name in ("", operation.name):
            world.api.before = hook
            happens()
        hook(operation)

    world.api.before = before


class Selecting(Peeking):
    """Shows what informers show: children that bear the labels by which they are followed."""

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        found = await super().fetch(resource, namespace, name)
        labels = ((found or {}).get("metadata") or {}).get("labels") or {}
        followed = resource is ZOOKEEPER_CLUSTERS or labels.get("app.kubernetes.io/managed-by") == "zkoperator"
        return found if followed else None


class Held:
    """Holds the next apply of a kind, whose author then dies; it may land whenever somebody lets it."""

    def __init__(self, world: EnsembleWorld, resource: Resource) -> None:
        self._apply = world.api.apply
        self._resource = resource
        self._request: tuple[Any, ...] | None = None
        world.api.apply = self._hold  # type: ignore[method-assign]
        self._play = world

    async def _hold(self, resource: Resource, namespace: str, manifest: Manifest, **more: Any) -> Manifest:
        if resource is not self._resource:
            return await self._apply(resource, namespace, manifest, **more)
        self._request = (resource, namespace, manifest)
        self._play.api.apply = self._apply  # type: ignore[method-assign]
        self._play.start_operator()
        raise HeldError

    async def land(self) -> None:
        """Let it arrive, whatever becomes of it."""
        assert self._request is not None, "nothing was held"
        with suppress(ZkOperatorError):
            await self._apply(*self._request)


class HeldError(ZkOperatorError):
    """Nobody hears of this request any more."""


def alive(world: EnsembleWorld) -> dict[str, str]:
    """The pods by name, with their uids."""
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in world.api.every(PODS)}


def claims(world: EnsembleWorld) -> dict[str, str]:
    """The claims by name, with their uids."""
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in world.api.every(PERSISTENT_VOLUME_CLAIMS)}


def replicas(world: EnsembleWorld) -> int:
    """What the StatefulSet asks for."""
    return int((world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {})["spec"]["replicas"])


def made_again(world: EnsembleWorld, resource: Resource, name: str, **metadata: Any) -> Manifest:
    """Replace an object by one of the same name."""
    old = world.api.peek(resource, "demo", name)
    assert old is not None
    world.api.remove(resource, "demo", name)
    return world.api.put(resource, {**old, "metadata": {**old["metadata"], **metadata}})


def cluster_made_again(world: EnsembleWorld) -> None:
    """Replace the cluster by a new one of the same name, which has been edited as often."""
    edits = int((world.cluster() or {})["metadata"]["generation"]) - 1
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.put(
        ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **world.raw}
    )
    for number in range(edits):
        world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": {"paused": number % 2 == 0}})


def marked(world: EnsembleWorld, resource: Resource, name: str) -> None:
    """Delete an object that a finalizer holds."""
    world.api.edit(resource, "demo", name, {"metadata": {"finalizers": ["example.com/held"]}})
    world.api.remove(resource, "demo", name)


DELETE_CLAIMS = {"storage": {"retention": {"whenScaled": "Delete"}}}


async def shrinking(first: int = 3, then: int = 1) -> EnsembleWorld:
    world = ensemble_world(first, **DELETE_CLAIMS)
    await world.rest()
    world.ask_for(replicas=then)
    return world


async def rolling() -> EnsembleWorld:
    world = ensemble_world(3)
    await world.rest()
    world.ask_for(config={"tickTime": "3000"})
    return world


async def about_to(kind: type[Step]) -> tuple[Edge, Any]:
    return await until(await (rolling() if kind is RestartPod else shrinking()), kind)
