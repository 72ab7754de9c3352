"""Work that a ConfigSync still has: refused and held keys, and pushes that failed or were split. Pure."""

from dataclasses import dataclass, field

from zkoperator.mirror.model.debounce import Burst
from zkoperator.mirror.model.deletions import DeletionLog
from zkoperator.mirror.model.flapping import FlapLog
from zkoperator.mirror.model.skipped_keys import SkippedKeys


@dataclass(slots=True)
class Backlog:
    """The applier adds to it, the reconciler notes what was carried out, and the observer shows it to the planner."""

    burst: Burst
    """When the next change of the subtree is written to the ConfigMap."""
    flaps: FlapLog
    """Recent writes by key, and the keys that are held for flapping."""
    restored: FlapLog
    """The same for labels and annotations of the ConfigMap that were put back."""
    deletions: DeletionLog
    """The keys that were deleted lately, and those whose deletion waits a moment."""
    refused: SkippedKeys = field(default_factory=SkippedKeys)
    """Keys that the ensemble did not let the operator write."""
    unfit: SkippedKeys = field(default_factory=SkippedKeys)
    """Keys that the API server did not accept."""
    kept: SkippedKeys = field(default_factory=SkippedKeys)
    """Parents that the ensemble did not let the operator delete with their last child."""
    push_failures: int = 0
    """Large pushes in a row whose connection was lost or that were refused for their size."""
    parts: int = 0
    """Transactions that the last push was split into; 0 when one was enough."""
    is_splitting: bool = False
    """Some of these transactions are still to come."""

    def next_release_s(self, now_s: float) -> float | None:
        """Return the seconds until something that is held for flapping is released, None while nothing is."""
        times = [log.next_release_s(now_s) for log in (self.flaps, self.restored)]
        return min((time_s for time_s in times if time_s is not None), default=None)

    def forget_refusals(self) -> None:
        """Try all keys again, as a new session may have another identity."""
        self.push_failures = 0
        for refusals in (self.refused, self.unfit, self.kept):
            refusals.clear()
