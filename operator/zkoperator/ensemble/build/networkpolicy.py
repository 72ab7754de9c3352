"""The NetworkPolicy: only members reach the quorum and election ports."""

from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.model.names import CLIENT_PORT, ELECTION_PORT, METRICS_PORT, QUORUM_PORT
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def network_policy(cluster: ValidatedCluster) -> Manifest:
    """Return the policy, which allows clients and metrics from anywhere."""
    members = [{"podSelector": {"matchLabels": cluster.names.selector}}]
    spec = {
        "podSelector": {"matchLabels": cluster.names.selector},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"ports": _ports(CLIENT_PORT, METRICS_PORT)},
            {"ports": _ports(QUORUM_PORT, ELECTION_PORT), "from": members},
        ],
    }
    return manifest(cluster, "networking.k8s.io/v1", "NetworkPolicy", cluster.names.network_policy, spec=spec)


def _ports(*ports: int) -> list[dict[str, object]]:
    return [{"port": port, "protocol": "TCP"} for port in ports]
