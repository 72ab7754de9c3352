"""What the ensembles' passes tell of their work; whoever counts it is passed in. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

from zkoperator.ensemble.plan.gate import Verdict
from zkoperator.runtime.keys import Key


class Cause(StrEnum):
    """Why a change waits, in the bounded words of a metric; the condition has the numbers."""

    LEADER = "leader"
    """Not exactly one member says that it leads, or it does not tell the committed configuration."""
    VOTERS = "voters"
    """Voters that are needed do not serve, or are being stopped."""
    CONFIGURATION = "configuration"
    """Voters act on different configurations."""
    SYNC = "sync"
    """Followers are not in sync, or the leader does not tell."""
    OTHER = "other"
    """The gate would let it pass: something else is in the way."""


class Meter(Protocol):
    """Counts. Nothing here may raise or wait."""

    def told(self, key: Key, status: Mapping[str, Any]) -> None:
        """The status of a cluster, as it is now known."""

    def forgot(self, key: Key) -> None:
        """A cluster is gone."""

    def stepped(self, step: str, result: str, duration_s: float) -> None:
        """One step of a plan was tried; `step` is the name of its kind."""

    def blocked(self, key: Key, cause: Cause | None) -> None:
        """What the next change of this cluster waits for; None when it waits for nothing."""


class Unmetered:
    """The Meter of those who do not count."""

    def told(self, key: Key, status: Mapping[str, Any]) -> None:
        """Do nothing."""

    def forgot(self, key: Key) -> None:
        """Do nothing."""

    def stepped(self, step: str, result: str, duration_s: float) -> None:
        """Do nothing."""

    def blocked(self, key: Key, cause: Cause | None) -> None:
        """Do nothing."""


UNMETERED: Final[Meter] = Unmetered()


def cause_of(verdict: Verdict) -> Cause:
    """Return what in the gate's answer is in the way, by its numbers."""
    if verdict.open:
        return Cause.OTHER
    if verdict.leaders != 1 or not verdict.versions:
        return Cause.LEADER
    if verdict.serving < verdict.needed:
        return Cause.VOTERS
    if len(verdict.versions) > 1:
        return Cause.CONFIGURATION
    return Cause.SYNC if verdict.synced != verdict.followers else Cause.VOTERS
