"""Has files rendered from snapshots, in other processes, and no pass wait for them. I/O.

A pass begins a rendering and ends. When the files are there, the next pass gets them together with the snapshot that
they were made from, also if the subtree has changed meanwhile: they are a state that really existed, and a tree that
changes all the time would never be written otherwise.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from zkoperator.api.reasons import SyncReason
from zkoperator.mirror.model.meter import Meter
from zkoperator.mirror.model.template import FileTemplates, Rendering, fingerprint
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.both_sides import BothSides
from zkoperator.mirror.observe.rendering_state import Made, RenderingState
from zkoperator.mirror.observe.subtree import Subtree
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain
from zkoperator.templates.port import Answer, Cause, Failure, Job, Pace, Renderer
from zkoperator.zk.snapshot import Snapshot, Znode

INPUT_BYTES: Final = 4 * 1024 * 1024
"""Most bytes of values that a template sees."""
_KEEPS: Final = "nothing is written until it renders; what was rendered last stays"


class Renderings:
    """The renderings of all ConfigSyncs of a process.

    Args:
        renderer: renders one job.
        settings: how long a template that has reached a limit waits.
        clock: monotonic time.
        meter: counts renderings.
    """

    def __init__(self, renderer: Renderer, settings: MirrorSettings, clock: Clock, meter: Meter) -> None:
        self._renderer = renderer
        self._settings = settings
        self._clock = clock
        self._meter = meter

    async def current(
        self,
        sync: ValidatedSync,
        templates: FileTemplates,
        sides: BothSides,
        subtree: Subtree,
        snapshot: Snapshot,
        least_zxid: int,
        wake: Callable[[], None],
    ) -> Rendering | Waiting:
        """Return files with the snapshot that they are made from, or what they wait for.

        `least_zxid`: an older state is of no use. `wake` is called when the files are there.
        """
        state = sides.rendering = sides.rendering or RenderingState()
        state.begin(templates.digest)
        if state.source != (id(subtree), subtree.losses):
            state.give_up()
            state.source = id(subtree), subtree.losses
        inputs = templates.inputs(snapshot)
        asked = fingerprint(templates, inputs)
        made = state.made
        if made is not None and made.fingerprint == asked:
            # The files are those of the present state, too; an older one would keep its values in memory.
            made = state.made = replace(made, rendering=Rendering(snapshot, inputs, made.rendering.files))
            state.is_news = False
            if not self._is_due_again(state, made):
                return _answer(made, self._again(state))
        if _may_begin(state) and self._clock.now_s() >= state.not_before_s:
            values = await _values(state, subtree, inputs)
            if values is None:
                return Waiting(SyncReason.SYNCING, "reading the values of the templates", silent=True)
            begun = Made(asked, Rendering(snapshot, inputs, {}))
            work = self._render(state, templates, begun, values, wake)
            state.task = asyncio.get_running_loop().create_task(work, name=f"rendering {sync.namespace}/{sync.name}")
            state.task.add_done_callback(partial(_ended, wake))
        if made is not None and state.is_news and made.rendering.snapshot.zxid >= least_zxid:
            state.is_news = False
            return _answer(made, self._again(state))
        if made is not None and made.failure is not None:
            return _failed(made.failure, self._again(state))
        return Waiting(SyncReason.SYNCING, "rendering the templates", self._again(state), silent=True)

    def _is_due_again(self, state: RenderingState, made: Made) -> bool:
        """Whether to try the same again: a machine that was too busy may have been the reason."""
        is_doubtful = made.failure is not None and made.failure.cause in (Cause.TIME, Cause.LOST)
        return is_doubtful and state.task is None and self._clock.now_s() >= state.not_before_s

    def _again(self, state: RenderingState) -> LookAgain:
        wait_s = state.not_before_s - self._clock.now_s()
        return LookAgain(wait_s) if wait_s > 0 else WHEN_WOKEN

    async def _render(
        self,
        state: RenderingState,
        templates: FileTemplates,
        begun: Made,
        values: Mapping[str, bytes],
        wake: Callable[[], None],
    ) -> None:
        answer, pace = await self._answer(Job(templates.files, values), state.pace)
        self._meter.rendered(answer.cause if isinstance(answer, Failure) else "rendered")
        state.task, state.is_news, state.pace = None, True, pace
        if isinstance(answer, Failure):
            state.made = replace(begun, failure=answer)
            self._note_overrun(state, answer)
        else:
            state.made = replace(begun, rendering=replace(begun.rendering, files=answer.files))
            state.overruns, state.not_before_s = 0, float("-inf")
        wake()

    async def _answer(self, job: Job, pace: Pace) -> tuple[Answer, Pace]:
        size = sum(map(len, job.values.values()))
        if size <= INPUT_BYTES:
            return await self._renderer.render(job, pace)
        too_large = f"the selected znodes have {size} bytes, and templates get {INPUT_BYTES}; narrow spec.keys"
        return Failure(Cause.TEMPLATE, too_large), pace

    def _note_overrun(self, state: RenderingState, failure: Failure) -> None:
        """Have a template that reaches its limits rendered ever less often, so that it costs the others little."""
        if failure.cause is Cause.TEMPLATE:
            state.overruns, state.not_before_s = 0, float("-inf")
            return
        wait_s = min(self._settings.retry_s * 2.0 ** min(state.overruns, 10), self._settings.reread_s)
        state.overruns += 1
        state.not_before_s = self._clock.now_s() + wait_s


async def _values(state: RenderingState, subtree: Subtree, inputs: Mapping[str, Znode]) -> dict[str, bytes] | None:
    """Return the values of all inputs; None while they are not known, until the subtree has changed."""
    found = {path: data for path, znode in inputs.items() if (data := _known(state, path, znode)) is not None}
    unknown = [path for path in inputs if path not in found]
    if unknown:
        snapshot = subtree.snapshot() if await subtree.recall(unknown) else None
        for path in unknown:
            znode = snapshot.nodes.get(path) if snapshot is not None else None
            if znode is None or znode.data is None or znode.digest != inputs[path].digest:
                return None
            found[path] = znode.data
    state.values = {path: (inputs[path].digest, found[path]) for path in inputs}
    return found


def _known(state: RenderingState, path: str, znode: Znode) -> bytes | None:
    if znode.data is not None:
        return znode.data
    digest, data = state.values.get(path, (b"", b""))
    return data if digest == znode.digest else None


def _may_begin(state: RenderingState) -> bool:
    """Whether no rendering is under way. One that has ended with an unexpected error raises it here."""
    if state.task is not None and state.task.done():
        task, state.task = state.task, None
        task.result()
    return state.task is None


def _ended(wake: Callable[[], None], task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        wake()


def _answer(made: Made, again: LookAgain) -> Rendering | Waiting:
    return made.rendering if made.failure is None else _failed(made.failure, again)


def _failed(failure: Failure, again: LookAgain) -> Waiting:
    where = f"spec.template.data[{failure.file}]" if failure.file else "spec.template"
    line = f" line {failure.line}" if failure.line > 0 else ""
    return Waiting(SyncReason.TEMPLATE_FAILED, f"{where}{line}: {failure.message}; {_KEEPS}", again)
