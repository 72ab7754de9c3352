"""The common parts of all children: name, labels and owner."""

from typing import Any

from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def manifest(cluster: ValidatedCluster, api_version: str, kind: str, name: str, **parts: Any) -> Manifest:
    """Return a child's manifest; `parts` are its top-level fields beside `metadata`."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": cluster.names.namespace,
            "labels": cluster.names.labels,
            "ownerReferences": [cluster.owner],
        },
        **parts,
    }
