"""The errors that the operator distinguishes.

The adapters (`kube/`, `zk/`) translate every error of a library into one of these, so that no other package depends on
a library's errors. The keyed loop alone decides what follows: a back-off or an immediate new pass.
"""

from dataclasses import dataclass
from typing import TypeVar


class ZkOperatorError(Exception):
    """Base of all errors of the operator.

    `brief` is for conditions: what failed, by codes and names that are the same at each retry, without a text or value
    of somebody else. Empty where the adapter knows nothing of the kind.
    """

    brief: str = ""


class TransientError(ZkOperatorError):
    """The request may succeed later: network, 5xx, 429, a lost session. Retried with back-off."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnknownOutcomeError(TransientError):
    """A write was sent and no answer came: it may have happened or may still happen. Read before repeating it."""


class ConflictError(ZkOperatorError):
    """A conditional write found another version, uid or existing object. Retried at once, with a new read."""


class ForbiddenError(ZkOperatorError):
    """A permission is missing; the message names what was refused (verb and resource, or znode path)."""


class UngrantedError(ForbiddenError):
    """No role of this user has the permission. An administrator can give it."""


class UnsafeError(ZkOperatorError):
    """An action was refused because it could lose quorum or data; the message gives the number that blocks it."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with an object: `path` as in the manifest (`spec.replicas`), `message` what to write instead."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class InvalidError(ZkOperatorError):
    """An object of a user, or a request of ours, that is refused until somebody changes it.

    Carries all of its errors, never only the first.
    """

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


class TooLargeError(InvalidError):
    """A request, or its answer, is longer than one of the two sides accepts."""


_Error = TypeVar("_Error", bound=ZkOperatorError)


def with_brief(error: _Error, brief: str) -> _Error:
    """Return the error with its short form."""
    error.brief = brief
    return error


def brief_of(error: BaseException | None) -> str:
    """Return the short form of the error, or of what caused it; its kind where neither has one."""
    chain: list[BaseException] = []
    cause = error
    # An error that is raised again as its own cause ends the chain.
    while cause is not None and cause not in chain:
        if isinstance(cause, ZkOperatorError) and cause.brief:
            return cause.brief
        chain.append(cause)
        cause = cause.__cause__
    return type(error).__name__.removesuffix("Error")
