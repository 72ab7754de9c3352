"""ZooKeeperBackup: validate, observe, plan, apply, status. I/O."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from zkoperator.api.meta import Condition
from zkoperator.api.reasons import BackupReason
from zkoperator.backup.apply.applier import Applier
from zkoperator.backup.model.names import FINALIZER, RIGHTS
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.observe.image import ImageFinder
from zkoperator.backup.observe.observer import Observer
from zkoperator.backup.plan.deletion import cannot_delete, deletion_plan
from zkoperator.backup.plan.plan import make_plan, wait
from zkoperator.backup.plan.progress import Plan
from zkoperator.backup.plan.steps import SetFinalizer
from zkoperator.backup.status.meter import UNMETERED, Meter
from zkoperator.backup.status.reporter import Reporter
from zkoperator.backup.status.status import status_of, status_of_errors
from zkoperator.backup.validate import ValidatedBackup, finalizers_of, validate
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.kube.port import ZOOKEEPER_BACKUPS, KubeApi, Manifest
from zkoperator.logs import about
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain
from zkoperator.runtime.wall_clock import time_text, utc_now

_TERMINATING_SIGN = "is being terminated"
"""Part of the API server's message when it creates nothing any more in a namespace that is being deleted."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OperatorPod:
    """Where the operator itself runs, the image for Jobs where a setting names it, and that of clusters without one."""

    namespace: str
    name: str
    image: str = ""
    default_image: str = ""


class BackupReconciler:
    """One pass over one ZooKeeperBackup at a time.

    Args:
        api: the Kubernetes API.
        operator: the operator itself.
        meter: counts what is done.
        wall: the time.
    """

    def __init__(
        self,
        api: KubeApi,
        operator: OperatorPod,
        meter: Meter = UNMETERED,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api = api
        self._meter = meter
        images = ImageFinder(api, operator.image, operator.namespace, operator.name)
        self._observer = Observer(api, images, wall, operator.default_image)
        self._applier = Applier(api)
        self._reporter = Reporter(api, meter)

    async def reconcile(self, key: Key) -> LookAgain:
        """Do one pass. Return when to look again."""
        raw = await self._api.get(ZOOKEEPER_BACKUPS, key.namespace, key.name)
        if raw is None:
            self._meter.object_gone(key)
            return WHEN_WOKEN
        try:
            backup = validate(raw)
        except InvalidError as error:
            return await self._refuse(raw, error)
        self._meter.status_known(key, raw.get("status") or {})
        return await self._carry_out(raw, backup, await self._plan(backup))

    async def _plan(self, backup: ValidatedBackup) -> Plan:
        try:
            seen = await self._observer.observe(backup)
        except ForbiddenError as error:
            return _without_right(backup, error)
        return deletion_plan(backup, seen) if backup.deleting else make_plan(backup, seen)

    async def _carry_out(self, raw: Manifest, backup: ValidatedBackup, plan: Plan) -> LookAgain:
        if plan.step is not None:
            try:
                await self._applier.apply(raw, plan.step)
            except ForbiddenError as error:
                if backup.deleting and _TERMINATING_SIGN in str(error):
                    return await self._leave(raw, backup)
                plan = _without_right(backup, error)
            if isinstance(plan.step, SetFinalizer):
                return LookAgain(plan.look_again_s)
        if plan.progress is not None:
            await self._reporter.write(raw, status_of(backup, plan.progress, time_text()))
            self._count(backup, plan)
        return LookAgain(plan.look_again_s)

    def _count(self, backup: ValidatedBackup, plan: Plan) -> None:
        progress = plan.progress
        if progress is None or progress.attempts == backup.status.attempts:
            return
        if progress.facts is not None:
            self._meter.completed(progress.facts)
        else:
            self._meter.failed(progress.reason.value)

    async def _leave(self, raw: Manifest, backup: ValidatedBackup) -> LookAgain:
        """Let the object go without its data: in a namespace that is being deleted no Job can be made."""
        text = "the namespace is being deleted, so that no Job can delete the data below %s: it stays"
        extra = about("ZooKeeperBackup", backup.meta.namespace, backup.meta.name)
        _log.warning(text, backup.status.directory, extra=extra)
        await self._applier.apply(raw, SetFinalizer(wanted=False))
        return WHEN_WOKEN

    async def _refuse(self, raw: Manifest, error: InvalidError) -> LookAgain:
        """Report the errors. An object that is being deleted goes: it cannot say where its data is."""
        if raw["metadata"].get("deletionTimestamp") is not None:
            if FINALIZER in finalizers_of(raw):
                await self._applier.apply(raw, SetFinalizer(wanted=False))
            return WHEN_WOKEN
        conditions = (raw.get("status") or {}).get("conditions") or ()
        previous = tuple(Condition.model_validate(each) for each in conditions)
        await self._reporter.write(raw, status_of_errors(raw, error.errors, previous, time_text()))
        return WHEN_WOKEN


def _without_right(backup: ValidatedBackup, error: ForbiddenError) -> Plan:
    message = f"{error}; the operator needs {RIGHTS}" if _is_about_jobs(error) else str(error)
    if backup.deleting:
        return cannot_delete(backup, message)
    return wait(backup, Waiting(BackupReason.FORBIDDEN, message))


def _is_about_jobs(error: ForbiddenError) -> bool:
    return "jobs.batch" in str(error) and "cannot" in str(error)
