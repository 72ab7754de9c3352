"""Limits the repairs of a child that somebody else changes back each time, as an admission webhook may.

Without a limit both would write without end, at the expense of the API server and etcd.
"""

from dataclasses import dataclass

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.plan.steps import ApplyChild, LabelPod, Step
from zkoperator.errors import UnsafeError

_UNLIMITED = 10
"""Repairs that follow one another without a pause."""
_PAUSE_S = 60.0
_FORGOTTEN_S = 600.0
"""Seconds without a repair after which counting starts again."""


@dataclass(slots=True)
class _Count:
    """Repairs of one child for one generation of the cluster."""

    generation: int
    last_s: float
    repairs: int = 0


class RepairCounts:
    """Counts the repairs of one cluster's children. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._counts: dict[Child | str, _Count] = {}

    def check(self, generation: int, step: Step, now_s: float) -> None:
        """Let the step pass, unless it repairs a child that was repaired too often.

        Raises:
            UnsafeError: the pause since the last repair is not over.
        """
        subject = _subject(step)
        if subject is None:
            return
        count = self._count(generation, subject, now_s)
        if count.repairs >= _UNLIMITED and now_s - count.last_s < _PAUSE_S:
            raise UnsafeError(_message(_title(step), count.repairs))

    def record(self, generation: int, step: Step, now_s: float) -> None:
        """Count a step that was carried out, if it is a repair."""
        subject = _subject(step)
        if subject is not None:
            count = self._count(generation, subject, now_s)
            count.repairs += 1
            count.last_s = now_s

    def _count(self, generation: int, child: Child | str, now_s: float) -> _Count:
        count = self._counts.get(child)
        if count is None or count.generation != generation or now_s - count.last_s > _FORGOTTEN_S:
            count = self._counts[child] = _Count(generation, now_s)
        return count


def _subject(step: Step) -> Child | str | None:
    """Return what the step repairs, None when it is no repair."""
    match step:
        case ApplyChild(child, _, uid) if uid:
            return child
        case LabelPod(name):
            return name
        case _:
            return None


def _title(step: Step) -> str:
    if isinstance(step, ApplyChild):
        return f"{step.manifest['kind'].lower()} {step.manifest['metadata']['name']}"
    return f"pod {step.name}" if isinstance(step, LabelPod) else ""


def _message(what: str, repairs: int) -> str:
    return (
        f"{what} was put right {repairs} times and is changed again each time; find out who does that "
        f"(kubectl get {what} -o yaml --show-managed-fields, and admission webhooks)"
    )
