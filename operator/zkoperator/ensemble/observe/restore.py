"""Looks at the backup of a restore, at its Jobs and at the copy that is taken before it. I/O."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from zkoperator.api.backup_storage import BackupStorage
from zkoperator.api.founding import FromBackup
from zkoperator.api.reasons import BackupCondition
from zkoperator.backup.model.names import RIGHTS
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.observe.image import ImageFinder
from zkoperator.backup.observe.jobs import read_job
from zkoperator.backup.validate import ValidatedBackup, validate
from zkoperator.ensemble.build.restore import job_labels, safety_label
from zkoperator.ensemble.model.names import RESTORE, selector_text
from zkoperator.ensemble.model.restore import Source, check_job, fetch_job
from zkoperator.ensemble.observe.restore_view import RestoreView, SafetyCopy, restore_text, wanted_backup
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, ZOOKEEPER_BACKUPS, KubeApi, Manifest


class RestoreReader:
    """Looks at restores; at nothing where none is asked for.

    Args:
        api: the Kubernetes API.
        images: finds the image of the operator.
        wall: the time.
    """

    def __init__(self, api: KubeApi, images: ImageFinder, wall: Callable[[], datetime]) -> None:
        self._api = api
        self._images = images
        self._wall = wall

    async def read(self, cluster: ValidatedCluster) -> RestoreView | None:
        """Return one look at the restore of the cluster, None when none is asked for or under way."""
        wanted = wanted_backup(cluster)
        if wanted is None:
            return None
        source = await self._source(cluster, wanted)
        if isinstance(source, str):
            return RestoreView(self._wall(), source)
        try:
            return await self._look(cluster, source)
        except ForbiddenError as error:
            return RestoreView(self._wall(), source, why_no_job=f"{error}; the operator needs {RIGHTS}")

    async def _look(self, cluster: ValidatedCluster, source: Source) -> RestoreView:
        namespace, name, approved = cluster.meta.namespace, cluster.meta.name, restore_text(cluster)
        recovery, labels = cluster.recovery, selector_text(job_labels(cluster))
        check = check_job(name, recovery.approved if recovery is not None else approved, source)
        fetch = fetch_job(name, cluster.incarnation, source)
        found = await asyncio.gather(*(read_job(self._api, namespace, job, labels) for job in (check, fetch)))
        image = await self._images.find()
        return RestoreView(
            self._wall(),
            source,
            image=image if isinstance(image, str) else "",
            why_no_job=image.message if isinstance(image, Waiting) else "",
            check=found[0],
            fetch=found[1] if recovery is not None else None,
            safety=await self._safety(cluster, approved) if approved and recovery is None else None,
        )

    async def _source(self, cluster: ValidatedCluster, wanted: FromBackup) -> Source | str:
        if wanted.storage is not None:
            location = wanted.path or ""
            missing = await self._missing_claim(cluster, wanted.storage)
            return missing or Source(f"the backup at {location}", wanted.storage, location)
        name = wanted.name or ""
        raw = await self._api.get(ZOOKEEPER_BACKUPS, cluster.meta.namespace, name)
        if raw is None:
            return f"there is no ZooKeeperBackup {name} in this namespace"
        backup = _valid(raw)
        if backup is None:
            return f"ZooKeeperBackup {name} is not valid: kubectl describe zkb {name}"
        return _unusable(backup) or await self._missing_claim(cluster, backup.spec.storage) or _source_of(backup)

    async def _missing_claim(self, cluster: ValidatedCluster, storage: BackupStorage) -> str:
        claim = storage.persistent_volume_claim
        if claim is None:
            return ""
        found = await self._api.get(PERSISTENT_VOLUME_CLAIMS, cluster.meta.namespace, claim.claim_name)
        return "" if found is not None else f"there is no PersistentVolumeClaim {claim.claim_name} in this namespace"

    async def _safety(self, cluster: ValidatedCluster, approved: str) -> SafetyCopy | None:
        labels = selector_text(safety_label(cluster))
        listing = await self._api.list(ZOOKEEPER_BACKUPS, cluster.meta.namespace, labels=labels)
        ours = [
            raw for raw in listing.items if _approval_of(raw) == approved and "deletionTimestamp" not in raw["metadata"]
        ]
        newest = max(ours, key=lambda raw: str(raw["metadata"].get("creationTimestamp") or ""), default=None)
        return _safety_copy(newest) if newest is not None else None


def _valid(raw: Manifest) -> ValidatedBackup | None:
    try:
        return validate(raw)
    except InvalidError:
        return None


def _unusable(backup: ValidatedBackup) -> str:
    name = backup.meta.name
    if backup.deleting:
        return f"ZooKeeperBackup {name} is being deleted"
    if not backup.is_complete:
        complete = backup.condition(BackupCondition.COMPLETE)
        return f"ZooKeeperBackup {name} is not complete" + (f": {complete.message}" if complete is not None else "")
    return ""


def _source_of(backup: ValidatedBackup) -> Source:
    return Source(f"ZooKeeperBackup {backup.meta.name}", backup.spec.storage, backup.status.location)


def _approval_of(raw: Manifest) -> str:
    return str((raw["metadata"].get("annotations") or {}).get(RESTORE, ""))


def _safety_copy(raw: Manifest) -> SafetyCopy:
    name, backup = raw["metadata"]["name"], _valid(raw)
    if backup is None:
        return SafetyCopy(name, None, "", failed="it is not valid")
    complete, failed = backup.condition(BackupCondition.COMPLETE), backup.condition(BackupCondition.FAILED)
    given_up = failed.message if failed is not None and backup.is_given_up else ""
    done = datetime.fromisoformat(backup.status.completed_at or "") if backup.is_complete else None
    return SafetyCopy(name, done, complete.message if complete is not None else "it begins", given_up)
