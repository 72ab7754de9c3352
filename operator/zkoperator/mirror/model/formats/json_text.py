"""JSON: maps within maps, and texts in them. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Final

from zkoperator.mirror.model.formats.nesting import MAX_DEPTH, key_at, nested
from zkoperator.mirror.model.formats.text import escaped, is_text, refuse

_DECODER: Final = json.JSONDecoder()
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_PLAIN: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.+-])|(?:true|false)\b")


def parse(text: str, separator: str) -> dict[str, str]:
    """Return the values by key. A number, true and false are taken as the text that is written.

    Raises:
        BadTextError: the text is no JSON, or has what znodes cannot hold: null, lists, a name twice.
    """
    return _Reader(text, separator).read() if text.strip(" \t\r\n") else {}


def render(values: Mapping[str, str], separator: str) -> str:
    """Return the values as a file, sorted by name."""
    return escaped(json.dumps(nested(values, separator), ensure_ascii=False, indent=2)) + "\n"


class _Reader:
    """Reads one text from its beginning to its end."""

    def __init__(self, text: str, separator: str) -> None:
        self._text = text
        self._separator = separator
        self._at = 0
        self._found: dict[str, str] = {}
        self._seen: set[tuple[str, ...]] = set()

    def read(self) -> dict[str, str]:
        self._skip()
        if not self._takes("{"):
            refuse(self._text, self._at, "write a map in curly brackets")
        self._map(())
        self._skip()
        if self._at < len(self._text):
            refuse(self._text, self._at, "nothing may follow the map")
        return self._found

    def _map(self, above: tuple[str, ...]) -> None:
        if len(above) > MAX_DEPTH:
            refuse(self._text, self._at, f"no more than {MAX_DEPTH} maps within one another")
        if self._takes("}"):
            return
        while True:
            self._skip()
            place = self._at
            self._need('"', "write a name in quotation marks")
            names = (*above, self._string())
            self._need(":", "write a colon between name and value")
            self._value(names, place)
            if self._takes("}"):
                return
            self._need(",", "write a comma or the end of the map")

    def _value(self, names: tuple[str, ...], place: int) -> None:
        key = key_at(names, self._separator)
        is_map = self._takes("{")
        if names in self._seen or (key in self._found and not is_map):
            refuse(self._text, place, "this name is there twice; remove one of them")
        self._seen.add(names)
        if is_map:
            self._map(names)
            return
        if self._takes('"'):
            self._found[key] = self._string()
        elif (plain := _PLAIN.match(self._text, self._at)) is not None:
            self._found[key], self._at = plain[0], plain.end()
        else:
            refuse(self._text, self._at, 'write a text in quotation marks, or a map: no list, and "" for nothing')

    def _string(self) -> str:
        """Return the rest of a text whose first quotation mark was read."""
        begin = self._at - 1
        try:
            value, self._at = _DECODER.raw_decode(self._text, begin)
        except json.JSONDecodeError as error:
            refuse(self._text, error.pos, "this text does not end, or has a character that has to be escaped")
        if not is_text(value):
            refuse(self._text, begin, "two escapes \\u of this text have to stand for one character together")
        return str(value)

    def _need(self, character: str, advice: str) -> None:
        if not self._takes(character):
            refuse(self._text, self._at, advice)

    def _takes(self, character: str) -> bool:
        """Go on behind the character if it comes next."""
        self._skip()
        is_next = self._text.startswith(character, self._at)
        self._at += len(character) if is_next else 0
        return is_next

    def _skip(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks is not None else self._at
