"""What became of one pass of a key, and how an exception is read. Pure."""

import traceback
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zkoperator.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    TransientError,
    UnsafeError,
)
from zkoperator.runtime.keys import Key


class Outcome(StrEnum):
    """The bounded set of results that metrics and logs name."""

    SUCCESS = "success"
    CONFLICT = "conflict"
    TRANSIENT = "transient"
    UNSAFE = "unsafe"
    FORBIDDEN = "forbidden"
    INVALID = "invalid"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True, order=True)
class LookAgain:
    """When the loop looks at a key again after a successful pass, unless a wake comes first. The order is that of time.

    Args:
        after_s: seconds from the end of the pass; infinity: when woken, or at the next resync.
    """

    after_s: float


NOW: Final = LookAgain(0.0)
WHEN_WOKEN: Final = LookAgain(float("inf"))


@dataclass(frozen=True, slots=True)
class Pass:
    """One finished pass. `error` is None for a success."""

    key: Key
    outcome: Outcome
    duration_s: float
    error: Exception | None = None


_BY_TYPE: tuple[tuple[type[Exception], Outcome], ...] = (
    (ConflictError, Outcome.CONFLICT),
    (TransientError, Outcome.TRANSIENT),
    (UnsafeError, Outcome.UNSAFE),
    (ForbiddenError, Outcome.FORBIDDEN),
    (InvalidError, Outcome.INVALID),
)

_GRAVITY = (
    Outcome.UNEXPECTED,
    Outcome.FORBIDDEN,
    Outcome.UNSAFE,
    Outcome.INVALID,
    Outcome.TRANSIENT,
    Outcome.CONFLICT,
)


def classify(error: Exception) -> tuple[Outcome, Exception]:
    """Return what the error means, and the error itself: for a group of a TaskGroup, its gravest member."""
    if isinstance(error, ExceptionGroup):
        return min((classify(member) for member in error.exceptions), key=lambda found: _GRAVITY.index(found[0]))
    for kind, outcome in _BY_TYPE:
        if isinstance(error, kind):
            return outcome, error
    return Outcome.UNEXPECTED, error


def frames(error: Exception) -> str:
    """Return the type and the stack of an exception without its message, which may hold a value of the user's."""
    return "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__
