"""Whether a ZooKeeperCluster of another namespace permits what an object asks for. I/O: the namespace's labels."""

from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.api.grant import Grant, GrantAccess, grants_of
from zkoperator.controller.grants import asks_for_labels, outside, permitting
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import NAMESPACES, KubeApi, Manifest
from zkoperator.runtime.keys import Key

_NO_LABELS = "; the operator may not read the labels of this namespace, so only namespaces.names counts"


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What an object asks of the owner of a ZooKeeperCluster in another namespace.

    Args:
        namespace: of the object.
        cluster: the ZooKeeperCluster.
        access: what is to be done there.
        paths: the roots of what is used.
    """

    namespace: str
    cluster: Key
    access: GrantAccess
    paths: tuple[str, ...]


async def refusal_of(api: KubeApi, request: GrantRequest, cluster: Manifest | None) -> str | None:
    """Return why the object may not use the cluster, None when it may.

    A missing cluster has the same text as one without a grant: strangers do not learn what exists.

    Args:
        api: the Kubernetes API.
        request: what the object asks for.
        cluster: the ZooKeeperCluster; None when there is none.
    """
    grants = grants_of(cluster) if cluster is not None else ()
    labels, hint = await _labels(api, grants, request.namespace)
    permitted = permitting(grants, request.namespace, labels, request.access)
    missing = outside(permitted, request.namespace, request.paths)
    return f"{_refusal(request, missing)}{hint}" if missing else None


async def _labels(api: KubeApi, grants: tuple[Grant, ...], namespace: str) -> tuple[Mapping[str, str], str]:
    """Return the labels of the namespace if a grant asks for them, and what to add to a refusal."""
    if not asks_for_labels(grants, namespace):
        return {}, ""
    try:
        found = await api.get(NAMESPACES, "", namespace)
    except ForbiddenError:
        return {}, _NO_LABELS
    return ((found or {}).get("metadata") or {}).get("labels") or {}, ""


def _refusal(request: GrantRequest, paths: tuple[str, ...]) -> str:
    namespace, access = request.namespace, request.access
    listed = ", ".join(f'"{path}"' for path in paths)
    entry = f"{{name: {namespace}, namespaces: {{names: [{namespace}]}}, paths: [{listed}], access: {access}}}"
    return (
        f"no ZooKeeperCluster {request.cluster.name} of namespace {request.cluster.namespace} grants {access} of "
        f"{', '.join(paths)} to this "
        f"namespace; its owner would add to its spec.grants: {entry}"
    )
