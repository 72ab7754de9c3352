"""Carries out the steps of a recovery. I/O.

A member of the past that was stopped does not start again. So the record and the pods are read again before each step.
"""

import asyncio

from zkoperator.api.incarnation import Incarnation
from zkoperator.backup.model.names import RIGHTS
from zkoperator.ensemble.observe.observer import MAX_PODS
from zkoperator.ensemble.observe.observer_pods import OBSERVER_IDS
from zkoperator.ensemble.observe.pod_view import incarnation_of, pod_view
from zkoperator.ensemble.plan.steps import (
    CreateSafetyCopy,
    CreateSeedClaim,
    RecordIncarnation,
    RecoveryStep,
    RemoveRestoreJob,
    StartRestoreJob,
    StartSeed,
    StopMembers,
)
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.kube.port import (
    JOBS,
    NO_VERSION,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    KubeApi,
    Manifest,
    Resource,
)
from zkoperator.runtime.wall_clock import time_text


def begun(record: Incarnation) -> Manifest:
    """Return the record in status of an incarnation that begins now, unless it says when it began."""
    return {"startedAt": time_text()} | record.manifest()


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
            case StartRestoreJob(manifest, incarnation):
                await self._start_job(cluster, manifest, incarnation)
            case RemoveRestoreJob(name, uid):
                await self._api.delete(JOBS, cluster.names.namespace, name, uid=uid)
            case CreateSeedClaim(manifest):
                await self._require_record(cluster)
                await self._create(cluster, PERSISTENT_VOLUME_CLAIMS, manifest)
            case CreateSafetyCopy(manifest):
                await self._create(cluster, ZOOKEEPER_BACKUPS, manifest)

    async def _record(self, cluster: ValidatedCluster, step: RecordIncarnation) -> None:
        meta, record, recovery = cluster.meta, step.incarnation, cluster.recovery
        if recovery is not None and (record is None or record.number < recovery.number):
            await self._require_no_begin(cluster, recovery)
        incarnation: Manifest | None = None
        if record is not None:
            # A merge patch keeps what it does not name, so the end of the earlier incarnation is removed by name.
            ended = {"completedAt": time_text() if step.complete else None}
            incarnation = begun(record) | ended
        await self._api.patch(
            ZOOKEEPER_CLUSTERS,
            meta.namespace,
            meta.name,
            {"status": {"incarnation": incarnation}},
            resource_version=meta.resource_version,
            subresource="status",
        )

    async def _require_no_begin(self, cluster: ValidatedCluster, recovery: Incarnation) -> None:
        """Refuse to take an incarnation back for which pods may have been made since the cluster was observed."""
        live = await self._api.get(STATEFUL_SETS, cluster.names.namespace, cluster.names.stateful_set)
        template = ((live or {}).get("spec") or {}).get("template") or {}
        if incarnation_of((template.get("metadata") or {}).get("annotations") or {}) >= recovery.epoch:
            raise ConflictError(f"incarnation {recovery.number} has begun")

    async def _stop(self, cluster: ValidatedCluster, step: StopMembers) -> None:
        await self._require_record(cluster)
        patch: Manifest = {"metadata": {"uid": step.uid}, "spec": {"replicas": 0}}
        names, version = cluster.names, step.resource_version
        await self._api.patch(
            STATEFUL_SETS, names.namespace, step.child.name_of(names), patch, resource_version=version
        )

    async def _start(self, cluster: ValidatedCluster, step: StartSeed) -> None:
        await self._require_record(cluster)
        await self._require_end_of_the_past(cluster, step.incarnation)
        known = {"uid": step.uid, "resourceVersion": step.resource_version}
        wanted = known if step.uid else {"resourceVersion": NO_VERSION}
        manifest = {**step.manifest, "metadata": {**step.manifest["metadata"], **wanted}}
        await self._api.apply(STATEFUL_SETS, cluster.names.namespace, manifest)

    async def _start_job(self, cluster: ValidatedCluster, manifest: Manifest, incarnation: int) -> None:
        if incarnation:
            await self._require_record(cluster)
            await self._require_end_of_the_past(cluster, incarnation)
        await self._create(cluster, JOBS, manifest)

    async def _create(self, cluster: ValidatedCluster, resource: Resource, manifest: Manifest) -> None:
        try:
            await self._api.create(resource, cluster.names.namespace, manifest)
        except ForbiddenError as error:
            raise ForbiddenError(f"{error}; the operator needs {RIGHTS}") from error

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
        members = (*range(1, MAX_PODS + 1), *OBSERVER_IDS)
        found = await asyncio.gather(*(self._api.get(PODS, names.namespace, names.pod(member)) for member in members))
        for member, manifest in zip(members, found, strict=True):
            if manifest is not None and pod_view(member, manifest).incarnation < incarnation:
                raise ConflictError(f"pod {names.pod(member)} of an earlier incarnation has not ended")
