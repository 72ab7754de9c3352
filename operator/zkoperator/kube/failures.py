"""From the API server's answers to the operator's errors."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    TooLargeError,
    TransientError,
    UnknownOutcomeError,
    ZkOperatorError,
)
from zkoperator.kube.port import GoneError, Manifest, NoSuchKindError, Resource

_ECHO = re.compile(r"(Invalid value|Unsupported value|Duplicate value): ")
_BY_ROLE = re.compile(r"User \"[^\"]*\" cannot [a-z]+ resource")
_MALFORMED_CODES = frozenset({400, 405, 415, 422})
_MALFORMED_SIGN, _TOO_LARGE_SIGN = "failed to create typed patch object", "request is too large"
"""What the server calls an internal error though the object is at fault: its schema, or etcd's limit of 1.5 MiB."""
_LONGEST_RETRY_AFTER_S = 60.0
"""Whoever asks for more, a proxy in maintenance say, is asked again all the same."""
_OPAQUE = frozenset({"configmaps", "secrets"})


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, as far as an error message names it."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str = ""

    @property
    def is_write(self) -> bool:
        """Whether a lost answer leaves the outcome unknown."""
        return self.verb not in {"get", "list", "watch"}

    def __str__(self) -> str:
        what = f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural
        group = f".{self.resource.group}" if self.resource.group else ""
        whose = f" {self.name}" if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {what}{group}{whose}{where}"


def is_missing(code: int, body: bytes) -> bool:
    """Whether the answer says that this one object is not there, rather than its whole kind."""
    return code == 404 and not _is_unknown_kind(_status(body))


def translate(request: Request, code: int, body: bytes, headers: Mapping[str, str]) -> ZkOperatorError:
    """Return the error that an answer of `code` >= 400 means. The object in question never gets into a message."""
    status = _status(body)
    message = str(status.get("message") or f"HTTP {code}")
    return _refused(request, code, status, message) or _failed(request, code, _retry_after_s(headers, status))


def _refused(request: Request, code: int, status: Manifest, message: str) -> ZkOperatorError | None:
    """Return the error of a request that certainly changed nothing and will not do so as it is."""
    match code:
        case 403:
            return ForbiddenError(f"may not {request}: {message}{_advice(message)}")
        case 404 if _is_unknown_kind(status):
            crd = f"{request.resource.plural}.{request.resource.api_version}"
            return NoSuchKindError(f"the API server does not serve {crd}: install it, ours by kubectl apply -f crds/")
        case 404:
            return TransientError(f"{request}: {message}")
        case 410:
            return GoneError(f"{request}: {message}")
        case 409:
            return ConflictError(f"{request}: {message}")
        case 422 if _is_other_uid(status):
            return ConflictError(f"{request}: another object has the name")
    if code == 413 or (code == 500 and _TOO_LARGE_SIGN in message):
        return TooLargeError(_field_errors(request, code, status, message))
    if code in _MALFORMED_CODES or (code == 500 and _MALFORMED_SIGN in message):
        return InvalidError(_field_errors(request, code, status, message))
    return None


def _advice(message: str) -> str:
    """What is missing in a role can be granted; other refusals (quota, Pod Security) say themselves what to do."""
    return "; grant it as in manifests/operator/rbac.yaml" if _BY_ROLE.search(message) else ""


def _failed(request: Request, code: int, retry_after_s: float | None) -> TransientError:
    if request.is_write and code >= 500:
        # A server or proxy that gave up may have passed the write on.
        return UnknownOutcomeError(f"{request}: HTTP {code}", retry_after_s=retry_after_s)
    return TransientError(f"{request}: HTTP {code}", retry_after_s=retry_after_s)


def translate_watch_error(request: Request, status: Manifest) -> TransientError:
    """Return the error that an ERROR line of a watch means."""
    code = status.get("code")
    reason = f"{request}: {status.get('reason') or 'error'} ({code}) in the stream"
    if code == 410:
        return GoneError(reason)
    return TransientError(reason, retry_after_s=_retry_after_s({}, status))


def _status(body: bytes) -> Manifest:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _is_unknown_kind(status: Manifest) -> bool:
    """A missing object's Status names the object; an unknown path gets plain text or a Status without details."""
    return not (status.get("details") or {}).get("name")


def _is_other_uid(status: Manifest) -> bool:
    """An apply with the uid of an earlier object of the name is called invalid rather than a conflict."""
    return {cause.get("field") for cause in _causes(status)} == {"metadata.uid"}


def _causes(status: Manifest) -> list[Manifest]:
    return (status.get("details") or {}).get("causes") or []


def _field_errors(request: Request, code: int, status: Manifest, message: str) -> tuple[FieldError, ...]:
    found = tuple(
        FieldError(str(cause.get("field") or request.resource.kind), without_value(str(cause.get("message") or "")))
        for cause in _causes(status)
    )
    if found:
        return found
    if request.resource.plural in _OPAQUE:
        # The text of a malformed request may quote what was sent.
        message = f"refused with HTTP {code} {status.get('reason') or ''}".strip()
    return (FieldError(request.resource.kind, f"{request}: {message}"),)


def without_value(message: str) -> str:
    """Return the rule that a value broke without the value, which the API server quotes before it."""
    echo = _ECHO.match(message)
    if echo is None:
        return message
    rest = message[echo.end() :]
    try:
        end = json.JSONDecoder().raw_decode(rest)[1]
    except ValueError:
        # Not JSON: whatever it is, the rule comes after the last colon.
        end = rest.rfind(": ") if ": " in rest else len(rest)
    return echo[1] + (rest[end:] if rest[end:].startswith(": ") else "")


def _retry_after_s(headers: Mapping[str, str], status: Manifest) -> float | None:
    details: dict[str, Any] = status.get("details") or {}
    for given in (str(headers.get("Retry-After")), str(details.get("retryAfterSeconds"))):
        # Whole seconds, as they are specified. An HTTP date would have to be compared with the wall clock.
        if given.isdecimal():
            return min(float(given), _LONGEST_RETRY_AFTER_S)
    return None
