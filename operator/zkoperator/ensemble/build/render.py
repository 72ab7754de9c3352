"""The children of a cluster as the operator makes them first, for people who want to read before they apply."""

from zkoperator.ensemble.build.children import Child, Desired
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def render(cluster: ValidatedCluster) -> list[Manifest]:
    """Return the manifests of a new ensemble, without the Secret, whose password is made at random."""
    servers = tuple(cluster.server(member) for member in sorted(cluster.members))
    return [child.build(cluster, Desired(servers, cluster.spec.replicas)) for child in Child]
