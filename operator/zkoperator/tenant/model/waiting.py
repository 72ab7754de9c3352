"""Why a ZNode waits. Pure."""

from dataclasses import dataclass

from zkoperator.api.reasons import ZNodeReason


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something is not there, or not as it has to be. The message names the fix."""

    reason: ZNodeReason
    message: str
