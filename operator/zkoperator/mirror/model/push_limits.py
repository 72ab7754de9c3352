"""How large a push may be. Pure."""

from dataclasses import dataclass
from typing import Final

from zkoperator.zk.request_sizes import REQUEST_LIMIT_BYTES

MAX_REQUEST_BYTES: Final = 700_000
"""A larger edit is split; the server's own limit is for the whole request."""
_SMALLEST_SPLIT: Final = 16_384


@dataclass(frozen=True, slots=True)
class PushLimits:
    """What the ensemble takes, as far as it is known.

    Args:
        split_bytes: a larger transaction is split, down to a single key.
        request_bytes: a single key whose transaction is larger is left out.
        kept: absolute paths of parents that may not be deleted with their last child.
    """

    split_bytes: int = MAX_REQUEST_BYTES
    request_bytes: int = REQUEST_LIMIT_BYTES
    kept: frozenset[str] = frozenset()


def limits_after(failures: int, *, kept: frozenset[str] = frozenset()) -> PushLimits:
    """Return the limits after so many large transactions in a row that came to nothing: each time half as large."""
    return PushLimits(max(_SMALLEST_SPLIT, MAX_REQUEST_BYTES >> failures), kept=kept)
