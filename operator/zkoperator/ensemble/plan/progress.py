"""What a recovery or a restore does next. Pure."""

from dataclasses import dataclass

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.plan.steps import Step

_SOON_S = 0.25


@dataclass(frozen=True, slots=True)
class Recovery:
    """The next part of it.

    `begun`: it is recorded, or about to be, and nothing else is done. `reason` and `message` are those of the condition
    Progressing.
    """

    message: str
    steps: tuple[Step, ...] = ()
    reason: ClusterReason = ClusterReason.RECOVERING
    begun: bool = True
    look_again_s: float = _SOON_S
