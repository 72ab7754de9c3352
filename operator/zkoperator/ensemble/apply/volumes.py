"""Carries out the steps for volumes. I/O."""

from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.plan.refused_step import ClaimRefusedError
from zkoperator.ensemble.plan.steps import ExpandClaim, LeavePods, ModifyClaim, RecordReplacement
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

    async def apply(
        self, cluster: ValidatedCluster, step: ExpandClaim | ModifyClaim | LeavePods | RecordReplacement
    ) -> None:
        """Execute one step that stops no member."""
        match step:
            case ExpandClaim() | ModifyClaim():
                await self._change(cluster, step)
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

    async def _change(self, cluster: ValidatedCluster, step: ExpandClaim | ModifyClaim) -> None:
        claim, patch = step.claim, _patch(step)
        where = PERSISTENT_VOLUME_CLAIMS, cluster.names.namespace, claim.name
        try:
            patched = await self._api.patch(*where, patch, resource_version=claim.resource_version)
        except (ForbiddenError, InvalidError) as error:
            raise ClaimRefusedError(step, str(error)) from error
        if patched is None:
            raise ConflictError(f"claim {claim.name} has gone since it was observed")
        if isinstance(step, ModifyClaim) and "volumeAttributesClassName" not in patched["spec"]:
            # An API server that does not have the field drops it without a word.
            raise ClaimRefusedError(step, "the API server has dropped the field")

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


def _patch(step: ExpandClaim | ModifyClaim) -> Manifest:
    if isinstance(step, ExpandClaim):
        return {"spec": {"resources": {"requests": {"storage": step.size}}}}
    return {"spec": {"volumeAttributesClassName": step.attributes_class}}
