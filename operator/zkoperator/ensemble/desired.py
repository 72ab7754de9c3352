"""Which children are to exist now, and which steps bring them there. Nothing here disrupts anybody."""

from zkoperator.ensemble.build.budget import budget
from zkoperator.ensemble.build.configmap import config_map
from zkoperator.ensemble.build.networkpolicy import network_policy
from zkoperator.ensemble.build.services import client_service, members_service
from zkoperator.ensemble.build.statefulset import stateful_set
from zkoperator.ensemble.configuration import Server, server_of
from zkoperator.ensemble.drift import covers
from zkoperator.ensemble.steps import ApplyChild, CreateSecret, Step
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.ensemble.world import Child, World
from zkoperator.kube.port import Manifest


def founders(cluster: ValidatedCluster) -> int:
    """Return how many members found the ensemble: as recorded, or as asked for when nothing is."""
    recorded = cluster.status.bootstrap
    return recorded.members if recorded is not None else cluster.spec.replicas


def is_founded(cluster: ValidatedCluster) -> bool:
    """Tell whether the record says that a quorum has served."""
    recorded = cluster.status.bootstrap
    return recorded is not None and recorded.complete


def bootstrap_word(cluster: ValidatedCluster) -> str:
    """Return the word that permits an empty member to found the ensemble; nothing once it is founded."""
    recorded = cluster.status.bootstrap
    return cluster.meta.uid if recorded is not None and not recorded.complete else ""


def our_members(cluster: ValidatedCluster, world: World) -> frozenset[int]:
    """Return the members, voting or not, that run in pods of ours by their committed addresses."""
    servers = world.committed.servers if world.committed is not None else ()
    return frozenset(server.id for server in servers if _is_ours(cluster, server))


def _is_ours(cluster: ValidatedCluster, server: Server) -> bool:
    return server.address == server_of(cluster.names, server.id).address


def wanted_pods(cluster: ValidatedCluster, world: World) -> int:
    """Return how many pods are to exist: never fewer than the committed members need, whatever the spec says."""
    if not is_founded(cluster):
        return founders(cluster)
    if world.committed is None:
        recorded = [server.id for server in known_servers(cluster, world) if _is_ours(cluster, server)]
        return max(world.replicas or 0, *recorded, 1)
    return max(cluster.members | our_members(cluster, world))


def known_servers(cluster: ValidatedCluster, world: World) -> tuple[Server, ...]:
    """Return the members for the ConfigMap: committed, else as recorded, else the founders."""
    if world.committed is not None:
        return world.committed.servers
    if world.recorded and is_founded(cluster):
        return world.recorded
    count = max(founders(cluster), cluster.status.replicas if is_founded(cluster) else 0)
    return tuple(server_of(cluster.names, member) for member in range(1, count + 1))


def the_stateful_set(cluster: ValidatedCluster, world: World, replicas: int) -> Manifest:
    """Return the StatefulSet with this many pods."""
    secret_id = world.secret_id or ""
    return stateful_set(cluster, replicas, bootstrap=bootstrap_word(cluster), secret_id=secret_id)


def child_steps(cluster: ValidatedCluster, world: World) -> tuple[Step, ...]:
    """Return what makes or repairs the children, in the order in which members need them."""
    secret: tuple[Step, ...] = () if world.secret_id is not None else (CreateSecret(),)
    # Pods carry a mark of the password, so the StatefulSet waits until there is one.
    wanted = _children(cluster, world) if world.secret_id is not None else {}
    return (*secret, *(step for child, manifest in wanted.items() for step in _step(world, child, manifest)))


def _children(cluster: ValidatedCluster, world: World) -> dict[Child, Manifest]:
    servers = known_servers(cluster, world)
    voters = sum(server.voting for server in servers)
    pods = max(wanted_pods(cluster, world), world.replicas or 0)
    return {
        Child.CONFIG_MAP: config_map(cluster, servers, bootstrap_word(cluster)),
        Child.MEMBERS_SERVICE: members_service(cluster),
        Child.CLIENT_SERVICE: client_service(cluster),
        Child.BUDGET: budget(cluster, voters),
        Child.NETWORK_POLICY: network_policy(cluster),
        Child.STATEFUL_SET: the_stateful_set(cluster, world, pods),
    }


def _step(world: World, child: Child, manifest: Manifest) -> tuple[Step, ...]:
    live = world.children.get(child)
    if live is None:
        return (ApplyChild(child, manifest),)
    if live["metadata"].get("deletionTimestamp") or covers(live, manifest):
        return ()
    return (ApplyChild(child, manifest, live["metadata"]["uid"], live["metadata"]["resourceVersion"]),)
