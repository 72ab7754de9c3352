"""Carries out the steps for volumes. I/O."""

from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.plan.expansion import refused_message
from zkoperator.ensemble.plan.refused_step import ExpansionRefusedError
from zkoperator.ensemble.plan.steps import ExpandClaim, LeavePods, RecordReplacement
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ConflictError, ForbiddenError, InvalidError
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, STATEFUL_SETS, ZOOKEEPER_CLUSTERS, KubeApi, Manifest
from zkoperator.runtime.wall_clock import time_text


class VolumeWriter:
    """Executes the steps for volumes.

    Args:
        api: the Kubernetes API.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def apply(self, cluster: ValidatedCluster, step: ExpandClaim | LeavePods | RecordReplacement) -> None:
        """Execute one step that stops no member."""
        match step:
            case ExpandClaim():
                await self._expand(cluster, step)
            case LeavePods():
                await self._leave_pods(cluster, step)
            case RecordReplacement():
                await self._record(cluster, step)

    async def delete(self, cluster: ValidatedCluster, claim: ClaimView) -> None:
        """Delete exactly this claim; it and its volume go when the pod that uses it has ended.

        Pods and claims are followed apart: one that was deleted before may be gone, and the pod on a new one already.
        """
        where = PERSISTENT_VOLUME_CLAIMS, cluster.names.namespace, claim.name
        if claim.deleting:
            live = await self._api.get(*where)
            if live is None or live["metadata"]["uid"] != claim.uid:
                raise ConflictError(f"claim {claim.name} has gone since it was observed")
            return
        await self._api.delete(*where, uid=claim.uid, resource_version=claim.resource_version)

    async def _expand(self, cluster: ValidatedCluster, step: ExpandClaim) -> None:
        claim, patch = step.claim, _with_size(step.size)
        where = PERSISTENT_VOLUME_CLAIMS, cluster.names.namespace, claim.name
        try:
            patched = await self._api.patch(*where, patch, resource_version=claim.resource_version)
        except (ForbiddenError, InvalidError) as error:
            raise ExpansionRefusedError(claim.uid, step.size, refused_message(claim, str(error))) from error
        if patched is None:
            raise ConflictError(f"claim {claim.name} has gone since it was observed")

    async def _leave_pods(self, cluster: ValidatedCluster, step: LeavePods) -> None:
        where = STATEFUL_SETS, cluster.names.namespace, step.name
        await self._api.delete(*where, uid=step.uid, resource_version=step.resource_version, orphan=True)

    async def _record(self, cluster: ValidatedCluster, step: RecordReplacement) -> None:
        record = {"approved": step.approved, "startedAt": time_text()}
        await self._api.patch(
            ZOOKEEPER_CLUSTERS,
            cluster.meta.namespace,
            cluster.meta.name,
            {"status": {"volumeReplacement": record}},
            resource_version=cluster.meta.resource_version,
            subresource="status",
        )


def _with_size(size: str) -> Manifest:
    return {"spec": {"resources": {"requests": {"storage": size}}}}
