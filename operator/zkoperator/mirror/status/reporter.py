"""Telling what a pass has found: the status in one write when it must be told, Events on transitions. I/O."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.errors import ConflictError, UnknownOutcomeError, ZkOperatorError
from zkoperator.kube.port import CONFIG_SYNCS, EVENTS, KubeApi, Manifest
from zkoperator.logs import about
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.model.meter import UNMETERED, Meter
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.status.events import event_of, is_good
from zkoperator.mirror.status.status import differs_now, merge_patch_of, transitions
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key

_TOLD_BESIDE_READY = (SyncReason.CONFLICT, SyncReason.DELETIONS_HELD)

logger = logging.getLogger(__name__)


def now_text() -> str:
    """Return the wall clock as status shows it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Reporter:
    """Reports for all ConfigSyncs of a process."""

    def __init__(self, api: KubeApi, settings: MirrorSettings, clock: Clock, meter: Meter = UNMETERED) -> None:
        self._api = api
        self._meter = meter
        self._settings = settings
        self._clock = clock
        self._serial = count(int(datetime.now(UTC).timestamp() * 1e6))

    async def tell(self, memory: Memory, status: dict[str, Any]) -> float | None:
        """Write the status if it says something new; return in how many seconds the rest of it must be told, if any.

        Numbers that move with every change are told together with other news, or after a while.
        """
        if memory.raw is None:
            return None
        self._meter.told(_key(memory.raw), status)
        told: Mapping[str, Any] = memory.raw.get("status") or {}
        if status == told:
            memory.owed_s = None
            return None
        now_s = self._clock.now_s()
        if not differs_now(told, status):
            memory.owed_s = now_s if memory.owed_s is None else memory.owed_s
            wait_s = memory.owed_s + self._settings.status_lag_s - now_s
            if wait_s > 0:
                return wait_s
        await self._write(memory, told, status)
        return None

    async def event(self, memory: Memory, reason: str, note: str, action: str) -> None:
        """Emit one Event. A lost Event is nothing to fail for."""
        if memory.raw is None:
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        manifest = event_of(memory.raw, reason=reason, note=note, action=action, now=now, serial=next(self._serial))
        self._meter.requested("event")
        try:
            await self._api.create(EVENTS, memory.raw["metadata"]["namespace"], manifest)
        except ZkOperatorError as error:
            logger.debug("an Event was not written: %s", type(error).__name__)

    async def _write(self, memory: Memory, told: Mapping[str, Any], status: dict[str, Any]) -> None:
        raw = memory.raw
        if raw is None:
            return
        key = _key(raw)
        patch = merge_patch_of(told, status)
        self._meter.requested("status")
        written = await self._patch(memory, key, patch, raw["metadata"].get("resourceVersion"))
        memory.owed_s = None
        if written is None:
            memory.is_stale = True
            return
        memory.saw(written)
        for condition in transitions(told, status):
            self._log(key, condition)
            if condition["type"] == SyncCondition.READY or condition["reason"] in _TOLD_BESIDE_READY:
                await self.event(memory, condition["reason"], condition.get("message") or condition["type"], "Sync")

    async def _patch(self, memory: Memory, key: Key, patch: Manifest, version: str | None) -> Manifest | None:
        """Write over what was read alone: another ConfigSync of the name must not get what was found for this one."""
        where = CONFIG_SYNCS, key.namespace, key.name
        try:
            return await self._api.patch(*where, patch, resource_version=version, subresource="status")
        except (ConflictError, UnknownOutcomeError):
            memory.is_stale = True
            raise

    def _log(self, key: Key, condition: Mapping[str, Any]) -> None:
        level = logging.INFO if is_good(condition["reason"]) else logging.WARNING
        told = ": ".join(filter(None, (f"{condition['type']} is {condition['status']}", condition.get("message"))))
        logger.log(level, "%s", told, extra=about("ConfigSync", *key, reason=condition["reason"]))


def _key(raw: Mapping[str, Any]) -> Key:
    return Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
