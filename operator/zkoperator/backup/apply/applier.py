"""Carries out the one step of a plan, over exactly what was read. I/O."""

from zkoperator.backup.model.names import FINALIZER
from zkoperator.backup.plan.steps import CreateJob, RemoveJob, SetFinalizer, Step
from zkoperator.backup.validate import finalizers_of
from zkoperator.kube.port import JOBS, ZOOKEEPER_BACKUPS, KubeApi, Manifest


class Applier:
    """Writes Jobs and finalizers."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def apply(self, raw: Manifest, step: Step) -> None:
        """Carry out the step for the ZooKeeperBackup as it was read.

        Raises:
            ConflictError: something has changed since, or the Job is there already; nothing was written.
            ForbiddenError: a right is missing, or the namespace is being deleted.
        """
        namespace = raw["metadata"]["namespace"]
        match step:
            case SetFinalizer(wanted):
                await self._set_finalizer(raw, wanted=wanted)
            case CreateJob(manifest):
                await self._api.create(JOBS, namespace, manifest)
            case RemoveJob(name, uid):
                await self._api.delete(JOBS, namespace, name, uid=uid)

    async def _set_finalizer(self, raw: Manifest, *, wanted: bool) -> None:
        meta = raw["metadata"]
        others = [name for name in finalizers_of(raw) if name != FINALIZER]
        patch = {"metadata": {"finalizers": [*others, FINALIZER] if wanted else others}}
        await self._api.patch(
            ZOOKEEPER_BACKUPS, meta["namespace"], meta["name"], patch, resource_version=meta["resourceVersion"]
        )
