"""Restarts the workloads of a ConfigSync once its content has settled. I/O."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from zkoperator.api.reasons import SyncReason
from zkoperator.api.workloads import RolledContent, Workload, WorkloadRollout
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.kube.port import KubeApi, NoSuchKindError
from zkoperator.mirror.model.meter import UNMETERED, Meter
from zkoperator.mirror.model.rollout import (
    DONE,
    RESOURCES,
    PendingMarks,
    RestartLimits,
    RolloutState,
    reason_without_restart,
    restart_patch,
    waiting_workloads,
)
from zkoperator.mirror.observe.resource import ResourceState
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain
from zkoperator.runtime.wall_clock import time_text

EmitEvent = Callable[[ResourceState, str, str, str], Awaitable[None]]
"""Creates an Event about the ConfigSync: resource, reason, note, action."""

_AT_ONCE = 4
_AGAIN = LookAgain(60.0)


@dataclass(frozen=True, slots=True)
class RolloutPass:
    """The result of one pass: new entries of workloads for the status, and when to look again."""

    entries: Mapping[Workload, WorkloadRollout]
    again: LookAgain


class Restarter:
    """Restarts workloads for all ConfigSyncs of a process, only a few at once."""

    def __init__(
        self, api: KubeApi, settings: MirrorSettings, clock: Clock, emit_event: EmitEvent, meter: Meter = UNMETERED
    ) -> None:
        self._api = api
        self._meter = meter
        self._settings = settings
        self._clock = clock
        self._emit_event = emit_event
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._limits = RestartLimits(settings.rollout_interval_s, settings.rollout_burst, settings.rollout_period_s)
        self._pending = PendingMarks(settings.rollout_interval_s)

    def give_up(self, namespace: str, sync: str) -> None:
        """Forget the restarts that this ConfigSync still wants, also those that others would have made for it."""
        self._pending.give_up(namespace, sync)

    async def restart(
        self,
        sync: ValidatedSync,
        resource: ResourceState,
        state: RolloutState,
        content: RolledContent,
        known: Mapping[Workload, WorkloadRollout],
    ) -> RolloutPass:
        """Restart the workloads that do not run with this content. `known` has the entries of the status."""
        now_s = self._clock.now_s()
        due = waiting_workloads(sync.rollout, known, content.hash)
        self._pending.give_up(sync.namespace, sync.name, kept=sync.rollout)
        for workload in sync.rollout:
            if workload in due:
                settled_s = state.since_s + self._settings.settle_s
                self._pending.want(sync.namespace, workload, sync.name, content.hash, settled_s)
            else:
                self._pending.settle(sync.namespace, workload, sync.name)
        if due and (wait_s := state.wait_s(now_s, settle_s=self._settings.settle_s)) > 0:
            return RolloutPass({}, LookAgain(wait_s))
        found = {workload: await self._one(sync, resource, workload, content, known.get(workload)) for workload in due}
        entries = {workload: entry for workload, entry in found.items() if isinstance(entry, WorkloadRollout)}
        looks = [entry for entry in found.values() if isinstance(entry, LookAgain)]
        looks += [_AGAIN for entry in entries.values() if entry.reason not in DONE]
        return RolloutPass(entries, min(looks, default=WHEN_WOKEN))

    async def _one(
        self,
        sync: ValidatedSync,
        resource: ResourceState,
        workload: Workload,
        content: RolledContent,
        known: WorkloadRollout | None,
    ) -> WorkloadRollout | LookAgain:
        """Return the new entry of the workload, or when to try again."""
        if (wait_s := self._pending.wait_s(sync.namespace, workload, self._clock.now_s())) > 0:
            return LookAgain(wait_s)
        async with self._turns:
            outcome = await self._restart(sync, resource, workload, content, known)
        if isinstance(outcome, WorkloadRollout):
            self._pending.settle(sync.namespace, workload, sync.name)
        return outcome

    async def _restart(
        self,
        sync: ValidatedSync,
        resource: ResourceState,
        workload: Workload,
        content: RolledContent,
        known: WorkloadRollout | None,
    ) -> WorkloadRollout | LookAgain:
        kind = RESOURCES[workload.kind]
        failed = partial(_failed, workload, known)
        try:
            found = await self._api.get(kind, sync.namespace, workload.name)
            if found is None:
                return failed(SyncReason.WORKLOAD_NOT_FOUND)
            reason = reason_without_restart(found, known, content, sync.name)
            if reason is None:
                now_s = self._clock.now_s()
                if (wait_s := self._limits.wait_s(sync.namespace, workload, now_s)) > 0:
                    return LookAgain(wait_s)
                self._limits.restarts(sync.namespace, workload, now_s)
                self._meter.requested("workload")
                patch = restart_patch({**self._pending.marks(sync.namespace, workload), sync.name: content.hash})
                if await self._api.patch(kind, sync.namespace, workload.name, patch) is None:
                    return failed(SyncReason.WORKLOAD_NOT_FOUND)
                reason = SyncReason.ROLLED_OUT
                note = f"{workload.kind} {workload.name} restarts with the content of {sync.target}"
                await self._emit_event(resource, "RolledOut", note, "Rollout")
        except NoSuchKindError:
            return failed(SyncReason.KIND_NOT_SERVED)
        except (ForbiddenError, InvalidError):
            # The ConfigMap is in sync even when a workload cannot be restarted.
            return failed(SyncReason.ROLLOUT_FORBIDDEN)
        if reason not in DONE:
            return failed(reason)
        uid = str(found["metadata"]["uid"])
        return WorkloadRollout(
            kind=workload.kind, name=workload.name, uid=uid, hash=content.hash, time=time_text(), reason=reason
        )


def _failed(workload: Workload, known: WorkloadRollout | None, reason: SyncReason) -> WorkloadRollout:
    """Return the known entry with this reason. The time stays that of the first pass with the same reason."""
    before = known or WorkloadRollout(kind=workload.kind, name=workload.name)
    return before if before.reason == reason else before.model_copy(update={"reason": reason, "time": time_text()})
