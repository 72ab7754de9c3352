"""Looks at the Job of a backup, and at what the next one needs. I/O."""

from collections.abc import Callable, Sequence
from datetime import datetime

from zkoperator.api.reasons import BackupCondition, BackupReason
from zkoperator.backup.build.drill import server_of
from zkoperator.backup.build.job import directory
from zkoperator.backup.model.access import Access, access_outside, access_to
from zkoperator.backup.model.job import JobView
from zkoperator.backup.model.names import BACKUP_LABEL, LABELS, attempt_job, deletion_job, drill_job
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.observe.image import ImageFinder
from zkoperator.backup.observe.jobs import read_job
from zkoperator.backup.observe.seen import Needs, Seen
from zkoperator.backup.validate import ValidatedBackup, validate
from zkoperator.errors import InvalidError
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    KubeApi,
    Manifest,
)

_ENDED = ("Succeeded", "Failed")


class Observer:
    """Looks at backups, each in its own namespace.

    Args:
        api: the Kubernetes API.
        images: finds the image of the operator.
        wall: the time.
        default_image: of ensembles that name none.
    """

    def __init__(self, api: KubeApi, images: ImageFinder, wall: Callable[[], datetime], default_image: str) -> None:
        self._default_image = default_image
        self._api = api
        self._images = images
        self._wall = wall

    async def observe(self, backup: ValidatedBackup) -> Seen:
        """Return one look at a backup; of one that has ended, only what is left to tidy up."""
        if backup.deleting:
            return await self._at_the_end(backup)
        if backup.is_to_be_drilled:
            return await self._at_the_drill(backup)
        if backup.is_given_up or (backup.is_complete and not backup.status.job):
            return Seen(self._wall(), None)
        name = backup.status.job if backup.is_complete else attempt_job(backup.meta.name, backup.status.attempts + 1)
        job = await self._job(backup, name)
        needs = await self._needs(backup) if job is None and not backup.is_complete else None
        return Seen(self._wall(), job, needs)

    async def _at_the_drill(self, backup: ValidatedBackup) -> Seen:
        job = await self._job(backup, drill_job(backup.meta.name))
        if job is not None:
            return Seen(self._wall(), job)
        ref = backup.spec.cluster_ref
        cluster = await self._api.get(ZOOKEEPER_CLUSTERS, backup.meta.namespace, ref.name) if ref is not None else None
        image, storage = await self._images.find(), await self._storage(backup)
        server = server_of(cluster, self._default_image)
        return Seen(self._wall(), None, Needs(None, storage, image, server=server))

    async def _at_the_end(self, backup: ValidatedBackup) -> Seen:
        if not backup.has_finalizer or backup.status.directory == "":
            return Seen(self._wall(), None)
        job = await self._job(backup, deletion_job(backup.meta.name))
        if job is not None:
            return Seen(self._wall(), job)
        drill = drill_job(backup.meta.name) if backup.awaits_drill else ""
        names = {attempt_job(backup.meta.name, backup.status.attempts + 1), backup.status.job, drill} - {""}
        attempts = [found for name in sorted(names) if (found := await self._job(backup, name)) is not None]
        busy = [pod["metadata"]["name"] for pod in await self._pods(backup) if not _has_ended(pod)]
        needs = Needs(None, await self._storage(backup), await self._images.find())
        return Seen(self._wall(), None, needs, attempts[0] if attempts else None, tuple(busy))

    async def _job(self, backup: ValidatedBackup, name: str) -> JobView | None:
        return await read_job(self._api, backup.meta.namespace, name, _labels(backup))

    async def _pods(self, backup: ValidatedBackup) -> Sequence[Manifest]:
        return (await self._api.list(PODS, backup.meta.namespace, labels=_labels(backup))).items

    async def _needs(self, backup: ValidatedBackup) -> Needs:
        access = await self._access(backup)
        previous = await self._previous(backup, access) if isinstance(access, Access) else None
        return Needs(access, await self._storage(backup), await self._images.find(), previous)

    async def _access(self, backup: ValidatedBackup) -> Access | Waiting:
        if backup.spec.cluster_ref is None:
            return access_outside(backup.spec)
        name = backup.spec.cluster_ref.name
        return access_to(name, await self._api.get(ZOOKEEPER_CLUSTERS, backup.meta.namespace, name))

    async def _storage(self, backup: ValidatedBackup) -> Waiting | None:
        claim = backup.spec.storage.persistent_volume_claim
        if claim is None:
            return None  # of a bucket only the Job can tell
        if await self._api.get(PERSISTENT_VOLUME_CLAIMS, backup.meta.namespace, claim.claim_name) is not None:
            return None
        message = f"there is no PersistentVolumeClaim {claim.claim_name} in this namespace; create it"
        return Waiting(BackupReason.CLAIM_NOT_FOUND, message)

    async def _previous(self, backup: ValidatedBackup, access: Access) -> str | None:
        """Return the location of the newest complete backup in the same directory of the same storage."""
        if access.cluster is None:
            return None  # its directory is that of this object alone
        place = directory(backup, access.cluster)
        listing = await self._api.list(ZOOKEEPER_BACKUPS, backup.meta.namespace)
        known = [found for item in listing.items if (found := _valid(item)) is not None]
        fitting = [
            each.status
            for each in known
            if each.spec.storage == backup.spec.storage and each.status.directory == place
            if each.is_true(BackupCondition.COMPLETE) and not each.deleting
        ]
        newest = max(fitting, key=lambda status: status.completed_at or "", default=None)
        return newest.location if newest is not None else None


def _valid(raw: Manifest) -> ValidatedBackup | None:
    try:
        return validate(raw)
    except InvalidError:
        return None


def _labels(backup: ValidatedBackup) -> str:
    labels = {**LABELS, BACKUP_LABEL: backup.meta.name}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _has_ended(pod: Manifest) -> bool:
    return (pod.get("status") or {}).get("phase") in _ENDED
