"""A proposal of one part of the planner: a disruptive step, or what it waits for. Pure."""

from dataclasses import dataclass

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.plan.steps import Disruption, LeavePods, RecordReplacement


@dataclass(frozen=True, slots=True)
class Proposal:
    """At most one step that is carried out alone, and its reason.

    `reason` and `message` are those of the condition Progressing. `blocked` says, with numbers, what prevents the step;
    it is empty when the step may be taken or the proposal only waits.
    """

    reason: ClusterReason
    message: str
    step: Disruption | LeavePods | RecordReplacement | None = None
    blocked: str = ""
