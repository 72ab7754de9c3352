"""What a plan becomes when one of its steps was refused. Pure."""

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.plan.plan import BLOCKED_S, Plan
from zkoperator.errors import ForbiddenError, InvalidError, UnsafeError, ZkOperatorError

_REFUSED_S = 10.0
"""Seconds between attempts at what only a person can change."""


class ForeignObjectError(UnsafeError):
    """An object with one of our names belongs to somebody else; it is never taken over."""


def plan_after_refusal(plan: Plan, error: ZkOperatorError) -> Plan:
    """Return the plan to report instead: nothing is done, and the error says why."""
    match error:
        case ForeignObjectError():
            return Plan((), ClusterReason.FOREIGN_OBJECT, str(error), BLOCKED_S)
        case ForbiddenError():
            return Plan((), ClusterReason.FORBIDDEN, f"{plan.message}: {error}", _REFUSED_S)
        case InvalidError():
            return Plan((), ClusterReason.INVALID_SPEC, f"{plan.message}: {error}", _REFUSED_S)
        case _:
            return Plan((), ClusterReason.BLOCKED, f"{plan.message}: {error}", BLOCKED_S)
