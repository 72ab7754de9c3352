"""How applications reach the ensemble: the discovery ConfigMap, and the data of the binding Secret. No credential."""

from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Final

from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.model.names import CLIENT_PORT, MANAGER, TLS_PORT
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

ROOT: Final = "/"
TLS_HOSTS: Final = "tls-hosts"
"""Key of the ConfigMap that is there while clients can rely on TLS."""
BINDING_TYPE: Final = "servicebinding.io/zookeeper"
"""Type of the binding Secret: that of the Service Binding specification, and the kind of service."""
BINDING_KEYS: Final = frozenset({"type", "provider", "host", "port", "uri", "tls-port", "ca-config-map"})
"""Entries of the binding Secret that the operator writes. Others, such as a user name of an application, stay."""


def discovery(cluster: ValidatedCluster, voters: Collection[int], *, tls_served: bool) -> Manifest:
    """Return the ConfigMap.

    Args:
        cluster: the validated cluster.
        voters: the members that applications connect to.
        tls_served: whether each of them has the TLS port, and keeps it.
    """
    hosts = [cluster.names.host(member) for member in sorted(voters)]
    port = client_port(cluster)
    at_port = _at(hosts, port)
    data = {
        # These four are those of the Stackable operator, so that what reads its ConfigMap reads this one.
        "ZOOKEEPER": at_port,
        "ZOOKEEPER_HOSTS": at_port,
        "ZOOKEEPER_CLIENT_PORT": str(port),
        "ZOOKEEPER_CHROOT": ROOT,
        "host": cluster.names.service_host,
        "port": str(port),
        "hosts-only": ",".join(hosts),
        **({"read-host": cluster.names.read_host} if cluster.spec.observers is not None else {}),
        **({TLS_HOSTS: _at(hosts, TLS_PORT)} if tls_served else {}),
        **_tls(cluster, tls_served=tls_served),
    }
    return manifest(cluster, "v1", "ConfigMap", cluster.names.discovery, data=data)


def binding_data(cluster: ValidatedCluster, *, tls_served: bool) -> Mapping[str, str]:
    """Return the entries of the binding Secret. They name the Service, so that they stay as members come and go."""
    host, port = cluster.names.service_host, client_port(cluster)
    return {
        "type": "zookeeper",
        "provider": MANAGER,
        "host": host,
        "port": str(port),
        "uri": f"zookeeper://{host}:{port}",
        **_tls(cluster, tls_served=tls_served),
    }


def binding(cluster: ValidatedCluster, entries: Mapping[str, str]) -> Manifest:
    """Return the binding Secret with these entries."""
    return manifest(cluster, "v1", "Secret", cluster.names.binding, type=BINDING_TYPE, data=encoded(entries))


def encoded(entries: Mapping[str, str]) -> dict[str, str]:
    """Return entries as a Secret holds them."""
    return {key: b64encode(text.encode()).decode() for key, text in entries.items()}


def client_port(cluster: ValidatedCluster) -> int:
    """Return the port for clients: the plaintext port as long as it is open."""
    return CLIENT_PORT if cluster.plaintext_open else TLS_PORT


def _tls(cluster: ValidatedCluster, *, tls_served: bool) -> Mapping[str, str]:
    return {"tls-port": str(TLS_PORT), "ca-config-map": cluster.names.ca_bundle} if tls_served else {}


def _at(hosts: Collection[str], port: int) -> str:
    return ",".join(f"{host}:{port}" for host in hosts)
