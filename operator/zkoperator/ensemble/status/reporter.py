"""Writes the status when it has changed, and reports transitions and steps in Events and log lines. I/O."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from zkoperator.api.meta import ObjectMeta
from zkoperator.controller.event_recorder import EventRecorder
from zkoperator.controller.events import Notice
from zkoperator.controller.status_writer import StatusWriter
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.plan.steps import Step
from zkoperator.ensemble.status.events import step_notice, transition_notices
from zkoperator.ensemble.status.meter import UNMETERED, Meter
from zkoperator.ensemble.status.status import Status, differs, zxid_differs
from zkoperator.kube.port import ZOOKEEPER_CLUSTERS, KubeApi, Manifest
from zkoperator.logs import about
from zkoperator.runtime.keys import Key

ZXID_S = 10.0
"""Transaction ids alone are written at most this often, so that a busy ensemble does not make a busy API server."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ReportState:
    """What the reporter remembers of one cluster."""

    written_s: float = float("-inf")
    """Monotonic time of the last write of the status."""


class Reporter:
    """Reports on the clusters of a process.

    Args:
        api: the Kubernetes API.
        now_s: monotonic time, for the pace of writes.
        meter: counts clusters by their status.
    """

    def __init__(self, api: KubeApi, now_s: Callable[[], float], meter: Meter = UNMETERED) -> None:
        self._meter = meter
        self._now_s = now_s
        self._recorder = EventRecorder(api)
        self._writer = StatusWriter(api, ZOOKEEPER_CLUSTERS, is_complete=False)

    async def write_status(self, raw: Manifest, new: Status, state: ReportState) -> None:
        """Write the status if it differs. `ConflictError` when the cluster has changed since it was read."""
        meta, old = raw["metadata"], raw.get("status") or {}
        key = Key(meta["namespace"], meta["name"])
        self._meter.status_known(key, new)
        if not differs(old, new) and not (zxid_differs(old, new) and self._zxid_is_due(state)):
            return
        await self._writer.write(raw, new)
        state.written_s = self._now_s()
        for notice in transition_notices(old.get("conditions") or (), new["conditions"]):
            await self._report(ObjectMeta.model_validate(meta), notice)

    async def report_step(self, meta: ObjectMeta, step: Step, how: str) -> None:
        """Report a step that was carried out, if its kind gets an Event. `how` says what was special about it."""
        notice = step_notice(Names(meta.namespace, meta.name), step, how)
        if notice is not None:
            await self._report(meta, notice)

    async def _report(self, meta: ObjectMeta, notice: Notice) -> None:
        level = logging.INFO if notice.type == "Normal" else logging.WARNING
        extra = about("ZooKeeperCluster", meta.namespace, meta.name, reason=notice.reason)
        _log.log(level, "%s", notice.note, extra=extra)
        await self._recorder.record("ZooKeeperCluster", meta, notice)

    def _zxid_is_due(self, state: ReportState) -> bool:
        return self._now_s() - state.written_s >= ZXID_S
