"""Reports what a pass has found: one write of the status when it is due, log lines and Events on transitions. I/O."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from zkoperator.api.meta import Model, ObjectMeta
from zkoperator.api.parse import parse
from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.api.sync import ConfigSyncStatus
from zkoperator.controller.conditions import RawCondition, transitions
from zkoperator.controller.event_recorder import EventRecorder
from zkoperator.controller.events import Notice
from zkoperator.controller.status_writer import StatusWriter
from zkoperator.errors import ConflictError, UnknownOutcomeError
from zkoperator.kube.port import CONFIG_SYNCS, KubeApi
from zkoperator.logs import about
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.model.meter import UNMETERED, Meter
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.status.events import is_good, notice_of, notice_of_condition
from zkoperator.mirror.status.status import differs_now
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key

_REASONS_WITH_EVENT = (
    SyncReason.CONFLICT,
    SyncReason.DELETIONS_HELD,
    SyncReason.WORKLOAD_NOT_FOUND,
    SyncReason.KIND_NOT_SERVED,
    SyncReason.NO_POD_TEMPLATE,
    SyncReason.ROLLOUT_FORBIDDEN,
)
"""Reasons that get an Event in any condition; others get one in Ready only."""

logger = logging.getLogger(__name__)


class Reporter:
    """Reports for all ConfigSyncs of a process."""

    def __init__(self, api: KubeApi, settings: MirrorSettings, clock: Clock, meter: Meter = UNMETERED) -> None:
        self._meter = meter
        self._settings = settings
        self._clock = clock
        self._recorder = EventRecorder(api, count=partial(meter.requested, "event"))
        self._writer = StatusWriter(api, CONFIG_SYNCS, is_complete=True)

    async def write_status(self, memory: Memory, status: dict[str, Any]) -> float | None:
        """Write the status if it has to be written now.

        Numbers that move with every change are written together with other changes, or after a while.

        Returns:
            Seconds until the numbers must be written, None when nothing waits.

        Raises:
            ConflictError: the ConfigSync has changed since it was read.
        """
        if memory.raw is None:
            return None
        self._meter.status_known(_key(memory.raw), status)
        written: Mapping[str, Any] = memory.raw.get("status") or {}
        if status == written:
            memory.owed_s = None
            return None
        now_s = self._clock.now_s()
        if not differs_now(written, status):
            memory.owed_s = now_s if memory.owed_s is None else memory.owed_s
            wait_s = memory.owed_s + self._settings.status_lag_s - now_s
            if wait_s > 0:
                return wait_s
        await self._write(memory, memory.raw, status)
        return None

    async def emit_event(self, memory: Memory, reason: str, note: str, action: str) -> None:
        """Create one Event; a failure is logged, not raised."""
        await self._record(memory, notice_of(reason, note, action))

    async def _write(self, memory: Memory, raw: Mapping[str, Any], status: dict[str, Any]) -> None:
        self._meter.requested("status")
        try:
            after = await self._writer.write(raw, status)
        except (ConflictError, UnknownOutcomeError):
            memory.is_stale = True
            raise
        memory.owed_s = None
        if after is None:
            memory.is_stale = True
            return
        memory.saw(after)
        for condition in transitions((raw.get("status") or {}).get("conditions") or (), status["conditions"]):
            self._log(_key(raw), condition)
            if condition["type"] == SyncCondition.READY or condition["reason"] in _REASONS_WITH_EVENT:
                await self._record(memory, notice_of_condition(condition))

    async def _record(self, memory: Memory, notice: Notice) -> None:
        if memory.raw is not None:
            await self._recorder.record("ConfigSync", ObjectMeta.model_validate(memory.raw["metadata"]), notice)

    def _log(self, key: Key, condition: RawCondition) -> None:
        level = logging.INFO if is_good(condition["reason"]) else logging.WARNING
        text = ": ".join(filter(None, (f"{condition['type']} is {condition['status']}", condition.get("message"))))
        logger.log(level, "%s", text, extra=about("ConfigSync", *key, reason=condition["reason"]))


def written_status(memory: Memory) -> ConfigSyncStatus:
    """Return the status as last written, also of an object whose spec cannot be read."""
    if memory.sync is not None:
        return memory.sync.status
    parsed = parse(_StatusOnly, {"status": (memory.raw or {}).get("status") or {}})
    return ConfigSyncStatus() if isinstance(parsed, tuple) else parsed.status


class _StatusOnly(Model):
    """The part of a ConfigSync that only we write."""

    status: ConfigSyncStatus = ConfigSyncStatus()


def _key(raw: Mapping[str, Any]) -> Key:
    return Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
