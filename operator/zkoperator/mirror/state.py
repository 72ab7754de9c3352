"""Everything that a process keeps of one ConfigSync between passes. Losing it costs reads and nothing else."""

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
    """The state of one key; each part belongs to one stage of a pass."""

    sides: BothSides
    """Both sides as observed and written."""
    resource: ResourceState = field(default_factory=ResourceState)
    """The custom resource as read."""
    edits: LatencyClock = field(default_factory=LatencyClock)
    """How long changes of the ConfigMap have waited to be pushed."""
    rollout: RolloutState = field(default_factory=RolloutState)
    """The workloads that are restarted with the content."""
    report: ReportState = field(default_factory=ReportState)
    """What the status does not say yet."""


def new_state(settings: MirrorSettings) -> SyncState:
    """Return the state of a key that no pass has looked at yet."""
    backlog = Backlog(
        burst=Burst(settings.quiet_s, settings.longest_burst_s),
        flaps=FlapLog(settings.flap_window_s, settings.flap_reverts, settings.flap_hold_s),
        deletions=DeletionLog(settings.deletion_window_s, settings.deletion_quiet_s, settings.longest_deletion_s),
    )
    return SyncState(BothSides(backlog))
