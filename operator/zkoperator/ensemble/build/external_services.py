"""The Services by which clients from outside the Kubernetes cluster reach voters: one for all, or one for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from zkoperator.api.external_access import DNS_ANNOTATION, ExternalAccess, ExternalAccessType, NodePorts
from zkoperator.api.tls import Plaintext
from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.build.services import client_selector
from zkoperator.ensemble.model.names import CLIENT_PORT, TLS_PORT
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

PLAINTEXT: Final = "client"
TLS: Final = "client-tls"
_POD_NAME: Final = "statefulset.kubernetes.io/pod-name"
"""Label that the controller of StatefulSets gives to each pod."""
NOBODY: Final = ExternalAccess(type=ExternalAccessType.NODE_PORT)
"""Stands for the access of a cluster that asks for none, whose Services are never made."""


@dataclass(frozen=True, slots=True)
class _Own:
    """What this Service alone bears."""

    annotations: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)


def external_service(cluster: ValidatedCluster, *, tls_served: bool, voters: int, member: int = 0) -> Manifest:
    """Return the Service.

    Args:
        cluster: the validated cluster.
        tls_served: whether every voter has the TLS port, and keeps it.
        voters: how many voters clients know.
        member: the voter to which it leads; 0: all of them.
    """
    names, access = cluster.names, cluster.spec.external_access or NOBODY
    one = {**names.labels, _POD_NAME: names.pod(member)}
    ranges = [*access.source_ranges]
    spec = {
        "type": access.type.value,
        "selector": one if member else client_selector(cluster),
        "ports": _ports(cluster, access, tls_served=tls_served, ordinal=max(member - 1, 0)),
        # Written although it may be empty, so that ranges which the spec has dropped are noticed.
        "loadBalancerSourceRanges": ranges,
    }
    name = names.external_service_of(member) if member else names.external_service
    return manifest(cluster, "v1", "Service", name, own=_Own(_annotations(access, voters, member)), spec=spec)


def external_ports(cluster: ValidatedCluster, *, tls_served: bool) -> dict[str, int]:
    """Return the ports to which the Services lead, by name.

    There is always one. A port that no member serves yet refuses connections, and the Service keeps its address.
    """
    access = cluster.spec.external_access or NOBODY
    plain = access.plaintext is Plaintext.ALLOWED and cluster.plaintext_open
    ports = {PLAINTEXT: CLIENT_PORT} if plain else {}
    return ports | ({TLS: TLS_PORT} if tls_served or not ports else {})


def _ports(
    cluster: ValidatedCluster, access: ExternalAccess, *, tls_served: bool, ordinal: int
) -> list[dict[str, Any]]:
    on_nodes = access.node_ports or NodePorts()
    first = {PLAINTEXT: on_nodes.plaintext, TLS: on_nodes.tls}
    return [
        {
            "name": name,
            "port": port,
            "protocol": "TCP",
            "targetPort": port,
            **({"nodePort": begin + ordinal} if (begin := first[name]) is not None else {}),
        }
        for name, port in external_ports(cluster, tls_served=tls_served).items()
    ]


def _annotations(access: ExternalAccess, voters: int, member: int) -> Mapping[str, str]:
    found = access.hostnames_of([member - 1] if member else range(voters))
    return {**access.annotations, **({DNS_ANNOTATION: ",".join(found)} if found else {})}
