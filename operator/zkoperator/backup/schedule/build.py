"""The ZooKeeperBackup of one run. Pure."""

from datetime import datetime

from zkoperator.api.backup_storage import Verification
from zkoperator.api.meta import API_VERSION
from zkoperator.backup.model.names import SCHEDULE_LABEL, SCHEDULE_UID_LABEL, scheduled_backup
from zkoperator.backup.schedule.validate import ValidatedSchedule
from zkoperator.kube.port import Manifest


def labels_of(schedule: ValidatedSchedule) -> dict[str, str]:
    """Return the labels by which a backup is one of this schedule. Its uid keeps schedules of one name apart."""
    return {SCHEDULE_LABEL: schedule.meta.name, SCHEDULE_UID_LABEL: schedule.meta.uid}


def backup_of(schedule: ValidatedSchedule, run: datetime, last_drill: datetime | None) -> Manifest:
    """Return the backup of a run. It has no owner, so that it outlives its schedule.

    Args:
        schedule: which has the template.
        run: its time is the name.
        last_drill: the newest run whose backup has a drill.
    """
    spec = schedule.spec
    drills = schedule.drills
    since = max(last_drill or schedule.created, schedule.drilled or schedule.created)
    is_drill = drills is not None and drills.last_until(run) > since
    template = spec.template.manifest() | ({"verification": Verification.DRILL.value} if is_drill else {})
    source = {
        "clusterRef": spec.cluster_ref.manifest() if spec.cluster_ref is not None else None,
        "hosts": spec.hosts,
        "credentialsSecret": spec.credentials_secret,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "ZooKeeperBackup",
        "metadata": {"name": scheduled_backup(schedule.meta.name, run), "labels": labels_of(schedule)},
        "spec": {name: value for name, value in source.items() if value is not None} | template,
    }
