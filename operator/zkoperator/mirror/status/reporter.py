"""Reports the result of a pass: writes the status when it is due, and logs and Events for transitions. I/O."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from zkoperator.api.meta import ObjectMeta
from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.controller.conditions import RawCondition, transitions
from zkoperator.controller.event_recorder import EventRecorder
from zkoperator.controller.events import Notice
from zkoperator.controller.status_writer import StatusWriter
from zkoperator.errors import ConflictError, UnknownOutcomeError
from zkoperator.kube.port import CONFIG_SYNCS, KubeApi
from zkoperator.logs import about
from zkoperator.mirror.model.meter import UNMETERED, Meter
from zkoperator.mirror.observe.resource import ResourceState
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.status.events import is_good, notice_of, notice_of_condition
from zkoperator.mirror.status.status import differs_now
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain

_REASONS_WITH_EVENT = (
    SyncReason.CONFLICT,
    SyncReason.DELETIONS_HELD,
    SyncReason.WORKLOAD_NOT_FOUND,
    SyncReason.KIND_NOT_SERVED,
    SyncReason.NO_POD_TEMPLATE,
    SyncReason.ROLLOUT_FORBIDDEN,
)
"""Reasons that get an Event in every condition. Other reasons get one only in Ready."""

_MOST_FAILURES = 3

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ReportState:
    """What the status of one ConfigSync does not show yet. Times are monotonic seconds."""

    lagging_s: float | None = None
    """Since when the numbers of the status have been out of date, None while they are current."""
    failing_s: float | None = None
    """Since when every write has failed, None after a success."""
    failures: set[str] = field(default_factory=set)
    """How they have failed, by the short forms of the errors."""

    def failed(self, brief: str, now_s: float) -> None:
        """Note a pass whose write has failed."""
        self.failing_s = now_s if self.failing_s is None else self.failing_s
        if len(self.failures) < _MOST_FAILURES:
            self.failures.add(brief)

    def succeeded(self) -> None:
        """Note a pass whose writes have not failed."""
        self.failing_s = None
        self.failures.clear()


@dataclass(frozen=True, slots=True)
class StatusWrite:
    """The result of `write_status`: whether the status was written, and when to write its numbers."""

    is_written: bool
    again: LookAgain = WHEN_WOKEN


class Reporter:
    """Writes the status and the Events of all ConfigSyncs of a process."""

    def __init__(self, api: KubeApi, settings: MirrorSettings, clock: Clock, meter: Meter = UNMETERED) -> None:
        self._meter = meter
        self._settings = settings
        self._clock = clock
        self._recorder = EventRecorder(api, count=partial(meter.requested, "event"))
        self._writer = StatusWriter(api, CONFIG_SYNCS, is_complete=True)

    async def write_status(self, resource: ResourceState, report: ReportState, status: dict[str, Any]) -> StatusWrite:
        """Write the status if it is due.

        Numbers that move with every change are written together with other changes, or after `status_lag_s`.

        Raises:
            ConflictError: the ConfigSync has changed since it was read.
        """
        self._meter.status_known(_key(resource.raw), status)
        written: Mapping[str, Any] = resource.raw.get("status") or {}
        if status == written:
            report.lagging_s = None
            return StatusWrite(is_written=False)
        now_s = self._clock.now_s()
        if not differs_now(written, status):
            report.lagging_s = now_s if report.lagging_s is None else report.lagging_s
            wait_s = report.lagging_s + self._settings.status_lag_s - now_s
            if wait_s > 0:
                return StatusWrite(is_written=False, again=LookAgain(wait_s))
        await self._write(resource, status)
        report.lagging_s = None
        return StatusWrite(is_written=True)

    async def emit_event(self, resource: ResourceState, reason: str, note: str, action: str) -> None:
        """Create one Event. A failure is logged, not raised."""
        await self._record(resource, notice_of(reason, note, action))

    async def _write(self, resource: ResourceState, status: dict[str, Any]) -> None:
        raw = resource.raw
        self._meter.requested("status")
        try:
            after = await self._writer.write(raw, status)
        except (ConflictError, UnknownOutcomeError):
            resource.is_stale = True
            raise
        if after is None:
            resource.is_stale = True
            return
        resource.saw(after)
        for condition in transitions((raw.get("status") or {}).get("conditions") or (), status["conditions"]):
            self._log(_key(raw), condition)
            if condition["type"] == SyncCondition.READY or condition["reason"] in _REASONS_WITH_EVENT:
                await self._record(resource, notice_of_condition(condition))

    async def _record(self, resource: ResourceState, notice: Notice) -> None:
        await self._recorder.record("ConfigSync", ObjectMeta.model_validate(resource.raw["metadata"]), notice)

    def _log(self, key: Key, condition: RawCondition) -> None:
        level = logging.INFO if is_good(condition["reason"]) else logging.WARNING
        text = ": ".join(filter(None, (f"{condition['type']} is {condition['status']}", condition.get("message"))))
        logger.log(level, "%s", text, extra=about("ConfigSync", *key, reason=condition["reason"]))


def _key(raw: Mapping[str, Any]) -> Key:
    return Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
