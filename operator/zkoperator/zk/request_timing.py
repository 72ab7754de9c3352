"""How long requests to ZooKeeper take, reported to a callback."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.zk.port import MultiError, NoNodeError

Report = Callable[[str, str, float], object]
"""Called with the operation, `ok`, `refused` (the ensemble answered no) or `failed`, and the duration in seconds."""


def not_reported(operation: str, result: str, duration_s: float) -> None:
    """Report to nobody."""


@contextmanager
def timed(operation: str, report: Report) -> Iterator[None]:
    """Report the duration of the block; its result follows from the exception that leaves it."""
    began_s, result = monotonic(), "failed"
    try:
        yield
        result = "ok"
    except (NoNodeError, ConflictError, ForbiddenError, MultiError):
        result = "refused"
        raise
    finally:
        report(operation, result, monotonic() - began_s)
