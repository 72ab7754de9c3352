"""The last part of a pass: what workloads are to run with, their restarts, and what the status says of both. I/O."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zkoperator.mirror.apply.rollout import Restarter
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.state import SyncState
from zkoperator.mirror.status.reporter import Reporter
from zkoperator.mirror.status.rollouts import content_now, known_rollouts
from zkoperator.mirror.status.status import StatusInput, status_of_rollouts
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain


class Rollouts:
    """The workloads of all ConfigSyncs of a process."""

    def __init__(self, restarter: Restarter, reporter: Reporter, clock: Clock) -> None:
        self._restarter = restarter
        self._reporter = reporter
        self._clock = clock

    def with_content(
        self, given: StatusInput, plan: Plan, sync: ValidatedSync, state: SyncState, manifest: Mapping[str, Any] | None
    ) -> StatusInput:
        """Add what the workloads are to run with; while nothing is synchronised, that stays as it was."""
        previous = state.resource.status().content
        if plan.stop is not None or manifest is None:
            return replace(given, content=previous)
        rollout, content = state.rollout, state.sides.config_map.content(manifest)
        rollout.recall(previous, self._clock.now_s())
        paths = plan.base.paths if plan.base is not None else {}
        rollout.see(content, sync.selection, sync.generation, self._clock.now_s(), paths)
        now = content_now(previous, rollout, manifest, given.now)
        return replace(given, content=now, former=rollout.former)

    def give_up(self, key: Key) -> None:
        """Want no restart any more: the ConfigSync writes nothing, or is gone."""
        self._restarter.give_up(key.namespace, key.name)

    async def carry_out(self, sync: ValidatedSync, state: SyncState, given: StatusInput) -> LookAgain:
        """Restart what has to be restarted and report it; return when to look again."""
        if given.content is None:
            return WHEN_WOKEN
        resource = state.resource
        known = known_rollouts(resource.status())
        done = await self._restarter.restart(sync, resource, state.rollout, given.content, known)
        if done.entries:
            status = status_of_rollouts(done.entries, resource.status(), given)
            await self._reporter.write_status(resource, state.report, status)
        return done.again
