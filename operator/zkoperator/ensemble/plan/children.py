"""Which children are to exist now, and which steps bring them there. Nothing here disrupts anybody."""

from dataclasses import replace

from zkoperator.ensemble.build.children import Child, Desired
from zkoperator.ensemble.model.configuration import Server, server_of
from zkoperator.ensemble.observe.world import World
from zkoperator.ensemble.plan.drift import covers
from zkoperator.ensemble.plan.steps import ApplyChild, CreateSecret, Step
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def wanted_pods(cluster: ValidatedCluster, world: World) -> int:
    """Return how many pods are to exist: never fewer than the committed members need, whatever the spec says."""
    if not cluster.is_founded:
        return cluster.founders
    needed = _last_needed(cluster, world, known_servers(cluster, world))
    return needed if world.committed is not None else max(needed, world.replicas or 0)


def _last_needed(cluster: ValidatedCluster, world: World, servers: tuple[Server, ...]) -> int:
    """Return the last member whose pod is needed.

    Members of ours have no gaps between their ids. One beyond a gap was added by hand: its pod is not made for it.
    """
    ours = {server.id for server in servers if cluster.names.is_host(server.id, server.address)}
    last = cluster.spec.replicas
    while last + 1 in ours:
        last += 1
    return max({last} | (ours & world.pods.keys()))


def known_servers(cluster: ValidatedCluster, world: World) -> tuple[Server, ...]:
    """Return the members for the ConfigMap: committed, else as recorded, else all that may be members.

    A cluster that takes up kept claims was never told who votes, and its spec may ask for more members than claims were
    kept: without their pods and their names nobody could bring back a majority.
    """
    if world.committed is not None:
        return world.committed.servers
    if not cluster.is_founded:
        return _numbered(cluster, cluster.founders)
    told = cluster.status.replicas
    if world.recorded and told > 0:
        return world.recorded
    guessed = _numbered(cluster, max(cluster.founders, told or cluster.spec.replicas))
    return tuple(sorted({server.id: server for server in (*guessed, *world.recorded)}.values()))


def _numbered(cluster: ValidatedCluster, count: int) -> tuple[Server, ...]:
    return tuple(server_of(cluster.names, member) for member in range(1, count + 1))


def stateful_set_of(cluster: ValidatedCluster, world: World, pods: int) -> Manifest:
    """Return the StatefulSet with this many pods."""
    return Child.STATEFUL_SET.build(cluster, replace(_desired(cluster, world), pods=pods))


def child_steps(cluster: ValidatedCluster, world: World) -> tuple[Step, ...]:
    """Return what makes or repairs the children, in the order in which members need them."""
    secret: tuple[Step, ...] = () if world.secret_id is not None else (CreateSecret(),)
    # Pods carry a mark of the password, so the StatefulSet waits until there is one.
    children = Child if world.secret_id is not None else ()
    desired = _desired(cluster, world)
    return (*secret, *(step for child in children for step in _step(world, child, child.build(cluster, desired))))


def _desired(cluster: ValidatedCluster, world: World) -> Desired:
    """Return what is decided about the children. Replicas are never lowered here: `remove_pods` does that."""
    return Desired(
        servers=known_servers(cluster, world),
        pods=max(wanted_pods(cluster, world), world.replicas or 0),
        bootstrap_token=cluster.bootstrap_token,
        secret_id=world.secret_id or "",
    )


def _step(world: World, child: Child, manifest: Manifest) -> tuple[Step, ...]:
    live = world.children.get(child)
    if live is None:
        return (ApplyChild(child, manifest),)
    if live["metadata"].get("deletionTimestamp") or covers(live, manifest):
        return ()
    return (ApplyChild(child, manifest, live["metadata"]["uid"], live["metadata"]["resourceVersion"]),)
