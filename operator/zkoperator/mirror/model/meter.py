"""What the mirror tells of its work while it works; whoever counts it is passed in. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import Outcome

PULL: Final = "pull"
"""From the subtree to the ConfigMap."""
PUSH: Final = "push"
"""From the ConfigMap to the subtree."""


class Meter(Protocol):
    """Counts. Nothing here may raise, wait, or keep a value of a znode or ConfigMap."""

    def told(self, key: Key, status: Mapping[str, Any]) -> None:
        """The status of a ConfigSync, as it is now known."""

    def forgot(self, key: Key) -> None:
        """A ConfigSync is gone."""

    def wrote(self, direction: str, result: Outcome) -> None:
        """One write to one side, and what became of it."""

    def landed(self, direction: str, duration_s: float) -> None:
        """A change was written to the other side, so long after the operator heard of it."""

    def heard(self) -> None:
        """One notification of a watched subtree."""

    def read(self, reason: str, duration_s: float) -> None:
        """A whole subtree was read: at the `start` of following it, or after a `reconnect`."""

    def reread(self) -> None:
        """The connection was lost while a whole subtree was being read: that has to be begun again."""

    def flapped(self, keys: int) -> None:
        """So many keys are held from now on, as both sides keep reverting one another."""

    def idled(self) -> None:
        """A pass found nothing to write."""

    def requested(self, what: str) -> None:
        """One write to the Kubernetes API: of a `configmap`, `status`, `event` or `workload`."""


class Unmetered:
    """The Meter of those who do not count."""

    def told(self, key: Key, status: Mapping[str, Any]) -> None:
        """Do nothing."""

    def forgot(self, key: Key) -> None:
        """Do nothing."""

    def wrote(self, direction: str, result: Outcome) -> None:
        """Do nothing."""

    def landed(self, direction: str, duration_s: float) -> None:
        """Do nothing."""

    def heard(self) -> None:
        """Do nothing."""

    def read(self, reason: str, duration_s: float) -> None:
        """Do nothing."""

    def reread(self) -> None:
        """Do nothing."""

    def flapped(self, keys: int) -> None:
        """Do nothing."""

    def idled(self) -> None:
        """Do nothing."""

    def requested(self, what: str) -> None:
        """Do nothing."""


UNMETERED: Final[Meter] = Unmetered()
