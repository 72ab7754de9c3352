"""A cluster and its pods as the API has them, for tests of commands."""

from typing import Any

from zkoperator.ensemble.model.names import Names
from zkoperator.kube.port import Manifest

NAMESPACE = "demo"
CLUSTER = "main"
SINCE = "2026-01-01T00:00:00Z"


def cluster(ready: str = "True", doing: str = "nothing to do", **spec: Any) -> Manifest:
    conditions = [
        {"type": "Ready", "status": ready, "reason": "Serving", "message": "", "lastTransitionTime": SINCE},
        {"type": "Progressing", "status": "False", "reason": "Stable", "message": doing, "lastTransitionTime": SINCE},
    ]
    return {
        "apiVersion": "zkoperator.dev/v1alpha1",
        "kind": "ZooKeeperCluster",
        "metadata": {"name": CLUSTER, "namespace": NAMESPACE},
        "spec": {"replicas": 3, **spec},
        "status": {"observedGeneration": 9, "conditions": conditions, "leader": f"{CLUSTER}-zk-0"},
    }


def pod(name: str, *, ready: bool = True, annotations: dict[str, str] | None = None, **container: Any) -> Manifest:
    main = {"name": "zookeeper", "image": "zookeeper:3.9.5", **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": Names(NAMESPACE, CLUSTER).labels,
            "annotations": annotations or {},
        },
        "spec": {"containers": [main]},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }
