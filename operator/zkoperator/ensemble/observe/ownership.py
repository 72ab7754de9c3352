"""Who owns an object that has the name of a child. Pure.

The operator never adopts an object that somebody else created. It does adopt its own object when that has lost its
owner, because `kubectl delete --cascade=orphan` leaves the children of a cluster behind on purpose.
"""

import json
from enum import StrEnum
from typing import Any

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.secret import password_in
from zkoperator.ensemble.model.names import Component
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import FIELD_MANAGER, Manifest

NOT_OURS = "was not made by this operator; delete or rename it, it is never adopted"


class Owner(StrEnum):
    """Who controls an object."""

    US = "us"
    PREDECESSOR = "a deleted cluster of the same name"
    NOBODY = "nobody: it has our labels and no owner"
    OTHERS = "somebody else"


def owner_of(cluster: ValidatedCluster, manifest: Manifest) -> Owner:
    """Return the owner, by the controller reference of the object."""
    meta = manifest["metadata"]
    references = meta.get("ownerReferences") or ()
    controllers = [ref for ref in references if ref.get("controller")]
    if controllers:
        return _owner(cluster, controllers[0])
    labels = (meta.get("labels") or {}).items()
    labelled = any(cluster.names.labels_of(component).items() <= labels for component in Component)
    return Owner.NOBODY if labelled and not references else Owner.OTHERS


def is_orphan(cluster: ValidatedCluster, live: Manifest) -> bool:
    """Return whether the operator created this object and nobody owns it now. `live`: as the API server has it."""
    managers = {entry.get("manager") for entry in live["metadata"].get("managedFields") or ()}
    return owner_of(cluster, live) is Owner.NOBODY and FIELD_MANAGER in managers


def _owner(cluster: ValidatedCluster, controller: dict[str, Any]) -> Owner:
    if controller["uid"] == cluster.meta.uid:
        return Owner.US
    same = controller["kind"] == "ZooKeeperCluster" and controller["name"] == cluster.meta.name
    return Owner.PREDECESSOR if same else Owner.OTHERS


def ownership_of(manifest: Manifest) -> Manifest:
    """Return the manifest reduced to name, labels and owners."""
    meta = manifest["metadata"]
    identity = {"name": meta["name"], "labels": meta.get("labels") or {}}
    return {"metadata": identity | {"ownerReferences": meta.get("ownerReferences") or []}}


def password_of(cluster: ValidatedCluster, manifest: Manifest) -> str | None:
    """Return the superuser's password, None when the Secret has none or belongs to another owner."""
    ours = owner_of(cluster, manifest) is Owner.US or is_orphan(cluster, manifest)
    return password_in(manifest) if ours else None


def left_secrets(cluster: ValidatedCluster, observed: Observed) -> tuple[str, ...]:
    """Return a sentence about each Secret that an earlier cluster has left.

    The operator may not change Secrets: the right cannot be restricted to its own ones.
    """
    secrets = (observed.secret, observed.binding.identity)
    left = (each for each in secrets if each is not None and owner_of(cluster, each) is Owner.NOBODY)
    return tuple(_left_secret(cluster, each["metadata"]["name"]) for each in left)


def _left_secret(cluster: ValidatedCluster, name: str) -> str:
    patch = json.dumps({"metadata": {"ownerReferences": [cluster.owner]}}, separators=(",", ":"))
    kubectl = f"kubectl -n {cluster.names.namespace}"
    return (
        f"Secret {name} was left by an earlier cluster of this name, is used, and will be left again; to have it "
        f"deleted with this one: {kubectl} patch secret {name} --type merge -p '{patch}'"
    )


def foreign_object(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return a sentence about an object of another owner with the name of a child, "" when there is none."""
    for kind, manifest in _named(observed):
        if owner_of(cluster, manifest) is Owner.OTHERS:
            return f"{kind} {manifest['metadata']['name']} {NOT_OURS}"
    return ""


def leftovers(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return a sentence about an object of a deleted cluster with the same name, "" when there is none."""
    for kind, manifest in _named(observed):
        if owner_of(cluster, manifest) is Owner.PREDECESSOR:
            return f"waiting for the deletion of {kind} {manifest['metadata']['name']} of the earlier cluster"
    if cluster.status.bootstrap is not None:
        return ""
    # Before the bootstrap record exists, pods that use the volumes may belong to an earlier cluster.
    ours = _set_uid(observed)
    for pod in observed.pods.values():
        if pod.owner_uid != ours:
            return f"waiting for the end of pod {pod.name} of an earlier StatefulSet"
    return ""


def _named(observed: Observed) -> tuple[tuple[str, Manifest], ...]:
    children = tuple((child.title, manifest) for child, manifest in observed.children.items())
    secrets = (observed.secret, observed.binding.identity)
    return (*children, *(("Secret", manifest) for manifest in secrets if manifest is not None))


def _set_uid(observed: Observed) -> str:
    manifest = observed.children.get(Child.STATEFUL_SET)
    return str(manifest["metadata"]["uid"]) if manifest is not None else ""
