"""The failures that the operator tells apart.

Adapters (`kube/`, `zk/`) translate every library error into one of these at the edge, so that decisions and the
loop runner never name a library. The loop runner alone decides what follows: back-off, or look again.
"""

from dataclasses import dataclass


class ZkOperatorError(Exception):
    """Base of every failure that the operator knows by name."""


class TransientError(ZkOperatorError):
    """Nothing is known to be wrong with the request: network, 5xx, 429, a lost session. Retried with back-off."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnknownOutcomeError(TransientError):
    """A write was sent and no answer came: it may have happened or may happen still. Read back before repeating."""


class ConflictError(ZkOperatorError):
    """A conditional write found another version, uid or existing object. Look again at once."""


class ForbiddenError(ZkOperatorError):
    """A permission is missing; the message names what was refused (verb and resource, or znode path)."""


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
    """An object, one of the user's or one that we wrote, that is refused until somebody changes it or what refuses it.

    Carries all of its errors, never only the first.
    """

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


class TooLargeError(InvalidError):
    """A request, or the answer to one, has more bytes than one of the two sides takes."""
