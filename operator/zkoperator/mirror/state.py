"""Everything that a process remembers about one ConfigSync between passes. Its loss costs only reads."""

from dataclasses import dataclass, field

from zkoperator.mirror.model.backlog import Backlog
from zkoperator.mirror.model.debounce import Burst
from zkoperator.mirror.model.deletions import DeletionLog
from zkoperator.mirror.model.flapping import FlapLog
from zkoperator.mirror.model.latency import LatencyClock
from zkoperator.mirror.model.rollout import RolloutState
from zkoperator.mirror.observe.both_sides import BothSides
from zkoperator.mirror.observe.resource import ResourceState
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.status.reporter import ReportState


@dataclass(slots=True)
class SyncState:
    """The state of one key. Each part belongs to one stage of a pass."""

    sides: BothSides
    """Both sides, as observed and written."""
    resource: ResourceState = field(default_factory=ResourceState)
    """The ConfigSync, as read."""
    edits: LatencyClock = field(default_factory=LatencyClock)
    """How long changes of the ConfigMap have waited for a push."""
    rollout: RolloutState = field(default_factory=RolloutState)
    """The restarts of workloads."""
    report: ReportState = field(default_factory=ReportState)
    """What the status does not show yet."""


def new_state(settings: MirrorSettings) -> SyncState:
    """Return the state of a key before its first pass."""
    backlog = Backlog(
        burst=Burst(settings.quiet_s, settings.longest_burst_s),
        flaps=FlapLog(settings.flap_window_s, settings.flap_reverts, settings.flap_hold_s),
        restored=FlapLog(settings.flap_window_s, settings.flap_reverts, settings.flap_hold_s),
        deletions=DeletionLog(settings.deletion_window_s, settings.deletion_quiet_s, settings.longest_deletion_s),
    )
    return SyncState(BothSides(backlog))
