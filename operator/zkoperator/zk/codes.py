"""Translates the server's error codes into the operator's errors. Pure.

The numbers come from kazoo's exception classes. An unknown code fails its own request and never the connection.
"""

from typing import NamedTuple

from kazoo import exceptions as codes

from zkoperator.errors import (
    FieldError,
    ForbiddenError,
    InvalidError,
    TransientError,
    UnknownOutcomeError,
    ZkOperatorError,
    with_brief,
)
from zkoperator.zk.port import (
    BadVersionError,
    NewConfigNoQuorumError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    ReconfigInProgressError,
    SessionLostError,
)

_CODES: dict[type[codes.KazooException], int] = {kind: code for code, kind in codes.EXCEPTIONS.items()}
_NAMES = {code: kind.__name__.removesuffix("Error") for code, kind in codes.EXCEPTIONS.items()}

OK = 0
NO_NODE = _CODES[codes.NoNodeError]
ROLLED_BACK = _CODES[codes.RolledBackError]
RUNTIME_INCONSISTENCY = _CODES[codes.RuntimeInconsistency]

_SIMPLE: dict[int, tuple[type[ZkOperatorError], str]] = {
    _CODES[codes.NoNodeError]: (NoNodeError, "no such znode"),
    _CODES[codes.NodeExistsError]: (NodeExistsError, "the znode exists already"),
    _CODES[codes.BadVersionError]: (BadVersionError, "another version is there"),
    _CODES[codes.NotEmptyError]: (NotEmptyError, "the znode has children"),
    _CODES[codes.NoAuthError]: (ForbiddenError, "no permission"),
    _CODES[codes.AuthFailedError]: (ForbiddenError, "the credential was refused"),
    _CODES[codes.SessionClosedRequireSaslError]: (ForbiddenError, "the ensemble requires authentication"),
    _CODES[codes.SessionExpiredError]: (SessionLostError, "the session expired"),
    _CODES[codes.NewConfigNoQuorumError]: (
        NewConfigNoQuorumError,
        "no quorum of the new configuration is connected and in sync",
    ),
    _CODES[codes.ReconfigInProcessError]: (ReconfigInProgressError, "another reconfiguration is under way"),
    _CODES[codes.SessionMovedError]: (TransientError, "the session moved to another server"),
    _CODES[codes.ThrottledOpError]: (TransientError, "the server throttles requests"),
    _CODES[codes.NotReadOnlyCallError]: (TransientError, "the server is read-only"),
}
_INVALID: dict[int, str] = {
    _CODES[codes.NoChildrenForEphemeralsError]: "an ephemeral znode cannot have children",
    _CODES[codes.BadArgumentsError]: "the server refused the arguments",
    _CODES[codes.MarshallingError]: "the server could not read the request",
    _CODES[codes.UnimplementedError]: "the server does not know this operation",
    _CODES[codes.InvalidACLError]: "the ACL is not valid for this credential",
    _CODES[codes.ReconfigDisabledError]: "reconfiguration is disabled on the server (reconfigEnabled)",
    _CODES[codes.QuotaExceededError]: "the quota is exceeded",
    _CODES[codes.EphemeralOnLocalSessionError]: "the server gives local sessions no ephemerals",
}


class Subject(NamedTuple):
    """What a reply is about: the znode's path and whether the request would change anything."""

    path: str
    is_write: bool


def error_of(code: int, subject: Subject) -> ZkOperatorError:
    """Return the error for the code of a reply; a write that failed with an unknown code has an unknown outcome."""
    return with_brief(_error_of(code, subject), f"ZooKeeper: {_NAMES.get(code, f'error {code}')}")


def _error_of(code: int, subject: Subject) -> ZkOperatorError:
    simple = _SIMPLE.get(code)
    if simple is not None:
        kind, text = simple
        return kind(f"{subject.path}: {text}")
    invalid = _INVALID.get(code)
    if invalid is not None:
        return InvalidError((FieldError(subject.path, invalid),))
    return lost(subject, f"the server answered with code {code}")


def lost(subject: Subject, reason: str) -> TransientError:
    """Return the error for a request that was sent and not answered."""
    kind = UnknownOutcomeError if subject.is_write else TransientError
    return with_brief(kind(f"{subject.path}: {reason}"), "ZooKeeper: no answer")
