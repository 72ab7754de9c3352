"""Carries out the steps of a recovery. I/O.

A member of the past that was stopped does not start again. So the record and the pods are read again before each step.
"""

import asyncio

from zkoperator.ensemble.observe.observer import MAX_PODS
from zkoperator.ensemble.observe.pod_view import pod_view
from zkoperator.ensemble.plan.steps import RecordIncarnation, RecoveryStep, StartSeed, StopMembers
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ConflictError
from zkoperator.kube.port import NO_VERSION, PODS, STATEFUL_SETS, ZOOKEEPER_CLUSTERS, KubeApi, Manifest
from zkoperator.runtime.wall_clock import time_text


class RecoveryWriter:
    """Executes the steps of a recovery.

    Args:
        api: the Kubernetes API.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def apply(self, cluster: ValidatedCluster, step: RecoveryStep) -> None:
        """Execute one step."""
        match step:
            case RecordIncarnation():
                await self._record(cluster, step)
            case StopMembers():
                await self._stop(cluster, step)
            case StartSeed():
                await self._start(cluster, step)

    async def _record(self, cluster: ValidatedCluster, step: RecordIncarnation) -> None:
        meta, record = cluster.meta, step.incarnation
        incarnation: Manifest | None = None
        if record is not None:
            # A merge patch keeps what it does not name, so the end of the earlier incarnation is removed by name.
            ended = {"completedAt": time_text() if step.complete else None}
            incarnation = {"startedAt": time_text()} | record.manifest() | ended
        await self._api.patch(
            ZOOKEEPER_CLUSTERS,
            meta.namespace,
            meta.name,
            {"status": {"incarnation": incarnation}},
            resource_version=meta.resource_version,
            subresource="status",
        )

    async def _stop(self, cluster: ValidatedCluster, step: StopMembers) -> None:
        await self._require_record(cluster)
        patch: Manifest = {"metadata": {"uid": step.uid}, "spec": {"replicas": 0}}
        names, version = cluster.names, step.resource_version
        await self._api.patch(STATEFUL_SETS, names.namespace, names.stateful_set, patch, resource_version=version)

    async def _start(self, cluster: ValidatedCluster, step: StartSeed) -> None:
        await self._require_record(cluster)
        await self._require_end_of_the_past(cluster, step.incarnation)
        known = {"uid": step.uid, "resourceVersion": step.resource_version}
        wanted = known if step.uid else {"resourceVersion": NO_VERSION}
        manifest = {**step.manifest, "metadata": {**step.manifest["metadata"], **wanted}}
        await self._api.apply(STATEFUL_SETS, cluster.names.namespace, manifest)

    async def _require_record(self, cluster: ValidatedCluster) -> None:
        """Refuse the step if the cluster or the record of its recovery has changed since it was read."""
        live = await self._api.get(ZOOKEEPER_CLUSTERS, cluster.meta.namespace, cluster.meta.name)
        meta = live["metadata"] if live is not None else {}
        same = meta.get("uid") == cluster.meta.uid and meta.get("generation") == cluster.meta.generation
        record = ((live or {}).get("status") or {}).get("incarnation") or {}
        if not same or "deletionTimestamp" in meta or record.get("epoch") != cluster.incarnation:
            raise ConflictError("the cluster has changed since it was observed")

    async def _require_end_of_the_past(self, cluster: ValidatedCluster, incarnation: int) -> None:
        names = cluster.names
        members = range(1, MAX_PODS + 1)
        found = await asyncio.gather(*(self._api.get(PODS, names.namespace, names.pod(member)) for member in members))
        for member, manifest in zip(members, found, strict=True):
            if manifest is not None and pod_view(member, manifest).incarnation < incarnation:
                raise ConflictError(f"pod {names.pod(member)} of an earlier incarnation has not ended")
