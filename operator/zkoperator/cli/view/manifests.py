"""Reads manifests, YAML or JSON: each object with the lines of its fields. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from zkoperator.errors import FieldError, InvalidError

_MERGE: Final = "tag:yaml.org,2002:merge"
_PART: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
_MOST_VALUES: Final = 1_000_000
"""Aliases can make a short text into an endless object; a manifest that needs more values than this is refused."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a manifest.

    Args:
        file: where it is from, for messages.
        line: on which it begins.
        value: its content.
        repeated: the fields that stand there more than once. Only the last of them has an effect.
        node: its content with positions; None where nothing but the beginning is known.
    """

    file: str
    line: int
    value: Mapping[str, Any]
    repeated: tuple[FieldError, ...] = ()
    node: yaml.Node | None = None

    def line_of(self, path: str) -> int:
        """Return the line of a field such as `spec.rollout[0].kind`, of the nearest field above where it is missing."""
        node, line = self.node, self.line
        for index, name in _PART.findall(path):
            found = _child(node, index or name)
            if found is None:
                return line
            line, node = found
        return line


def documents(text: str, file: str) -> tuple[Document, ...]:
    """Return the objects of a manifest, those in Lists included; `file` is where the text comes from.

    Raises:
        InvalidError: the text is neither YAML nor JSON.
    """
    try:
        return tuple(_documents(text, file))
    except yaml.YAMLError as error:
        raise InvalidError((FieldError(file, f"is not YAML: {_in_one_line(error)}"),)) from error
    except RecursionError as error:
        raise InvalidError((FieldError(file, "is nested too deeply"),)) from error
    except ValueError as error:
        # What looks like a time and is none.
        raise InvalidError((FieldError(file, f"is not YAML: {error}"),)) from error


def _documents(text: str, file: str) -> Iterator[Document]:
    values = _json_values(text)
    if values is not None:
        nodes = _nodes_of_json(text)
        places = nodes if len(nodes) == len(values) else [None] * len(values)
        for value, node in zip(values, places, strict=True):
            yield from _objects(value, node, file, tuple(_repeated(node, "")) if node is not None else ())
        return
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            _refuse_endless(node, file)
            repeated = tuple(_repeated(node, ""))
            value = loader.construct_document(node)
            yield from _objects(value, node, file, repeated)
    finally:
        loader.dispose()


def _objects(
    value: Any, node: yaml.Node | None, file: str, repeated: tuple[FieldError, ...] = ()
) -> Iterator[Document]:
    if not isinstance(value, Mapping):
        return
    if value.get("kind") != "List":
        line = node.start_mark.line + 1 if node is not None else 1
        yield Document(file, line, value, repeated, node)
        return
    items = value.get("items") or []
    if not isinstance(items, list):
        raise InvalidError((FieldError(file, "items of a List: write a list of objects"),))
    for index, item in enumerate(items):
        inner = _child(_value_of(node, "items"), str(index))
        place = inner[1] if inner is not None else None
        yield from _objects(item, place, file, tuple(_repeated(place, "")) if place is not None else ())


def _json_values(text: str) -> list[Any] | None:
    """Return the values of a text that is JSON, as one value or as several; None for another text."""
    rest = text.lstrip("\ufeff \t\r\n")
    if not rest.startswith("{"):
        return None
    decoder, found = json.JSONDecoder(), []
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError:
            return None
        found.append(value)
        rest = rest[end:].lstrip(" \t\r\n")
    return found


def _nodes_of_json(text: str) -> list[yaml.Node | None]:
    """Return the positions in a JSON text; JSON may have tabs where YAML may not, and then they are not known."""
    try:
        return list(yaml.compose_all(text, yaml.SafeLoader))
    except yaml.YAMLError:
        return []


def _child(node: yaml.Node | None, part: str) -> tuple[int, yaml.Node] | None:
    """Return the line and the value of a field or of an entry of a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        entry = node.value[int(part)]
        return entry.start_mark.line + 1, entry
    return None


def _value_of(node: yaml.Node | None, part: str) -> yaml.Node | None:
    found = _child(node, part)
    return found[1] if found is not None else None


def _repeated(node: yaml.Node, path: str) -> Iterator[FieldError]:
    """Yield the fields that a mapping has twice, with both lines."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated(item, f"{path}[{index}]")
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            line, inner = key.start_mark.line + 1, joined(path, key.value)
            if key.value in first:
                yield FieldError(inner, f"stands on line {first[key.value]} and on line {line}; remove one of them")
            first.setdefault(key.value, line)
            yield from _repeated(value, inner)


def joined(path: str, name: str) -> str:
    """Return the path of a field below another one, as in messages: `spec.replicas`, `spec.config[a.b]`."""
    plain = name.isidentifier()
    return f"{path}{'.' if path else ''}{name}" if plain else f"{path}[{name}]"


def _refuse_endless(node: yaml.Node, file: str) -> None:
    if _values(node, {}) > _MOST_VALUES:
        raise InvalidError((FieldError(file, "has aliases that contain themselves, or far too many values"),))


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values there are once aliases are written out."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = _MOST_VALUES + 1  # as long as it is open: an alias within it would be of itself
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        inner = node.value
    elif isinstance(node, yaml.MappingNode):
        inner = [part for pair in node.value for part in pair]
    total = known[id(node)] = 1 + sum(_values(part, known) for part in inner)
    return total


def _in_one_line(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, without the lines of the file, which may hold a password."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return where + (error.problem or error.context or "it cannot be read")
