"""What a zxid is made of: the epoch of a leader in its upper half, a counter in its lower half. Pure."""

from typing import Final

_COUNTER_BITS: Final = 32
INCARNATION_STEP: Final = 0x10000
"""Epochs by which a recovery raises the epoch: more than elections added since anybody looked. 32,766 steps fit."""
MAX_EPOCH: Final = 2**31 - 1 - 2 * INCARNATION_STEP
"""The highest epoch after which a recovery is still possible."""


def epoch_of(zxid: int) -> int:
    """Return the epoch of the leader that made the transaction."""
    return zxid >> _COUNTER_BITS


def incarnation_of(zxid: int) -> int:
    """Return a number that differs before and after each recovery."""
    return epoch_of(zxid) // INCARNATION_STEP
