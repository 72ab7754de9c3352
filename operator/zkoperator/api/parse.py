"""Parses a raw object into a typed object, or into all of its errors, each with its path in the manifest."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from zkoperator.api.meta import Model
from zkoperator.api.rules import ERROR_TYPE
from zkoperator.errors import FieldError

M = TypeVar("M", bound=Model)

_MESSAGES: Mapping[str, str] = {
    "missing": "is missing; write it",
    "int_type": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "string_type": 'write a text; numbers, true and false stand in quotes, as "2000"',
    "bool_type": "write true or false, without quotes",
    "tuple_type": "write a list",
    "dict_type": "write a map of keys and values",
    "model_type": "write a map of fields",
    "enum": "write one of: {expected}",
    "greater_than_equal": "write a number of at least {ge}",
    "less_than_equal": "write a number of at most {le}",
    "string_too_short": "write at least {min_length} character(s)",
    "string_too_long": "write at most {max_length} characters",
    "too_short": "write at least {min_length} of them",
    "too_long": "write at most {max_length} of them",
}
_SERVER_FIELDS = ("apiVersion", "kind")


def parse(model: type[M], raw: Mapping[str, Any]) -> M | tuple[FieldError, ...]:
    """Return the typed object, or every error that is found.

    Unknown fields are ignored: the API server has pruned them, or an older operator reads a newer object. A null counts
    as an absent field, as it does for the API server.
    """
    try:
        return model.model_validate_json(_text(raw), strict=True)
    except ValidationError as error:
        lines = error.errors(include_url=False, include_input=False)
        return tuple(field for line in lines for field in _field_errors(line))


def parse_strict(model: type[M], raw: Mapping[str, Any]) -> M | tuple[FieldError, ...]:
    """Return the typed object, or every error. An unknown field is an error: no API server has pruned it yet."""
    parsed = parse(model, raw)
    unknown = _unknown_fields(model, raw)
    if isinstance(parsed, tuple):
        return (*parsed, *unknown)
    return unknown or parsed


def _text(raw: Mapping[str, Any]) -> str:
    return json.dumps(_without_nulls(raw), default=str)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(item) for item in value]
    return value


def _field_errors(line: ErrorDetails) -> Iterator[FieldError]:
    path = _path(line["loc"])
    context = line.get("ctx", {})
    if line["type"] == ERROR_TYPE:
        for field, message in context["failures"]:
            yield FieldError(_joined(path, field), message)
        return
    template = _MESSAGES.get(line["type"])
    yield FieldError(path or "(object)", template.format(**context) if template is not None else line["msg"])


def _joined(path: str, field: str) -> str:
    separator = "." if path and field and not field.startswith("[") else ""
    return f"{path}{separator}{field}"


def _path(loc: Sequence[str | int]) -> str:
    """Return the location as in a manifest: `spec.rollout[0].kind`, `spec.config[autopurge.purgeInterval]`."""
    path = ""
    for part in loc:
        if part == "[key]":
            continue
        plain = isinstance(part, str) and part.isidentifier()
        path += (f".{part}" if path else str(part)) if plain else f"[{part}]"
    return path


def _unknown_fields(model: type[Model], raw: Mapping[str, Any]) -> tuple[FieldError, ...]:
    try:
        model.model_validate_json(_text(raw), strict=True, extra="forbid")
    except ValidationError as error:
        lines = error.errors(include_url=False, include_input=False)
        locs = [line["loc"] for line in lines if line["type"] == "extra_forbidden"]
        return tuple(_unknown(model, loc) for loc in locs if _is_written_by_users(loc))
    return ()


def _is_written_by_users(loc: Sequence[str | int]) -> bool:
    return loc[0] == "spec" or (len(loc) == 1 and loc[0] not in _SERVER_FIELDS)


def _unknown(model: type[Model], loc: Sequence[str | int]) -> FieldError:
    known = _fields_at(model, loc[:-1])
    close = get_close_matches(str(loc[-1]), known, n=1)
    advice = f"did you mean {close[0]}?" if close else f"write one of: {', '.join(known)}"
    return FieldError(_path(loc), f"is not a field; {advice}")


def _fields_at(model: type[Model], loc: Sequence[str | int]) -> list[str]:
    for part in loc:
        if isinstance(part, int):
            continue
        field = next(field for field in model.model_fields.values() if field.alias == part)
        model = _model_in(field.annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner)) is not None), None)
