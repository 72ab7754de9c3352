"""What one pass decides. Pure."""

from dataclasses import dataclass
from typing import Final

from zkoperator.api.reasons import ZNodeReason
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.plan.steps import Step

WAIT_S: Final = 10.0
"""When to look again at a cause that no event announces."""


@dataclass(frozen=True, slots=True)
class Plan:
    """At most one step, what to report, and when to look again. No report leaves the status as it is.

    Args:
        step: what is written.
        report: where the ZNode stands, if that is worth a status.
        left: why znodes stay that were to be deleted, "" when none do.
        look_again_s: seconds to the next pass.
    """

    step: Step | None = None
    report: Waiting | None = None
    left: str = ""
    look_again_s: float = 0.0


def wait(waiting: Waiting) -> Plan:
    """Return the plan to say what is missing, and to look again later."""
    return Plan(report=waiting, look_again_s=WAIT_S)


def creating(step: Step) -> Plan:
    """Return the plan to write, and to look at once what became of it."""
    return Plan(step, Waiting(ZNodeReason.CREATING, "the znode, its ACL and its quota are being put in place"))
