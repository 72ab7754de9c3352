"""Dynamic `local` volumes on the node that the scheduler selected; unlike with hostPath, fsGroup is applied to them.

There is no limit to what such a volume takes. One that grows does so in what the API says of it, which is what a
storage driver tells the API server when it is done.
"""

import shutil
from typing import Any

from testbed.layout import Layout, Node
from testbed.rest import Rest

STORAGE_CLASS = "standard"
RIGID_CLASS = "rigid"
PROVISIONER = "testbed.zkoperator.dev/local"

_CLAIMS = "/api/v1/persistentvolumeclaims?resourceVersion=0"
_VOLUMES = "/api/v1/persistentvolumes"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def storage_classes() -> tuple[dict[str, Any], ...]:
    """Return the default StorageClass, whose volumes may grow, and one whose volumes may not."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return (_storage_class(STORAGE_CLASS, default, grows=True), _storage_class(RIGID_CLASS, {}, grows=False))


def _storage_class(name: str, annotations: dict[str, str], *, grows: bool) -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": annotations},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": grows,
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
        elif _is_to_grow(claim) and _volume_name(claim) in existing:
            _grow(rest, claim)
    for volume in volumes:
        if _is_released(volume):
            shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)
            rest("DELETE", f"{_VOLUMES}/{volume['metadata']['name']}")


def _waits(claim: dict[str, Any]) -> bool:
    ours = claim["spec"].get("storageClassName") in (STORAGE_CLASS, RIGID_CLASS)
    return ours and claim["status"].get("phase") == "Pending"


def _is_to_grow(claim: dict[str, Any]) -> bool:
    has = claim["status"].get("capacity", {}).get("storage")
    bound = claim["status"].get("phase") == "Bound" and claim["spec"].get("storageClassName") == STORAGE_CLASS
    # A claim cannot ask for less than it has, so that what differs is more.
    return bound and has is not None and has != claim["spec"]["resources"]["requests"]["storage"]


def _grow(rest: Rest, claim: dict[str, Any]) -> None:
    metadata, size = claim["metadata"], claim["spec"]["resources"]["requests"]
    merge = "application/merge-patch+json"
    rest("PATCH", f"{_VOLUMES}/{_volume_name(claim)}", {"spec": {"capacity": size}}, merge)
    status = {"status": {"capacity": size, "allocatedResources": size, "allocatedResourceStatuses": None}}
    path = f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{metadata['name']}/status"
    rest("PATCH", path, status, merge)


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
            "storageClassName": spec["storageClassName"],
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
