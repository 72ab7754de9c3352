"""Kill the operator at every write it makes, before and after the commit, and compare with undisturbed runs.

A run drives one workload in a namespace and subtree of its own. The trap in the journal kills the operator at write
`number`; a keeper starts it again at once. The series ends with the first number that no run reaches. What is compared
with the reference: every field of the end state (with a mask learnt from undisturbed runs) and how often each object
and znode was created and deleted.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.faults.proxies.journal import Journal, Phase, Trap, Write
from tests.support.machines.api_client import Recorder
from tests.support.machines.operator import OperatorProcess
from tests.support.models.end_states import Flat, Reference, births_and_deaths, flatten, renamed
from tests.support.models.zk_log import read_log
from tests.support.waiting import eventually
from tests.support.worlds.site import LEDGERS, Plot, Site

COLLECTIONS = (
    "core/configmaps",
    "core/persistentvolumeclaims",
    "core/pods",
    "core/secrets",
    "core/services",
    "apps/deployments",
    "apps/statefulsets",
    "policy/poddisruptionbudgets",
    "networking.k8s.io/networkpolicies",
    "custom/configsyncs",
    "custom/zookeeperclusters",
)
_PHASES = (Phase.BEFORE, Phase.AFTER)
QUIET_S = 2.5
"""Longer than any pause between two writes of one piece of work; exhaustive runs listen for `LONG_QUIET_S`."""
LONG_QUIET_S = 10.0


class Workload(Protocol):
    """What a run does. Both steps must hold whatever happens to the operator meanwhile."""

    @property
    def name(self) -> str: ...

    async def prepare(self, plot: Plot) -> None:
        """Make what is there before the operator starts."""

    async def drive(self, plot: Plot) -> None:
        """Edit, and wait for each result that a user would wait for."""


Surroundings = Callable[[Plot], contextlib.AbstractAsyncContextManager[object]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished run."""

    state: Flat
    counts: dict[str, tuple[int, int]]
    writes: tuple[Write, ...]
    sprung: Write | None
    starts: int
    took_s: float
    log: str


@dataclass
class Report:
    """A series of runs of one workload."""

    workload: str
    reference: Reference
    reference_writes: int
    runs: int = 0
    slowest_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.workload}: {self.runs} kills in {self.reference_writes} writes, slowest {self.slowest_s:.1f} s, "
            f"{len(self.problems)} problems"
        )


async def crash_everywhere(
    site: Site,
    workload: Workload,
    *,
    references: int = 3,
    numbers: Iterable[int] | None = None,
    ignoring: str = "",
    phases: Sequence[Phase] = _PHASES,
    quiet_s: float = QUIET_S,
    beside: Surroundings = contextlib.nullcontext,
) -> Report:
    """Run the workload undisturbed, then killed at each write.

    Args:
        site: Where it runs.
        workload: What is run.
        references: Undisturbed runs to learn the mask from.
        numbers: Writes to be killed at; None is every one until a run ends without a kill.
        ignoring: A pattern of paths that are not compared, beside the mask that is learnt.
        phases: Before the commit, after it, or both.
        quiet_s: For how long nothing may be written before a run counts as finished.
        beside: What runs on each plot beside the operator, and is never killed.
    """
    undisturbed = [await run_once(site, workload, quiet_s=quiet_s, beside=beside) for _ in range(references)]
    reference = Reference.learn([run.state for run in undisturbed], ignoring)
    allowed = [run.counts for run in undisturbed]
    report = Report(workload.name, reference, max(len(run.writes) for run in undisturbed))
    for run in undisturbed:
        report.problems += _complaints("undisturbed", run, reference, allowed, starts=1)
    for phase in phases:
        for number in numbers if numbers is not None else range(1, 1000):
            outcome = await run_once(site, workload, number, phase, quiet_s=quiet_s, beside=beside)
            if outcome.sprung is None:
                break
            report.runs += 1
            report.slowest_s = max(report.slowest_s, outcome.took_s)
            label = f"killed {phase} {outcome.sprung}"
            report.problems += _complaints(label, outcome, reference, allowed, starts=2)
    return report


def _complaints(
    label: str, run: Outcome, reference: Reference, allowed: list[dict[str, tuple[int, int]]], *, starts: int
) -> list[str]:
    found = [f"{label}: {difference}" for difference in reference.differences(run.state)]
    for name in sorted({name for counts in (*allowed, run.counts) for name in counts}):
        expected = {counts.get(name, (0, 0)) for counts in allowed}
        if run.counts.get(name, (0, 0)) not in expected:
            found.append(
                f"{label}: {name} was created and deleted {run.counts.get(name, (0, 0))} times, not {expected}"
            )
    if run.starts != starts:
        found.append(f"{label}: the operator was started {run.starts} times")
    if (trace := unexpected(run.log)) is not None:
        found.append(f"{label}: logged an unexpected error:\n{trace}")
    return found


def unexpected(log: str) -> str | None:
    """The first stack in a log: an error that nobody has classified."""
    found = re.search(r"unexpected error|Traceback", log)
    return log[found.start() :][:2000] if found else None


def unexpected_passes(metrics: str) -> float:
    """How many passes of all loops ended by an error that nobody has classified, in the words of `/metrics`."""
    counted = re.findall(r'^zkoperator_reconcile_total\{[^}]*outcome="unexpected"[^}]*\} (\S+)$', metrics, re.MULTILINE)
    return sum(map(float, counted))


async def run_once(
    site: Site,
    workload: Workload,
    number: int = 0,
    phase: Phase = Phase.BEFORE,
    *,
    quiet_s: float = QUIET_S,
    within_s: float = 300,
    beside: Surroundings = contextlib.nullcontext,
) -> Outcome:
    """One run, killed at write `number` (0: not at all)."""
    site.journal.start_over()
    began = time.monotonic()
    async with site.plot() as plot, _recorders(plot) as recorders, beside(plot):
        await workload.prepare(plot)
        operator = site.operator(plot.settings)
        if number:
            site.journal.set_trap(Trap(number, phase, operator.kill))
        async with kept(operator) as keeper:
            try:
                async with asyncio.timeout(within_s):
                    await workload.drive(plot)
                    await quiet(site, for_s=quiet_s)
            except (TimeoutError, AssertionError) as error:
                raise AssertionError(
                    f"{workload.name}, {phase} {site.journal.sprung}: {error!r}\n{operator.tail()}"
                ) from error
        took_s = time.monotonic() - began
        state = await end_state(plot)
        counts = _counts(recorders) | await znode_counts(plot)
        names = await _names(plot)
        return Outcome(
            state=state,
            counts={k: v for path, v in counts.items() for k in renamed({path: ""}, names)},
            writes=site.journal.writes,
            sprung=site.journal.sprung,
            starts=keeper.starts,
            took_s=took_s,
            log=operator.log.read_text(errors="replace"),
        )


class Journalled(Protocol):
    """What has a journal."""

    @property
    def journal(self) -> Journal: ...


async def quiet(site: Journalled, *, for_s: float = QUIET_S, within_s: float = 60) -> None:
    """Wait until no write, a posted Event included, has passed the proxies for `for_s` at a stretch."""
    began = time.monotonic()

    def silent() -> bool:
        times = [write.at_s for write in site.journal.everything if not write.target.startswith("leases/")]
        return time.monotonic() - max((began, *times)) >= for_s

    await eventually(silent, within_s=within_s + for_s)


@dataclass
class Keeper:
    """Starts the operator again whenever it has ended; `starts` counts."""

    starts: int = 1


@contextlib.asynccontextmanager
async def kept(operator: OperatorProcess, *, pause_s: float = 0.02) -> AsyncIterator[Keeper]:
    """Keep an operator running as a kubelet would, without its back-off."""
    keeper = Keeper()

    async def keep() -> None:
        while True:
            await asyncio.sleep(pause_s)
            if operator.exit_code is not None:
                keeper.starts += 1
                operator.start()

    with operator:
        task = asyncio.create_task(keep())
        try:
            yield keeper
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _recorders(plot: Plot) -> AsyncIterator[dict[str, Recorder]]:
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(Recorder(plot.site.kube, _path(plot, name))) for name in COLLECTIONS
        }


def _path(plot: Plot, collection: str) -> str:
    group, _, plural = collection.partition("/")
    groups = {"core": plot.core, "custom": plot.custom}
    return f"{groups.get(group, f'/apis/{group}/v1/namespaces/{plot.namespace}')}/{plural}"


async def end_state(plot: Plot) -> Flat:
    """Every field of every object of the namespace, and every znode of the subtree and its ledger.

    The status of built-in kinds is left out: it is the work of other controllers, and has a timing of its own.
    """
    state: dict[str, Any] = {}
    for collection in COLLECTIONS:
        for item in (await plot.site.kube.get(_path(plot, collection)))["items"]:
            kept_parts = item if collection.startswith("custom/") else {k: v for k, v in item.items() if k != "status"}
            state[f"{collection}/{item['metadata']['name']}"] = kept_parts
    own = (*await _uids(plot), plot.namespace)
    trees = await plot.tree(plot.root)
    for path, data in (await plot.tree(LEDGERS)).items():
        if any(name in path for name in own):
            trees[path] = data
    state["znodes"] = {path: (data or b"").decode(errors="replace") for path, data in trees.items()}
    return renamed(flatten(state), await _names(plot))


async def _uids(plot: Plot) -> dict[str, str]:
    found = {}
    for collection in COLLECTIONS:
        for item in (await plot.site.kube.get(_path(plot, collection)))["items"]:
            found[item["metadata"]["uid"]] = f"<uid of {item['metadata']['name']}>"
    return found


async def _names(plot: Plot) -> dict[str, str]:
    return await _uids(plot) | {plot.namespace: "<plot>"}


def _counts(recorders: dict[str, Recorder]) -> dict[str, tuple[int, int]]:
    changes = (
        (f"{collection}/{event['object']['metadata']['name']}", event["type"] != "DELETED")
        for collection, recorder in recorders.items()
        for event in recorder.events
    )
    return births_and_deaths(changes)


async def znode_counts(plot: Plot) -> dict[str, tuple[int, int]]:
    """How often each znode of the plot, its ledger included, was created and deleted."""
    own = (*await _uids(plot), plot.namespace)

    def ours(path: str) -> bool:
        below = path == plot.root or path.startswith(f"{plot.root}/")
        return below or (path.startswith(LEDGERS) and any(name in path for name in own))

    log = await asyncio.to_thread(read_log, plot.site.data_directory)
    return births_and_deaths(
        (path, data is not None) for transaction in log for path, data in transaction.changes if ours(path)
    )
