"""Reports the result of a pass: the status when it says something new, logs and Events for transitions. I/O."""

import logging
from collections.abc import Mapping
from typing import Any

from zkoperator.api.meta import ObjectMeta
from zkoperator.api.reasons import BackupCondition, BackupReason
from zkoperator.backup.status.meter import Meter
from zkoperator.controller.conditions import RawCondition, transitions
from zkoperator.controller.event_recorder import EventRecorder
from zkoperator.controller.events import Notice
from zkoperator.controller.status_writer import StatusWriter
from zkoperator.kube.port import ZOOKEEPER_BACKUPS, KubeApi, Manifest
from zkoperator.logs import about
from zkoperator.runtime.keys import Key

_QUIET = (BackupReason.RUNNING, BackupReason.COMPLETE, BackupReason.DELETING)
"""Reasons of Complete that are no warning."""

_log = logging.getLogger(__name__)


class Reporter:
    """Writes the status and the Events of all ZooKeeperBackups of a process."""

    def __init__(self, api: KubeApi, meter: Meter) -> None:
        self._meter = meter
        self._recorder = EventRecorder(api)
        self._writer = StatusWriter(api, ZOOKEEPER_BACKUPS, is_complete=True)

    async def write(self, raw: Manifest, status: Mapping[str, Any]) -> None:
        """Write the status over the object as it was read, and tell of what has changed.

        Raises:
            ConflictError: the object has changed since it was read.
        """
        key = Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
        after = await self._writer.write(raw, status)
        if after is None:
            return
        self._meter.status_known(key, status)
        for condition in transitions((raw.get("status") or {}).get("conditions") or (), status["conditions"]):
            self._log(key, condition)
            if condition["type"] == BackupCondition.COMPLETE:
                await self._tell(raw, condition)

    async def _tell(self, raw: Manifest, condition: RawCondition) -> None:
        reason, message = condition["reason"], condition.get("message", "")
        notice = Notice("Normal" if reason in _QUIET else "Warning", reason, message, "Backup")
        await self._recorder.record("ZooKeeperBackup", ObjectMeta.model_validate(raw["metadata"]), notice)

    def _log(self, key: Key, condition: RawCondition) -> None:
        if condition["type"] == BackupCondition.VERIFIED or not condition.get("message"):
            return
        level = logging.INFO if condition["reason"] in _QUIET else logging.WARNING
        text = f"{condition['type']} is {condition['status']}: {condition['message']}"
        _log.log(level, "%s", text, extra=about("ZooKeeperBackup", *key, reason=condition["reason"]))
