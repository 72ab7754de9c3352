"""What is counted of backups. Pure."""

from typing import Final

from zkoperator.backup.order import Facts
from zkoperator.controller.meter import StatusMeter


class Meter(StatusMeter):
    """Counts the work on ZooKeeperBackups; this class counts nothing, and metrics override it."""

    def completed(self, facts: Facts) -> None:
        """A backup was stored."""

    def failed(self, reason: str) -> None:
        """A Job has failed for this reason."""


UNMETERED: Final = Meter()
