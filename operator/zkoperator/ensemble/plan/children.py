"""Which children are to exist now, and which steps bring them there. Nothing here disrupts anybody."""

from zkoperator.ensemble.build.configmap import config_map
from zkoperator.ensemble.build.disruption_budget import budget
from zkoperator.ensemble.build.networkpolicy import network_policy
from zkoperator.ensemble.build.services import client_service, members_service
from zkoperator.ensemble.build.statefulset import stateful_set
from zkoperator.ensemble.model.configuration import Server, server_of
from zkoperator.ensemble.observe.world import Child, World
from zkoperator.ensemble.plan.drift import covers
from zkoperator.ensemble.plan.steps import ApplyChild, CreateSecret, Step
from zkoperator.ensemble.validate import ValidatedCluster
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


def wanted_pods(cluster: ValidatedCluster, world: World) -> int:
    """Return how many pods are to exist: never fewer than the committed members need, whatever the spec says."""
    if not is_founded(cluster):
        return founders(cluster)
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
    if not is_founded(cluster):
        return _numbered(cluster, founders(cluster))
    told = cluster.status.replicas
    if world.recorded and told > 0:
        return world.recorded
    guessed = _numbered(cluster, max(founders(cluster), told or cluster.spec.replicas))
    return tuple(sorted({server.id: server for server in (*guessed, *world.recorded)}.values()))


def _numbered(cluster: ValidatedCluster, count: int) -> tuple[Server, ...]:
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
