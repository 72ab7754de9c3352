"""The state that a process keeps of one cluster between passes. Its loss costs reads only; decisions are in status."""

from dataclasses import dataclass, field

from zkoperator.ensemble.apply.repair_limit import RepairCounts
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.observer import ObserverState
from zkoperator.ensemble.plan.plan import Plan
from zkoperator.ensemble.status.reporter import ReportState
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class Rest:
    """The last look at a cluster with nothing to do: what was seen, and the plan that followed from it."""

    raw: Manifest
    cluster: ValidatedCluster
    observed: Observed
    plan: Plan


@dataclass(slots=True)
class ClusterState:
    """The state of one key; each part belongs to one stage of a pass."""

    is_settled: bool = False
    """Whether the last plan had nothing to do; the cluster is then read from the store of the informers."""
    rest: Rest | None = None
    """The last look, which need not be computed again while nothing has changed; None if the last plan had steps."""
    conflicts: int = 0
    """Passes in a row that ended with a conflict."""
    budget_spent_at_s: float | None = None
    """When the disruption budget refused the first of a row of evictions, None while it refuses none."""
    observer: ObserverState = field(default_factory=ObserverState)
    """What the observer remembers between observations."""
    repairs: RepairCounts = field(default_factory=RepairCounts)
    """How often each child was repaired."""
    report: ReportState = field(default_factory=ReportState)
    """When the status was written last."""

    def budget_waited_s(self, now_s: float) -> float:
        """Return for how long evictions have been refused, the one at this moment included."""
        if self.budget_spent_at_s is None:
            self.budget_spent_at_s = now_s
        return now_s - self.budget_spent_at_s
