"""Reports the result of a pass: the status when it says something new, logs and Events for transitions. I/O."""

import logging
from collections.abc import Mapping
from typing import Any

from zkoperator.api.meta import ObjectMeta
from zkoperator.api.reasons import ZNodeReason
from zkoperator.controller.conditions import RawCondition, transitions
from zkoperator.controller.event_recorder import EventRecorder
from zkoperator.controller.events import Notice
from zkoperator.controller.status_writer import StatusWriter
from zkoperator.kube.port import ZNODES, KubeApi, Manifest
from zkoperator.logs import about
from zkoperator.runtime.keys import Key
from zkoperator.tenant.status.meter import Meter

_KIND = "ZNode"
_QUIET = (ZNodeReason.IN_PLACE, ZNodeReason.CREATING, ZNodeReason.DELETING)
"""Reasons of Ready that are no warning."""

_log = logging.getLogger(__name__)


class Reporter:
    """Writes the status and the Events of all ZNodes of a process."""

    def __init__(self, api: KubeApi, meter: Meter) -> None:
        self._meter = meter
        self._recorder = EventRecorder(api)
        self._writer = StatusWriter(api, ZNODES, is_complete=True)

    async def write(self, raw: Manifest, status: Mapping[str, Any]) -> None:
        """Write the status over the object as it was read, and tell of what has changed.

        Raises:
            ConflictError: the object has changed since it was read.
        """
        key = Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
        if await self._writer.write(raw, status) is None:
            return
        self._meter.status_known(key, status)
        for condition in transitions((raw.get("status") or {}).get("conditions") or (), status["conditions"]):
            await self._tell(raw, key, condition)

    async def tell_left(self, raw: Manifest, path: str, why: str) -> None:
        """Tell that znodes stay that were to be deleted."""
        meta = ObjectMeta.model_validate(raw["metadata"])
        note = f"left behind at {path}: all znodes, their quota and their record ({why})"
        _log.warning("%s", note, extra=about(_KIND, meta.namespace, meta.name))
        await self._recorder.record(_KIND, meta, Notice("Warning", "ZnodesLeft", note, "Delete"))

    async def _tell(self, raw: Manifest, key: Key, condition: RawCondition) -> None:
        reason, message = condition["reason"], condition.get("message", "")
        is_quiet = reason in _QUIET
        level = logging.INFO if is_quiet else logging.WARNING
        text = f"{condition['type']} is {condition['status']}: {message}"
        _log.log(level, "%s", text, extra=about(_KIND, *key, reason=reason))
        notice = Notice("Normal" if is_quiet else "Warning", reason, message, "Place")
        await self._recorder.record(_KIND, ObjectMeta.model_validate(raw["metadata"]), notice)
