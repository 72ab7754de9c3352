"""The children of a cluster as the operator makes them first, for people who want to read before they apply."""

from zkoperator.ensemble.build.children import Child, Desired
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def render(cluster: ValidatedCluster) -> list[Manifest]:
    """Return the manifests of a new ensemble, without the Secret, whose password is made at random."""
    servers = tuple(cluster.server(member) for member in sorted(cluster.members))
    desired = Desired(servers, cluster.spec.replicas, observers=len(cluster.observers))
    return [child.build(cluster, desired) for child in Child if child.is_asked(cluster, desired)]
