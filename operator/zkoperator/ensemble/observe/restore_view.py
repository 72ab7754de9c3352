"""Whether a restore is asked for, and what is seen of it. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime

from zkoperator.api.founding import FromBackup
from zkoperator.api.incarnation import FOUNDING, Origin
from zkoperator.backup.model.job import JobView
from zkoperator.ensemble.model.names import RESTORE
from zkoperator.ensemble.model.restore import Source
from zkoperator.ensemble.validate import ValidatedCluster

RESTORE_TEXT = re.compile(r"(?P<backup>[a-z0-9][-.a-z0-9]*)@(?P<number>[0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class SafetyCopy:
    """The ZooKeeperBackup that is taken before a restore.

    `progress` is the message of its condition Complete; `failed` says why it is given up, "" while it is not.
    """

    name: str
    completed_at: datetime | None
    progress: str
    failed: str = ""


@dataclass(frozen=True, slots=True)
class RestoreView:
    """One look at a restore.

    Args:
        now: by the wall clock.
        source: the backup, or why it cannot be restored.
        image: of the operator, for Jobs; "" when `why_no_job` says why it is not known.
        why_no_job: why no Job can be made, "" when nothing is known against it.
        check: the Job that reads the backup beforehand.
        fetch: the Job that puts the backup on the seed's volume.
        safety: the newest copy that was taken for this very approval.
    """

    now: datetime
    source: Source | str
    image: str = ""
    why_no_job: str = ""
    check: JobView | None = None
    fetch: JobView | None = None
    safety: SafetyCopy | None = None


def restore_text(cluster: ValidatedCluster) -> str:
    """Return the text of the annotation that asks for a restore which has not been begun yet, "" without one."""
    text, recorded = cluster.meta.annotations.get(RESTORE, ""), cluster.status.incarnation
    return "" if recorded is not None and recorded.approved == text else text


def wanted_backup(cluster: ValidatedCluster) -> FromBackup | None:
    """Return the backup of the restore that is under way, or asked for; None when none is."""
    recovery = cluster.recovery
    if recovery is not None:
        return _approved(cluster, recovery.approved) if recovery.from_ is Origin.BACKUP else None
    if cluster.status.bootstrap is None:
        return _approved(cluster, FOUNDING)
    return _approved(cluster, restore_text(cluster))


def _approved(cluster: ValidatedCluster, approved: str) -> FromBackup | None:
    if approved == FOUNDING:
        return cluster.spec.bootstrap.from_backup if cluster.spec.bootstrap is not None else None
    found = RESTORE_TEXT.fullmatch(approved)
    return FromBackup.model_construct(name=found["backup"]) if found is not None else None
