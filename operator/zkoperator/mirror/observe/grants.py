"""Whether a ZooKeeperCluster of another namespace permits what a ConfigSync asks for. I/O: the namespace's labels."""

from collections.abc import Mapping

from zkoperator.api.grant import Grant, grants_of
from zkoperator.controller.grants import asks_for_labels, outside, permitting
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import NAMESPACES, KubeApi, Manifest
from zkoperator.mirror.validate import Asked, ValidatedSync

_NO_LABELS = "; the operator may not read the labels of this namespace, so only namespaces.names counts"


class GrantChecker:
    """Compares a ConfigSync with the grants of the ZooKeeperCluster that it names."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def refusal(self, sync: ValidatedSync, asked: Asked, cluster: Manifest | None) -> str | None:
        """Return why the ConfigSync may not use the cluster, None when it may.

        A missing cluster has the same text as one without a grant: strangers do not learn what exists.

        Args:
            sync: the ConfigSync.
            asked: where the ZooKeeperCluster is, and what is to be done with it.
            cluster: the ZooKeeperCluster; None when there is none.
        """
        grants = grants_of(cluster) if cluster is not None else ()
        labels, hint = await self._labels(grants, sync.namespace)
        permitted = permitting(grants, sync.namespace, labels, asked.access)
        missing = outside(permitted, sync.namespace, sync.source.roots)
        return f"{_refusal(sync, asked, missing)}{hint}" if missing else None

    async def _labels(self, grants: tuple[Grant, ...], namespace: str) -> tuple[Mapping[str, str], str]:
        """Return the labels of the namespace if a grant asks for them, and what to add to a refusal."""
        if not asks_for_labels(grants, namespace):
            return {}, ""
        try:
            found = await self._api.get(NAMESPACES, "", namespace)
        except ForbiddenError:
            return {}, _NO_LABELS
        return ((found or {}).get("metadata") or {}).get("labels") or {}, ""


def _refusal(sync: ValidatedSync, asked: Asked, paths: tuple[str, ...]) -> str:
    namespace, access = sync.namespace, asked.access
    listed = ", ".join(f'"{path}"' for path in paths)
    entry = f"{{name: {namespace}, namespaces: {{names: [{namespace}]}}, paths: [{listed}], access: {access}}}"
    return (
        f"no ZooKeeperCluster {sync.source.cluster} of namespace {asked.namespace} grants {access} of "
        f"{', '.join(paths)} to this "
        f"namespace; its owner would add to its spec.grants: {entry}"
    )
