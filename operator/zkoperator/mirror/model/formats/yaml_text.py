"""YAML: maps within maps, and texts in them. Pure.

Every value is written in quotation marks, as readers differ in what they take for a number or for true. What the
operator has written itself is read line by line, which is far faster than the reader of YAML that all else needs.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import yaml

from zkoperator.mirror.model.formats.nesting import MAX_DEPTH, key_at, nested
from zkoperator.mirror.model.formats.text import BadTextError, escaped, refuse

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INDENT: Final = "  "
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_RESERVED: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TWICE: Final = "the name of this value is there twice; remove one of them"
_TEXT_TAGS: Final = (None, "tag:yaml.org,2002:str")
_QUOTED: Final = (
    r'"(?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|\\["\\bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})*"'
)
_OWN_LINE: Final = re.compile(rf"((?:{_INDENT})*)({_PLAIN_NAME.pattern}|{_QUOTED}):(?: ({_QUOTED}))?")


def parse(text: str, separator: str) -> dict[str, str]:
    """Return the values by key. A number, true and false are taken as the text that is written.

    Raises:
        BadTextError: the text is no YAML, or has what znodes cannot hold: null, lists, tags, aliases, a name twice.
    """
    own = _read_own(text, separator)
    return own if own is not None else _Reader(text, separator).read()


def render(values: Mapping[str, str], separator: str) -> str:
    """Return the values as a file, sorted by name."""
    return "".join(_lines(nested(values, separator), "")) or "{}\n"


def _lines(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in tree.items():
        is_plain = _PLAIN_NAME.fullmatch(name) is not None and name.lower() not in _RESERVED
        shown = name if is_plain else _quoted(name)
        if isinstance(value, dict):
            yield f"{indent}{shown}:\n"
            yield from _lines(value, indent + _INDENT)
        else:
            yield f"{indent}{shown}: {_quoted(value)}\n"


def _quoted(text: str) -> str:
    return escaped(json.dumps(text, ensure_ascii=False))


def _read_own(text: str, separator: str) -> dict[str, str] | None:
    """Return the values of a text as `render` writes it, None for another one."""
    found: dict[str, str] = {}
    seen: set[tuple[str, ...]] = set()
    above: list[str] = []
    opened = False
    for line in text.splitlines() if text.endswith("\n") else ():
        parts = _OWN_LINE.fullmatch(line)
        depth = len(parts[1]) // len(_INDENT) if parts is not None else -1
        if parts is None or (depth != len(above) if opened else depth > len(above)):
            return None
        name = json.loads(parts[2]) if parts[2].startswith('"') else parts[2]
        if not parts[2].startswith('"') and name.lower() in _RESERVED:
            return None
        del above[depth:]
        names, opened = (*above, name), parts[3] is None
        key = key_at(names, separator)
        if names in seen or (key in found and not opened):
            return None
        seen.add(names)
        if opened:
            above.append(name)
        else:
            found[key] = json.loads(parts[3])
    return found if found and not opened else None


class _Reader:
    """Reads any text, event by event, so that no depth of maps is too much for it."""

    def __init__(self, text: str, separator: str) -> None:
        self._text = text
        self._separator = separator
        self._found: dict[str, str] = {}
        self._seen: set[tuple[str, ...]] = set()
        self._names: list[str] = []
        self._depth = 0
        self._name: str | None = None
        self._documents = 0

    def read(self) -> dict[str, str]:
        try:
            for event in yaml.parse(self._text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
            raise BadTextError(line, column, "this is no YAML") from error
        except yaml.reader.ReaderError as error:
            refuse(self._text, int(error.position), "a character that YAML does not take")
        return self._found

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                _refuse(event, "write one document only")
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.MappingEndEvent):
            self._end()
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            _refuse(event, "write a text or a map: znodes hold no lists")
        elif isinstance(event, yaml.AliasEvent):
            _refuse(event, "write the text again in place of the alias")

    def _begin(self, event: yaml.MappingStartEvent) -> None:
        if event.tag is not None or event.anchor is not None:
            _refuse(event, "leave out tags and anchors")
        if self._depth > MAX_DEPTH:
            _refuse(event, f"no more than {MAX_DEPTH} maps within one another")
        if self._depth > 0:
            name, self._name = self._name, None
            if name is None:
                _refuse(event, "write a text as the name")
            self._names.append(name)
            self._see(event, tuple(self._names))
        self._depth += 1

    def _end(self) -> None:
        self._depth -= 1
        if self._depth > 0:
            self._names.pop()

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        is_plain = event.style in (None, "")
        is_null = is_plain and event.value in _NULLS and event.tag is None
        if self._depth == 0:
            if not is_null:
                _refuse(event, "write a map of names and texts")
            return
        if event.tag not in _TEXT_TAGS or event.anchor is not None:
            _refuse(event, "leave out tags and anchors")
        if is_null or (is_plain and event.value == "<<"):
            _refuse(event, 'write a text in quotation marks: "" for nothing')
        if self._name is None:
            self._name = event.value
            return
        names = (*self._names, self._name)
        self._see(event, names)
        key = key_at(names, self._separator)
        if key in self._found:
            _refuse(event, _TWICE)
        self._found[key], self._name = event.value, None

    def _see(self, event: yaml.Event, names: tuple[str, ...]) -> None:
        if names in self._seen:
            _refuse(event, _TWICE)
        self._seen.add(names)


def _refuse(event: yaml.Event, message: str) -> NoReturn:
    mark = event.start_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    raise BadTextError(line, column, message)
