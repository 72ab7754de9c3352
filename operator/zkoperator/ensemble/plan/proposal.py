"""What one concern wants done next, or what it waits for."""

from dataclasses import dataclass

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.plan.steps import Disruption


@dataclass(frozen=True, slots=True)
class Proposal:
    """At most one disruption, and why.

    `reason` and `message` are the words of the condition Progressing; `blocked` says what stands in the way of the
    step, with its number, and is empty while the step may be taken or something is merely awaited.
    """

    reason: ClusterReason
    message: str
    step: Disruption | None = None
    blocked: str = ""
