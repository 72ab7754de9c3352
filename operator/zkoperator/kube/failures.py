"""Translates the API server's answers into the operator's errors. Pure."""

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
    UngrantedError,
    UnknownOutcomeError,
    ZkOperatorError,
    with_brief,
)
from zkoperator.kube.port import (
    BudgetSpentError,
    GoneError,
    Manifest,
    ManyBudgetsError,
    NoSuchKindError,
    Resource,
)

_ECHO = re.compile(r"(Invalid value|Unsupported value|Duplicate value): ")
_BY_ROLE = re.compile(r"User \"[^\"]*\" cannot [a-z]+ resource")
_WORD = re.compile(r"[A-Z][A-Za-z]{1,40}")
_WEBHOOK = re.compile(r"failed calling webhook \"([a-z0-9.-]{1,253})\"")
_MALFORMED_CODES = frozenset({400, 405, 415, 422})
_MALFORMED_SIGN, _TOO_LARGE_SIGN = "failed to create typed patch object", "request is too large"
"""Texts of internal errors (500) for which the object is the cause: its schema, or etcd's limit of 1.5 MiB."""
_BUDGET, _MANY_BUDGETS_SIGN = "DisruptionBudget", "more than one PodDisruptionBudget"
_LONGEST_RETRY_AFTER_S = 60.0
"""A longer wait, which a proxy in maintenance may ask for, is cut to this."""
_INSTALL = (
    "install its CustomResourceDefinition; ours with kubectl exec -n zkoperator-system deploy/zkoperator -- "
    "python -m zkoperator crds | kubectl apply --server-side -f -"
)
_GRANT = "; add it to a Role of this user; for the operator, the chart and the manifests of its version have it"
_OPAQUE = frozenset({"configmaps", "secrets"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as far as an error message names it."""

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
    """Return whether the answer says that this object does not exist, rather than that its kind is not served."""
    return code == 404 and not _is_unknown_kind(_status(body))


def translate(request: Request, code: int, body: bytes, headers: Mapping[str, str]) -> ZkOperatorError:
    """Return the error that an answer of `code` >= 400 means. The object in question never gets into a message."""
    status = _status(body)
    message = str(status.get("message") or f"HTTP {code}")
    error = _refused(request, code, status, message) or _failed(request, code, _retry_after_s(headers, status))
    return with_brief(error, _brief(request, code, status, message))


def _brief(request: Request, code: int, status: Manifest, message: str) -> str:
    """Return verb, kind, code and reason, and the name of the webhook that could not be called."""
    reason = str(status.get("reason") or "")
    words = f"{request.verb} {request.resource.plural}: HTTP {code}" + (f" {reason}" if _WORD.fullmatch(reason) else "")
    webhook = _WEBHOOK.search(message)
    return f"{words} (webhook {webhook[1]} failed)" if webhook is not None else words


def _refused(request: Request, code: int, status: Manifest, message: str) -> ZkOperatorError | None:
    """Return the error of a request that changed nothing and will fail again unchanged; None for other failures."""
    match code:
        case 403:
            return _forbidden(request, message)
        case 404 if _is_unknown_kind(status):
            crd = f"{request.resource.plural}.{request.resource.api_version}"
            return NoSuchKindError(f"the API server does not serve {crd}: {_INSTALL}")
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


def _forbidden(request: Request, message: str) -> ForbiddenError:
    """Say what to do about a missing permission; other refusals (quota, Pod Security) say it themselves."""
    told = f"may not {request}: {message}"
    return UngrantedError(told + _GRANT) if _BY_ROLE.search(message) else ForbiddenError(told)


def _failed(request: Request, code: int, retry_after_s: float | None) -> TransientError:
    if request.is_write and code >= 500:
        # The server or proxy that failed may have forwarded the write.
        return UnknownOutcomeError(f"{request}: HTTP {code}", retry_after_s=retry_after_s)
    return TransientError(f"{request}: HTTP {code}", retry_after_s=retry_after_s)


def translate_eviction(request: Request, code: int, body: bytes) -> TransientError | None:
    """Return the error of an eviction that a budget refuses; None for any other answer, also a 429 of a busy server."""
    status = _status(body)
    said = [str(cause.get("message")) for cause in _causes(status) if cause.get("reason") == _BUDGET]
    if code == 429 and said:
        return BudgetSpentError("; ".join(said))
    if code == 500 and _MANY_BUDGETS_SIGN in str(status.get("message")):
        return ManyBudgetsError(f"{request}: more than one PodDisruptionBudget covers it")
    return None


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
    """Return whether the kind is not served: the Status of a missing object names the object, other answers do not."""
    return not (status.get("details") or {}).get("name")


def _is_other_uid(status: Manifest) -> bool:
    """Return whether an apply was refused as invalid because another object has the name now."""
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
        # The message about a malformed request may quote its content.
        message = f"refused with HTTP {code} {status.get('reason') or ''}".strip()
    return (FieldError(request.resource.kind, f"{request}: {message}"),)


def without_value(message: str) -> str:
    """Return the message of the API server without the value that it quotes."""
    echo = _ECHO.match(message)
    if echo is None:
        return message
    rest = message[echo.end() :]
    try:
        end = json.JSONDecoder().raw_decode(rest)[1]
    except ValueError:
        # Not JSON: the text after the last colon is the rule.
        end = rest.rfind(": ") if ": " in rest else len(rest)
    return echo[1] + (rest[end:] if rest[end:].startswith(": ") else "")


def _retry_after_s(headers: Mapping[str, str], status: Manifest) -> float | None:
    details: dict[str, Any] = status.get("details") or {}
    for given in (str(headers.get("Retry-After")), str(details.get("retryAfterSeconds"))):
        # Whole seconds, as they are specified. An HTTP date would have to be compared with the wall clock.
        if given.isdecimal():
            return min(float(given), _LONGEST_RETRY_AFTER_S)
    return None
