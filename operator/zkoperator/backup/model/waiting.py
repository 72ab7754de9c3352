"""Why a backup cannot go on yet. Pure."""

from dataclasses import dataclass

from zkoperator.api.reasons import BackupReason


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something is missing or refused that a person or another object may bring."""

    reason: BackupReason
    message: str
