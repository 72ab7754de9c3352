"""The client Service, that for reads, and the headless Service that gives each member its host name."""

from typing import Any

from zkoperator.api.observers import ObserverService
from zkoperator.api.service import ClientService
from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.model.names import CLIENT_PORT, ELECTION_PORT, METRICS_PORT, QUORUM_PORT, TLS_PORT
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def client_service(cluster: ValidatedCluster) -> Manifest:
    """Return the Service that routes clients to ready members."""
    service = cluster.spec.service
    spec = {
        "type": service.type.value,
        "selector": client_selector(cluster),
        "ports": _client_ports(cluster),
        **_ip_families(service),
    }
    return manifest(cluster, "v1", "Service", cluster.names.client_service, own=service, spec=spec)


def client_selector(cluster: ValidatedCluster) -> dict[str, str]:
    """Return the labels of the members to which clients are led that choose none themselves."""
    observers = cluster.spec.observers
    is_shared = observers is not None and observers.service is ObserverService.SHARED
    return cluster.names.selector if is_shared else cluster.names.labels


def read_service(cluster: ValidatedCluster) -> Manifest:
    """Return the Service that leads to observers, near ones first. `cluster` has the spec of the observers."""
    spec = {
        "type": "ClusterIP",
        "selector": cluster.names.labels_of(cluster.component),
        "ports": _client_ports(cluster),
        "trafficDistribution": "PreferClose",
    }
    return manifest(cluster, "v1", "Service", cluster.names.read_service, spec=spec)


def members_service(cluster: ValidatedCluster) -> Manifest:
    """Return the headless Service, with pods that are not ready: members must find one another to start."""
    ports = [
        *_client_ports(cluster),
        _port("quorum", QUORUM_PORT),
        _port("election", ELECTION_PORT),
        _port("metrics", METRICS_PORT),
    ]
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": cluster.names.selector,
        "ports": ports,
    }
    return manifest(cluster, "v1", "Service", cluster.names.members_service, spec=spec)


def _ip_families(service: ClientService) -> dict[str, Any]:
    """Return what the spec says of the families; the API server fills in what it does not say."""
    policy, families = service.ip_family_policy, service.ip_families
    return {
        **({"ipFamilyPolicy": policy.value} if policy is not None else {}),
        **({"ipFamilies": [family.value for family in families]} if families is not None else {}),
    }


def _client_ports(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    ports = client_ports(cluster)
    return [_port(name, port) for name, port in ports.items()]


def client_ports(cluster: ValidatedCluster) -> dict[str, int]:
    """Return the ports for clients that are reachable from outside the pods, by name."""
    plain = {"client": CLIENT_PORT} if cluster.plaintext_open else {}
    return plain | ({"client-tls": TLS_PORT} if cluster.tls.client else {})


def _port(name: str, port: int) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": "TCP", "targetPort": port}
