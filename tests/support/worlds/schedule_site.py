"""A namespace with schedules of backups in memory: the site of backups, the real reconciler, and a clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tests.support.worlds.backup_site import NAMESPACE, SPEC, BackupSite, living
from tests.support.worlds.kills import survives_kill
from zkoperator.backup.order import BackupOrder, Complete, DeleteOrder, DrillOrder, Result
from zkoperator.backup.schedule.reconcile import ScheduleReconciler
from zkoperator.errors import ConflictError
from zkoperator.kube.port import ZOOKEEPER_BACKUP_SCHEDULES, ZOOKEEPER_BACKUPS, Manifest
from zkoperator.runtime.keys import Key
from zkoperator.runtime.wall_clock import time_text

_QUIET_S = 3600.0
"""So often the loop looks at an object of which nothing is due."""
_MANY = 3000


def schedule(name: str = "hourly", **spec: Any) -> Manifest:
    template = {"storage": SPEC["storage"], **spec.pop("template", {})}
    whole = {"clusterRef": SPEC["clusterRef"], "schedule": "0 * * * *", "template": template, **spec}
    meta = {"name": name, "namespace": NAMESPACE}
    kept = {field: value for field, value in whole.items() if value is not None}
    return {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperBackupSchedule", "metadata": meta, "spec": kept}


class ScheduleSite(BackupSite):
    """One operator process and its surroundings. Time passes in `live` alone."""

    def __init__(self, began: str = "2026-11-30T12:30:00+00:00") -> None:
        super().__init__()
        self.wall = datetime.fromisoformat(began)
        self.znodes = 30
        self.verifies = True
        self.pace_s = 0.0
        """Passes are no closer than this, where a test waits for hours for something that is looked at all the time."""
        self.most_open = 0
        """The most backups at once that had not ended."""

    def start(self) -> None:
        super().start()
        self.schedules = ScheduleReconciler(self.kube, wall=lambda: self.wall)

    # What users do.

    def plan(self, name: str = "hourly", **spec: Any) -> Manifest:
        self.kube.now = time_text(self.wall)
        return self.kube.put(ZOOKEEPER_BACKUP_SCHEDULES, schedule(name, **spec))

    def change(self, name: str = "hourly", **spec: Any) -> None:
        self.kube.edit(ZOOKEEPER_BACKUP_SCHEDULES, NAMESPACE, name, {"spec": spec})

    # The operator and what is around it.

    async def look(self, name: str = "hourly") -> float:
        """One pass over the schedule; returns after how many seconds the next is due."""
        try:
            return (await self.schedules.reconcile(Key(NAMESPACE, name))).after_s
        except ConflictError:
            return 0.0

    async def live(self, name: str = "hourly", **passes: float) -> None:
        """Let so much time pass, with passes over all objects when they are due, and the Jobs at work."""
        end = self.wall + timedelta(**passes)
        for _ in range(_MANY):
            due_s = [await self.look(name)]
            due_s += [await self.reconcile(backup) for backup in self.busy()]
            self.run_jobs()
            self.most_open = max(self.most_open, len(self.names("Complete", "False")))
            left_s = (end - self.wall).total_seconds()
            step_s = min(*(max(seconds, self.pace_s) if seconds else 0.0 for seconds in due_s), left_s, _QUIET_S)
            if left_s <= 0 and step_s <= 0 and min(due_s) > 0:
                return
            self.wall += timedelta(seconds=max(0.0, step_s))
        raise AssertionError("it does not come to rest")

    def busy(self) -> list[str]:
        """The backups of which a pass may still do something."""
        found = [each for each in self.kube.every(ZOOKEEPER_BACKUPS) if not _has_ended(each)]
        return [each["metadata"]["name"] for each in found]

    def work(self, order: BackupOrder | DeleteOrder | DrillOrder) -> Result:
        result = super().work(order)
        if not isinstance(result, Complete) or result.backup is None:
            return result
        now = time_text(self.wall)
        verified = now if self.verifies and result.backup.verified_at is not None else None
        told = replace(result.backup, znodes=self.znodes, started_at=now, completed_at=now, verified_at=verified)
        return Complete(told)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody runs the operator meanwhile; its next process remembers nothing."""
        yield
        self.start()

    # What is seen.

    def names(self, condition: str = "", status: str = "") -> list[str]:
        """The backups that are there, or those whose condition has this status or is not there yet."""
        found = [each["metadata"]["name"] for each in self.kube.every(ZOOKEEPER_BACKUPS)]
        return sorted(name for name in found if not condition or self.condition(condition, name)[0] in (status, ""))

    def told(self, name: str = "hourly") -> Manifest:
        """The status of the schedule."""
        found = self.kube.peek(ZOOKEEPER_BACKUP_SCHEDULES, NAMESPACE, name)
        assert found is not None
        return found.get("status") or {}

    def health(self, name: str = "hourly", kind: str = "Healthy") -> tuple[str, str, str]:
        """Status, reason and message of a condition of the schedule."""
        (found,) = [each for each in self.told(name)["conditions"] if each["type"] == kind]
        return found["status"], found["reason"], found.get("message", "")


def _has_ended(backup: Manifest) -> bool:
    status = backup.get("status") or {}
    ended = {each["type"] for each in status.get("conditions") or () if each["status"] == "True"} & {
        "Complete",
        "Failed",
    }
    told = {each["type"]: each["reason"] for each in status.get("conditions") or ()}
    if "deletionTimestamp" in backup["metadata"]:
        return False
    if backup["spec"].get("verification") == "Drill" and "Complete" in ended:
        return told.get("Verified") == "DrillFailed" or (told.get("Verified") == "Drilled" and not status.get("job"))
    is_tidy = "Failed" in ended or not status.get("job")
    return bool(ended) and is_tidy


async def survive(site: ScheduleSite, end: datetime) -> bool:
    """Live on until then, with a new process after the operator was killed. Whether it was."""
    return await survives_kill(lambda: site.live(seconds=(end - site.wall).total_seconds()), partial(living, site))
