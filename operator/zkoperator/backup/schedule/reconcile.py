"""ZooKeeperBackupSchedule: validate, observe, plan, apply, status. I/O."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from zkoperator.api.backup_storage import Verification
from zkoperator.api.meta import Condition
from zkoperator.api.reasons import ScheduleReason
from zkoperator.backup.schedule.build import backup_of
from zkoperator.backup.schedule.health import Health, health_of, newest_success
from zkoperator.backup.schedule.meter import UNMETERED, Meter, Times
from zkoperator.backup.schedule.observer import Observer
from zkoperator.backup.schedule.plan import DeleteBackup, Plan, TakeBackup, make_plan
from zkoperator.backup.schedule.reporter import Reporter
from zkoperator.backup.schedule.seen import BackupView, Seen, State
from zkoperator.backup.schedule.status import status_of, status_of_errors
from zkoperator.backup.schedule.validate import ValidatedSchedule, validate
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.kube.port import ZOOKEEPER_BACKUP_SCHEDULES, ZOOKEEPER_BACKUPS, KubeApi, Manifest
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain
from zkoperator.runtime.wall_clock import time_text, utc_now

_RIGHTS = "install manifests/backup, or set the chart's value backup.enabled"
_REFUSED_S = 60.0
"""Seconds between two tries of a write for which a right is missing."""


class ScheduleReconciler:
    """One pass over one ZooKeeperBackupSchedule at a time.

    Args:
        api: the Kubernetes API.
        meter: counts what is done.
        wall: the time.
    """

    def __init__(self, api: KubeApi, meter: Meter = UNMETERED, wall: Callable[[], datetime] = utc_now) -> None:
        self._api = api
        self._meter = meter
        self._observer = Observer(api, wall)
        self._reporter = Reporter(api, meter)

    async def reconcile(self, key: Key) -> LookAgain:
        """Do one pass. Return when to look again."""
        raw = await self._api.get(ZOOKEEPER_BACKUP_SCHEDULES, key.namespace, key.name)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self._meter.object_gone(key)
            return WHEN_WOKEN
        try:
            schedule = validate(raw)
        except InvalidError as error:
            return await self._refuse(key, raw, error)
        seen = await self._observer.observe(schedule)
        plan = make_plan(schedule, seen)
        try:
            seen = await self._carry_out(raw, schedule, seen, plan)
        except ForbiddenError as error:
            return await self._without_right(raw, schedule, seen, error)
        return await self._report(raw, schedule, seen, health_of(schedule, seen), plan)

    async def _carry_out(self, raw: Manifest, schedule: ValidatedSchedule, seen: Seen, plan: Plan) -> Seen:
        """Carry out the step; return what is there after it."""
        match plan.step:
            case TakeBackup(run):
                manifest = backup_of(schedule, run, seen.last_drill)
                meta = (await self._api.create(ZOOKEEPER_BACKUPS, schedule.meta.namespace, manifest))["metadata"]
                is_drill = manifest["spec"]["verification"] == Verification.DRILL
                await self._reporter.tell(raw, "BackupStarted", f"ZooKeeperBackup {meta['name']} was created")
                new = BackupView(meta["name"], meta["uid"], meta["resourceVersion"], run, State.OPEN, is_drill=is_drill)
                return replace(seen, backups=(*seen.backups, new))
            case DeleteBackup(backup):
                await self._delete(schedule, backup)
                message = f"ZooKeeperBackup {backup.name} was deleted, as spec.retention does not ask for it"
                await self._reporter.tell(raw, "BackupExpired", message)
                return replace(seen, backups=tuple(view for view in seen.backups if view != backup))
        return seen

    async def _delete(self, schedule: ValidatedSchedule, backup: BackupView) -> None:
        await self._api.delete(
            ZOOKEEPER_BACKUPS,
            schedule.meta.namespace,
            backup.name,
            uid=backup.uid,
            resource_version=backup.version,
        )

    async def _report(
        self, raw: Manifest, schedule: ValidatedSchedule, seen: Seen, health: Health, plan: Plan
    ) -> LookAgain:
        key = Key(schedule.meta.namespace, schedule.meta.name)
        self._meter.status_known(key, raw.get("status") or {})
        self._meter.timed(key, _times(schedule, seen))
        await self._reporter.write(raw, status_of(schedule, seen, health, time_text()))
        return LookAgain(plan.look_again_s)

    async def _without_right(
        self, raw: Manifest, schedule: ValidatedSchedule, seen: Seen, error: ForbiddenError
    ) -> LookAgain:
        message = f"{error}; the operator needs the rights to make and delete backups: {_RIGHTS}"
        health = Health(ScheduleReason.FORBIDDEN, message)
        return await self._report(raw, schedule, seen, health, Plan(None, _REFUSED_S))

    async def _refuse(self, key: Key, raw: Manifest, error: InvalidError) -> LookAgain:
        conditions = (raw.get("status") or {}).get("conditions") or ()
        previous = tuple(Condition.model_validate(each) for each in conditions)
        self._meter.timed(key, None)
        await self._reporter.write(raw, status_of_errors(raw, error.errors, previous, time_text()))
        return WHEN_WOKEN


def _times(schedule: ValidatedSchedule, seen: Seen) -> Times | None:
    if schedule.spec.suspend:
        return None
    timetable = schedule.timetable
    verified = max((view.verified_at for view in seen.complete if view.verified_at is not None), default=None)
    interval = timetable.next_after(seen.now) - timetable.last_until(seen.now)
    return Times(
        success=newest_success(seen) or schedule.created,
        verified=verified or schedule.created,
        interval_s=interval.total_seconds(),
    )
