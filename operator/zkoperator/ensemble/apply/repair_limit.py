"""Repairs that somebody undoes each time, as an admission webhook may: they are told, and no more made at once.

Two who both insist would write without end, and the API server and etcd would pay for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.plan.steps import ApplyChild, Step
from zkoperator.errors import UnsafeError
from zkoperator.kube.port import Manifest
from zkoperator.runtime.keys import Key

_AT_ONCE = 10
_PAUSE_S = 60.0
_FORGOTTEN_S = 600.0


@dataclass(slots=True)
class _Row:
    """Repairs of one child for one generation of the cluster, none of them longer than `_FORGOTTEN_S` after another."""

    generation: int
    last_s: float
    count: int = 0


class Repairs:
    """Counts the repairs of each cluster's children.

    Args:
        now_s: monotonic time.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._rows: dict[Key, dict[Child, _Row]] = {}

    def forget(self, key: Key) -> None:
        """Drop what is kept of a cluster that is gone."""
        self._rows.pop(key, None)

    def check(self, key: Key, generation: int, step: Step) -> None:
        """Let a step pass unless it is the next of very many repairs of one child.

        Raises:
            UnsafeError: the last of them was made a moment ago.
        """
        if not isinstance(step, ApplyChild) or not step.uid:
            return
        row = self._row(key, generation, step.child)
        if row.count >= _AT_ONCE and self._now_s() - row.last_s < _PAUSE_S:
            raise UnsafeError(_told(step.manifest, row.count))

    def made(self, key: Key, generation: int, step: Step) -> None:
        """Note a step that was carried out."""
        if isinstance(step, ApplyChild) and step.uid:
            row = self._row(key, generation, step.child)
            row.count += 1
            row.last_s = self._now_s()

    def _row(self, key: Key, generation: int, child: Child) -> _Row:
        rows, now_s = self._rows.setdefault(key, {}), self._now_s()
        row = rows.get(child)
        if row is None or row.generation != generation or now_s - row.last_s > _FORGOTTEN_S:
            row = rows[child] = _Row(generation, now_s)
        return row


def _told(manifest: Manifest, count: int) -> str:
    what = f"{manifest['kind'].lower()} {manifest['metadata']['name']}"
    return (
        f"{what} was put right {count} times and is changed again each time; find out who does that "
        f"(kubectl get {what} -o yaml --show-managed-fields, and admission webhooks)"
    )
