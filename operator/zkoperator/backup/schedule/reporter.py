"""Reports the result of a pass: the status when it says something new, logs and Events for transitions. I/O."""

import logging
from collections.abc import Mapping
from typing import Any

from zkoperator.api.meta import ObjectMeta
from zkoperator.api.reasons import ScheduleReason
from zkoperator.backup.schedule.meter import Meter
from zkoperator.controller.conditions import RawCondition, transitions
from zkoperator.controller.event_recorder import EventRecorder
from zkoperator.controller.events import Notice
from zkoperator.controller.status_writer import StatusWriter
from zkoperator.kube.port import ZOOKEEPER_BACKUP_SCHEDULES, KubeApi, Manifest
from zkoperator.logs import about
from zkoperator.runtime.keys import Key

_KIND = "ZooKeeperBackupSchedule"
_QUIET = (ScheduleReason.ON_SCHEDULE, ScheduleReason.FIRST_PENDING, ScheduleReason.SUSPENDED)
"""Reasons of Healthy that are no warning."""

_log = logging.getLogger(__name__)


class Reporter:
    """Writes the status and the Events of all ZooKeeperBackupSchedules of a process."""

    def __init__(self, api: KubeApi, meter: Meter) -> None:
        self._meter = meter
        self._recorder = EventRecorder(api)
        self._writer = StatusWriter(api, ZOOKEEPER_BACKUP_SCHEDULES, is_complete=True)

    async def write(self, raw: Manifest, status: Mapping[str, Any]) -> None:
        """Write the status over the object as it was read, and tell of what has changed.

        Raises:
            ConflictError: the object has changed since it was read.
        """
        if await self._writer.write(raw, status) is None:
            return
        self._meter.status_known(_key(raw), status)
        for condition in transitions((raw.get("status") or {}).get("conditions") or (), status["conditions"]):
            await self._tell_condition(raw, condition)

    async def tell(self, raw: Manifest, reason: str, message: str) -> None:
        """Tell of a backup that was made or deleted."""
        _log.info("%s", message, extra=about(_KIND, *_key(raw), reason=reason))
        notice = Notice("Normal", reason, message, "Schedule")
        await self._recorder.record(_KIND, ObjectMeta.model_validate(raw["metadata"]), notice)

    async def _tell_condition(self, raw: Manifest, condition: RawCondition) -> None:
        reason, message = condition["reason"], condition.get("message", "")
        is_quiet = reason in _QUIET
        level = logging.INFO if is_quiet else logging.WARNING
        text = f"{condition['type']} is {condition['status']}: {message}"
        _log.log(level, "%s", text, extra=about(_KIND, *_key(raw), reason=reason))
        notice = Notice("Normal" if is_quiet else "Warning", reason, message, "Schedule")
        await self._recorder.record(_KIND, ObjectMeta.model_validate(raw["metadata"]), notice)


def _key(raw: Manifest) -> Key:
    return Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
