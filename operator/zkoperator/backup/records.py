"""Frozen dataclasses as JSON and back, exactly. Pure.

Fields may be texts, numbers, truths, enumerations of texts, other such dataclasses, tuples of one type, and optional.
Names are written as Kubernetes writes them (`stored_bytes` is `storedBytes`). Where a field can be of several
dataclasses, `kind` says which.
"""

import dataclasses
import json
from collections.abc import Callable
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from zkoperator.errors import FieldError, InvalidError

_KIND = "kind"
_T = TypeVar("_T")


def to_json(record: object) -> str:
    """Return the record as JSON of one line."""
    return json.dumps(to_plain(record), ensure_ascii=False, separators=(",", ":"))


def to_plain(record: object) -> Any:
    """Return the record as what JSON knows."""
    if dataclasses.is_dataclass(record):
        fields = {_camel(field.name): to_plain(getattr(record, field.name)) for field in dataclasses.fields(record)}
        return {_KIND: type(record).__name__} | fields
    if isinstance(record, tuple):
        return [to_plain(item) for item in record]
    return record


def from_json(kind: type[_T], text: str | bytes) -> _T:
    """Return the record of this type, which may be a union, that the text holds.

    Raises:
        InvalidError: the text is no such record; names the field.
    """
    try:
        plain = json.loads(text)
    except ValueError as error:
        raise InvalidError((FieldError("JSON", f"is not valid: {type(error).__name__}"),)) from error
    record: _T = _read(kind, plain, "$")
    return record


def _read(kind: Any, plain: Any, at: str) -> Any:
    choices = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if plain is None and NoneType in choices:
        return None
    known = [choice for choice in choices if choice is not NoneType]
    if dataclasses.is_dataclass(known[0]):
        return _read_record(known, plain, at)
    (choice,) = known
    if get_origin(choice) is tuple:
        return _read_tuple(choice, plain, at)
    # JSON knows no enumerations, and a truth is no number here.
    found = plain if type(plain) is (str if issubclass(choice, StrEnum) else choice) else None
    if found is None:
        raise InvalidError((FieldError(at, f"is not a {choice.__name__}"),))
    return _converted(choice, found, at)


def _converted(choice: Callable[[Any], object], found: object, at: str) -> object:
    try:
        return choice(found)
    except ValueError as error:
        raise InvalidError((FieldError(at, "has a value that is not known"),)) from error


def _read_tuple(kind: Any, plain: Any, at: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise InvalidError((FieldError(at, "is not a list"),))
    item = get_args(kind)[0]
    return tuple(_read(item, value, f"{at}[{number}]") for number, value in enumerate(plain))


def _read_record(choices: list[Any], plain: Any, at: str) -> Any:
    if not isinstance(plain, dict):
        raise InvalidError((FieldError(at, "is not an object"),))
    named = {choice.__name__: choice for choice in choices}
    kind = named.get(plain.get(_KIND, ""))
    if kind is None:
        raise InvalidError((FieldError(f"{at}.{_KIND}", f"is none of: {', '.join(sorted(named))}"),))
    types = get_type_hints(kind)
    fields = {_camel(field.name): field for field in dataclasses.fields(kind)}
    wrong = [FieldError(f"{at}.{name}", "is not known") for name in plain.keys() - fields.keys() - {_KIND}]
    wrong += [FieldError(f"{at}.{name}", "is missing") for name in fields.keys() - plain.keys()]
    if wrong:
        raise InvalidError(tuple(sorted(wrong, key=str)))
    values = {field.name: _read(types[field.name], plain[name], f"{at}.{name}") for name, field in fields.items()}
    return kind(**values)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
