"""A pass that has nothing to plan from, and why. Pure."""

from dataclasses import dataclass

from zkoperator.api.reasons import SyncReason


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something is not known (yet). Nothing is written, nothing is deleted.

    Args:
        reason, message: for the condition Ready.
        again_s: seconds after which to look again; None: an event will wake us.
        connected: whether the ensemble answers; None: as told before.
        silent: too short-lived to be told: what was told last stays.
    """

    reason: SyncReason
    message: str
    again_s: float | None = None
    connected: bool | None = None
    silent: bool = False
