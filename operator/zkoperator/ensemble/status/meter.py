"""What the ensembles' passes count of their work. Pure."""

from enum import StrEnum
from typing import Final

from zkoperator.controller.meter import StatusMeter
from zkoperator.ensemble.plan.gate import Verdict
from zkoperator.runtime.keys import Key


class Cause(StrEnum):
    """Why a change waits, as the bounded set of values of a metric; the condition has the numbers."""

    LEADER = "leader"
    """Not exactly one member reports that it leads, or the leader does not report the committed configuration."""
    VOTERS = "voters"
    """Voters that are needed do not serve, or are being stopped."""
    CONFIGURATION = "configuration"
    """Voters act on different configurations."""
    SYNC = "sync"
    """Followers are not in sync, or the leader does not report how many are."""
    OTHER = "other"
    """The gate is open; something else blocks the change."""


class Meter(StatusMeter):
    """Counts the work on clusters; this class counts nothing, and metrics override it."""

    def stepped(self, step: str, result: str, duration_s: float) -> None:
        """One step of a plan was tried; `step` is the name of its class."""

    def blocked(self, key: Key, cause: Cause | None) -> None:
        """The next change of this cluster waits for this cause; None when it does not wait."""


UNMETERED: Final = Meter()


def cause_of(verdict: Verdict) -> Cause:
    """Return what closes the gate, by the numbers of its verdict."""
    if verdict.open:
        return Cause.OTHER
    if verdict.leaders != 1 or not verdict.versions:
        return Cause.LEADER
    if verdict.serving < verdict.needed:
        return Cause.VOTERS
    if len(verdict.versions) > 1:
        return Cause.CONFIGURATION
    return Cause.SYNC if verdict.synced != verdict.followers else Cause.VOTERS
