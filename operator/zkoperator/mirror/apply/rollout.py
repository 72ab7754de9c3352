"""Restarting the workloads of a ConfigSync once its content has settled. I/O."""

import asyncio

from zkoperator.api.sync import Workload
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.kube.port import KubeApi
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.meter import UNMETERED, Meter
from zkoperator.mirror.model.rollout import RESOURCES, RestartLimits, content_hash, current_hash, restart_patch
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.status.reporter import Reporter
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock

_AT_ONCE = 4
_AGAIN_S = 60.0


class Restarter:
    """Restarts for all ConfigSyncs of a process, few at a time: a change of many must not restart all at once."""

    def __init__(
        self, api: KubeApi, settings: MirrorSettings, clock: Clock, reporter: Reporter, meter: Meter = UNMETERED
    ) -> None:
        self._api = api
        self._meter = meter
        self._settings = settings
        self._clock = clock
        self._reporter = reporter
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._limits = RestartLimits(settings.rollout_interval_s, settings.rollout_burst, settings.rollout_period_s)

    async def restart(self, sync: ValidatedSync, memory: Memory, content: Content | None) -> float | None:
        """Restart what does not run with this content; return when to look again, None when all of it does."""
        if not sync.rollout or content is None:
            return None
        state, now_s = memory.rollout, self._clock.now_s()
        state.see(content_hash(content), now_s)
        due = state.unconfirmed(sync.rollout)
        if due and (wait_s := state.wait_s(now_s, settle_s=self._settings.settle_s)) > 0:
            return wait_s
        waits = [await self._one(sync, memory, workload) for workload in due]
        return min((wait_s for wait_s in waits if wait_s is not None), default=None)

    async def _one(self, sync: ValidatedSync, memory: Memory, workload: Workload) -> float | None:
        async with self._turns:
            try:
                return await self._restart(sync, memory, workload)
            except (ForbiddenError, InvalidError) as error:
                # What is not restarted is in sync all the same.
                await self._reporter.emit_event(memory, "RolloutForbidden", str(error), "Rollout")
                return _AGAIN_S

    async def _restart(self, sync: ValidatedSync, memory: Memory, workload: Workload) -> float | None:
        resource, state = RESOURCES[workload.kind], memory.rollout
        found = await self._api.get(resource, sync.namespace, workload.name)
        if found is None:
            return _AGAIN_S
        if current_hash(found, sync.name) == state.content:
            state.confirm(workload)
            return None
        now_s = self._clock.now_s()
        if (wait_s := self._limits.wait_s(sync.namespace, workload, now_s)) > 0:
            return wait_s
        self._limits.restarts(sync.namespace, workload, now_s)
        self._meter.requested("workload")
        patch = restart_patch(sync.name, state.content)
        if await self._api.patch(resource, sync.namespace, workload.name, patch) is None:
            return _AGAIN_S
        state.confirm(workload)
        note = f"{workload.kind} {workload.name} restarts with the content of ConfigMap {sync.config_map}"
        await self._reporter.emit_event(memory, "RolledOut", note, "Rollout")
        return None
