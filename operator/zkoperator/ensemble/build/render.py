"""All children of a cluster as the operator makes them first: for people who want to read before they apply."""

from zkoperator.ensemble.build.configmap import config_map
from zkoperator.ensemble.build.disruption_budget import budget
from zkoperator.ensemble.build.networkpolicy import network_policy
from zkoperator.ensemble.build.services import client_service, members_service
from zkoperator.ensemble.build.statefulset import stateful_set
from zkoperator.ensemble.model.configuration import server_of
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def render(cluster: ValidatedCluster) -> list[Manifest]:
    """Return the manifests of a new ensemble, without the Secret, whose content is made on the spot."""
    servers = tuple(server_of(cluster.names, member) for member in sorted(cluster.members))
    return [
        config_map(cluster, servers, ""),
        members_service(cluster),
        client_service(cluster),
        budget(cluster, cluster.spec.replicas),
        network_policy(cluster),
        stateful_set(cluster, cluster.spec.replicas, bootstrap="", secret_id=""),
    ]
