"""What Kubernetes leaves to others: volumes, enforcement of NetworkPolicy, the address of the name server.

`run` is a process of the cluster, in the control plane's network namespace.
"""

import time
from typing import Any, NoReturn

from testbed import local_volumes
from testbed.control_plane import ADDONS_USER, ControlPlane
from testbed.errors import TestbedError
from testbed.layout import Layout
from testbed.network_policy import Enforcer
from testbed.rest import Rest

_EVERY_S = 0.25
_DNS_PORTS = [
    {"name": "dns", "port": 53, "protocol": "UDP"},
    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
]


def install(rest: Rest, cluster: Layout) -> None:
    """Apply the objects of the add-ons."""
    for manifest in local_volumes.storage_classes():
        rest.apply(f"/apis/storage.k8s.io/v1/storageclasses/{manifest['metadata']['name']}", manifest)
    namespace = "namespaces/kube-system"
    rest.apply(f"/api/v1/{namespace}/services/kube-dns", _dns_service(cluster))
    rest.apply(f"/apis/discovery.k8s.io/v1/{namespace}/endpointslices/kube-dns", _dns_endpoints(cluster))


def run(plane: ControlPlane, cluster: Layout) -> NoReturn:
    """Keep volumes and packet filters as the objects say, until the process is ended."""
    rest, enforcer = Rest(plane.kubeconfig(ADDONS_USER)), Enforcer(cluster)
    while True:
        try:
            local_volumes.reconcile(rest, cluster)
            enforcer.reconcile(rest)
        except TestbedError as error:  # the API server restarts, an object changed meanwhile: the next pass sees it
            print(error, flush=True)
        time.sleep(_EVERY_S)


def _dns_service(cluster: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": cluster.dns, "ports": _DNS_PORTS},
    }


def _dns_endpoints(cluster: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [cluster.address]}],
        "ports": _DNS_PORTS,
    }
