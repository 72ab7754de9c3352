"""Dynamic `local` volumes on the node that the scheduler selected; unlike with hostPath, fsGroup is applied to them."""

import shutil
from typing import Any

from testbed.layout import Layout, Node
from testbed.rest import Rest

STORAGE_CLASS = "standard"
PROVISIONER = "testbed.zkoperator.dev/local"

_CLAIMS = "/api/v1/persistentvolumeclaims?resourceVersion=0"
_VOLUMES = "/api/v1/persistentvolumes"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def storage_class() -> dict[str, Any]:
    """Return the default StorageClass."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def reconcile(rest: Rest, cluster: Layout) -> None:
    """Make the volumes that claims wait for, and remove the released ones with their data."""
    nodes = {node.name: node for node in cluster.nodes}
    volumes = rest("GET", f"{_VOLUMES}?resourceVersion=0")["items"]
    existing = {volume["metadata"]["name"] for volume in volumes}
    for claim in rest("GET", _CLAIMS)["items"]:
        node = nodes.get(claim["metadata"].get("annotations", {}).get(_SELECTED_NODE))
        if node is not None and _waits(claim) and _volume_name(claim) not in existing:
            _provision(rest, node, claim)
    for volume in volumes:
        if _is_released(volume):
            shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)
            rest("DELETE", f"{_VOLUMES}/{volume['metadata']['name']}")


def _waits(claim: dict[str, Any]) -> bool:
    return (claim["spec"].get("storageClassName"), claim["status"].get("phase")) == (STORAGE_CLASS, "Pending")


def _is_released(volume: dict[str, Any]) -> bool:
    ours = volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY) == PROVISIONER
    deletes = volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    ending = volume["metadata"].get("deletionTimestamp") is not None
    return ours and deletes and not ending and volume["status"].get("phase") in ("Released", "Failed")


def _volume_name(claim: dict[str, Any]) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def _provision(rest: Rest, node: Node, claim: dict[str, Any]) -> None:
    metadata, spec = claim["metadata"], claim["spec"]
    path = node.state / "volumes" / _volume_name(claim)
    path.mkdir(exist_ok=True)
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": _volume_name(claim), "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": spec["resources"]["requests"],
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": STORAGE_CLASS,
            "volumeMode": "Filesystem",
            "local": {"path": str(path)},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }
    rest("POST", _VOLUMES, volume)
