"""What the mirror counts of its work. Pure."""

from typing import Final

from zkoperator.controller.meter import StatusMeter
from zkoperator.runtime.outcome import Outcome

PULL: Final = "pull"
"""From the subtree to the ConfigMap."""
PUSH: Final = "push"
"""From the ConfigMap to the subtree."""


class Meter(StatusMeter):
    """Counts the work on ConfigSyncs; this class counts nothing, and metrics override it."""

    def wrote(self, direction: str, result: Outcome) -> None:
        """One write to one side has ended with this result."""

    def landed(self, direction: str, duration_s: float) -> None:
        """A change was written to the other side this many seconds after the operator was notified."""

    def heard(self) -> None:
        """One notification of a watched subtree has arrived."""

    def read(self, reason: str, duration_s: float) -> None:
        """A whole subtree was read: at the `start` of following it, or after a `reconnect`."""

    def reread(self) -> None:
        """The connection was lost while a whole subtree was being read, and the read begins again."""

    def flapped(self, keys: int) -> None:
        """This many keys are held from now on, because both sides keep reverting one another."""

    def rendered(self, result: str) -> None:
        """One rendering of templates has ended: `rendered`, or with the cause of its failure."""

    def idled(self) -> None:
        """A pass found nothing to write."""

    def requested(self, what: str) -> None:
        """One write to the Kubernetes API: of a `configmap`, `secret`, `status`, `event` or `workload`."""


UNMETERED: Final = Meter()
