"""Why a pass cannot plan. Pure."""

from dataclasses import dataclass

from zkoperator.api.reasons import SyncReason
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something is unknown, so that nothing is written or deleted.

    Args:
        reason, message: for the condition Ready.
        again: when to look again.
        connected: whether the ensemble answers; None: unknown, the condition stays as it is.
        silent: likely to end soon, so that the status stays as it is.
    """

    reason: SyncReason
    message: str
    again: LookAgain = WHEN_WOKEN
    connected: bool | None = None
    silent: bool = False
