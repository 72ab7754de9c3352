"""What is counted of schedules. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from zkoperator.controller.meter import StatusMeter
from zkoperator.runtime.keys import Key


@dataclass(frozen=True, slots=True)
class Times:
    """How far the backups of one schedule have got.

    Args:
        success, verified: of the newest such backup; before the first one, when the schedule was made.
        interval_s: seconds from the last run to the next one.
    """

    success: datetime
    verified: datetime
    interval_s: float


class Meter(StatusMeter):
    """Counts ZooKeeperBackupSchedules; this class counts nothing, and metrics override it."""

    def timed(self, key: Key, times: Times | None) -> None:
        """A schedule has got so far; None: it is suspended, so that nothing is due."""


UNMETERED: Final = Meter()
