"""The NetworkPolicy: only members reach the quorum and election ports; where egress is denied, members reach these."""

from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.build.pod_extras import further_ports
from zkoperator.ensemble.build.services import client_ports
from zkoperator.ensemble.build.zoocfg import has_master_port
from zkoperator.ensemble.model.names import ELECTION_PORT, METRICS_PORT, OBSERVER_MASTER_PORT, QUORUM_PORT
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

EGRESS = "Egress"
_NAME_SERVICE = (53, 5353)
"""Ports of the name service: as pods dial it, and as the pods behind its Service listen where policies see that."""


def network_policy(cluster: ValidatedCluster, *, egress: bool = False) -> Manifest:
    """Return the policy, which allows clients and metrics from anywhere.

    Args:
        cluster: the validated cluster.
        egress: whether to allow the connections that members open. The policy then denies all others.
    """
    between = (QUORUM_PORT, ELECTION_PORT, *((OBSERVER_MASTER_PORT,) if has_master_port(cluster) else ()))
    members = [{"podSelector": {"matchLabels": cluster.names.selector}}]
    spec: Manifest = {
        "podSelector": {"matchLabels": cluster.names.selector},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"ports": _ports(*client_ports(cluster).values(), METRICS_PORT)},
            {"ports": _ports(*between), "from": members},
        ],
    }
    # Further containers share the address of the member, so this policy applies to their ports too.
    if further := further_ports(cluster.spec.pod):
        spec["ingress"].append({"ports": [{"port": port, "protocol": protocol} for port, protocol in further]})
    if egress:
        spec["policyTypes"] = ["Ingress", EGRESS]
        spec["egress"] = [
            {"ports": _ports(*between), "to": members},
            {"ports": [*_ports(*_NAME_SERVICE, protocol="UDP"), *_ports(*_NAME_SERVICE)]},
        ]
    return manifest(cluster, "networking.k8s.io/v1", "NetworkPolicy", cluster.names.network_policy, spec=spec)


def grants_egress(live: Manifest | None) -> bool:
    """Return whether the live policy allows egress."""
    return live is not None and EGRESS in (live["spec"].get("policyTypes") or ())


def _ports(*ports: int, protocol: str = "TCP") -> list[dict[str, object]]:
    return [{"port": port, "protocol": protocol} for port in ports]
