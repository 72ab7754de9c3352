"""How the backups of a cluster stand, as the schedules in its namespace say. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from zkoperator.api.reasons import ScheduleCondition, ScheduleReason
from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class Backups:
    """The newest backups of all schedules of one cluster together, "" for none.

    Args:
        success, verified: times, RFC 3339.
        zxid: of the newest complete one.
        overdue: which schedules are overdue, and why.
    """

    success: str = ""
    verified: str = ""
    zxid: str = ""
    overdue: str = ""


def backups_of(cluster: str, schedules: Iterable[Manifest]) -> Backups:
    """Return what the schedules of one namespace say of a cluster in it."""
    own = [each for each in schedules if (each["spec"].get("clusterRef") or {}).get("name") == cluster]
    told = [each.get("status") or {} for each in own]
    newest = max(told, key=lambda status: str(status.get("lastSuccessTime") or ""), default={})
    return Backups(
        success=str(newest.get("lastSuccessTime") or ""),
        verified=max((str(status.get("lastVerifiedTime") or "") for status in told), default=""),
        zxid=str(newest.get("zxid") or ""),
        overdue="; ".join(sorted(filter(None, map(_overdue, own)))),
    )


def _overdue(schedule: Manifest) -> str:
    conditions = (schedule.get("status") or {}).get("conditions") or ()
    told = (found for found in conditions if found["type"] == ScheduleCondition.HEALTHY)
    late = next((found for found in told if found["reason"] == ScheduleReason.BACKUP_OVERDUE), None)
    name = schedule["metadata"]["name"]
    return f"ZooKeeperBackupSchedule {name}: {late.get('message', '')}" if late is not None else ""
