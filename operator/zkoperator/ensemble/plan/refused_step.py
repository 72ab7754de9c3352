"""The plan to report after one of its steps was refused. Pure."""

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import selector_text
from zkoperator.ensemble.observe.downtime import RETURN_S
from zkoperator.ensemble.plan.claim_changes import describe_change, refused_message, wish_of
from zkoperator.ensemble.plan.external_access import refusal_message
from zkoperator.ensemble.plan.plan import BLOCKED_S, SOON_S, Plan
from zkoperator.ensemble.plan.steps import ApplyChild, ExpandClaim, ModifyClaim, RemoveChild, Step
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ForbiddenError, InvalidError, TransientError, UnsafeError, ZkOperatorError
from zkoperator.kube.port import BudgetSpentError

BUDGET_S = 0.5
"""Seconds between attempts at an eviction. The kubelet and the disruption controller need as long to see a ready
member."""

_REFUSED_S = 10.0
"""Seconds between attempts at what only a person can change."""


class ForeignObjectError(UnsafeError):
    """An object with the name of a child belongs to somebody else. The operator never adopts it."""


class ClaimRefusedError(UnsafeError):
    """The API server does not let a claim ask for more: its class cannot have it, or a quota does not allow it.

    Attributes:
        uid: that of the claim.
        wish: the size or the VolumeAttributesClass that was asked for.
        doing: what the change is part of.
    """

    def __init__(self, change: ExpandClaim | ModifyClaim, why: str) -> None:
        super().__init__(refused_message(change, why))
        self.uid = change.claim.uid
        self.wish = wish_of(change)
        self.doing = describe_change(change)


def waiting_for_budget(cluster: ValidatedCluster, plan: Plan, error: BudgetSpentError, waited_s: float) -> Plan:
    """Return the plan to report while the disruption budget refuses an eviction.

    The operator did not cause the absences.
    """
    message = f"{plan.message}: waiting for the disruption budget: {error}"
    if waited_s < RETURN_S:
        return Plan((), plan.reason, message, BUDGET_S)
    pods = f"kubectl get pods -l {selector_text(cluster.names.selector)}"
    advice = f"kubectl get pdb {cluster.names.disruption_budget} has the numbers, {pods} who is away"
    return Plan((), ClusterReason.BLOCKED, f"{message}; {advice}", BLOCKED_S)


def refused_child(step: Step | None, error: ZkOperatorError) -> Child | None:
    """Return the child of the step if no member needs it and it was refused, None for all other failures."""
    if isinstance(error, TransientError) or not isinstance(step, ApplyChild | RemoveChild):
        return None
    return step.child if step.child.is_optional else None


def plan_after_refused_child(plan: Plan, error: ZkOperatorError) -> Plan:
    """Return a plan that has the error, after which the next pass finds it noted and goes on with all else."""
    return Plan((), ClusterReason.BLOCKED, f"{plan.message}: {refusal_message(str(error))}", SOON_S)


def plan_after_refusal(plan: Plan, error: ZkOperatorError) -> Plan:
    """Return a plan without steps whose message has the error."""
    match error:
        case ForeignObjectError():
            return Plan((), ClusterReason.FOREIGN_OBJECT, str(error), BLOCKED_S)
        case ClaimRefusedError():
            # The next pass finds it noted, says the same and goes on with what else is to be done.
            return Plan((), ClusterReason.BLOCKED, f"{error.doing}: {error}", SOON_S)
        case ForbiddenError():
            return Plan((), ClusterReason.FORBIDDEN, f"{plan.message}: {error}", _REFUSED_S)
        case InvalidError():
            return Plan((), ClusterReason.INVALID_SPEC, f"{plan.message}: {error}", _REFUSED_S)
        case _:
            return Plan((), ClusterReason.BLOCKED, f"{plan.message}: {error}", BLOCKED_S)
