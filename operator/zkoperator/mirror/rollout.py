"""The last part of a pass: what workloads are to run with, their restarts, and what the status says of both. I/O."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zkoperator.mirror.apply.rollout import Restarter
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.status.reporter import Reporter, written_status
from zkoperator.mirror.status.rollouts import content_now, known_rollouts
from zkoperator.mirror.status.status import Told, status_of_rollouts
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock


class Rollouts:
    """The workloads of all ConfigSyncs of a process."""

    def __init__(self, restarter: Restarter, reporter: Reporter, clock: Clock) -> None:
        self._restarter = restarter
        self._reporter = reporter
        self._clock = clock

    def with_content(
        self, told: Told, plan: Plan, sync: ValidatedSync, memory: Memory, manifest: Mapping[str, Any] | None
    ) -> Told:
        """Add what the workloads are to run with; while nothing is synchronised, that stays as it was."""
        previous = written_status(memory).content
        if plan.stop is not None or manifest is None:
            return replace(told, content=previous)
        state, content = memory.rollout, memory.target.content(manifest)
        state.see(content, sync.selection, sync.generation, self._clock.now_s())
        now = content_now(previous, state.content, state.former, manifest, told.now)
        return replace(told, content=now, former=state.former)

    async def carry_out(self, sync: ValidatedSync, memory: Memory, told: Told) -> float | None:
        """Restart what has to be restarted and report it; return when to look again."""
        if told.content is None:
            return None
        done = await self._restarter.restart(sync, memory, told.content, known_rollouts(written_status(memory)))
        if done.entries:
            status = status_of_rollouts(done.entries, written_status(memory), told)
            await self._reporter.write_status(memory, status)
        return done.again_s
