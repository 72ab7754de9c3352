r"""Java's properties, as `Properties.load` reads them. Pure.

Written are `key=value` lines in ASCII, the rest as `\uXXXX`, so that no reader has to know the encoding.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from zkoperator.mirror.model.formats.text import is_text, refuse

_LINE: Final = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_BLANKS: Final = " \t\f"
_PAIR: Final = re.compile(r"((?:[^\\=: \t\f]|\\.)*)[ \t\f]*(?:[=:][ \t\f]*)?(.*)", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NAMED: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_NAME_OF: Final = {character: f"\\{name}" for name, character in _NAMED.items()} | {"\\": "\\\\"}
_TO_ESCAPE: Final = re.compile(r"[\\]|[^\x20-\x7e]")
_TO_ESCAPE_IN_KEY: Final = re.compile(r"[\\ =:#!]|[^\x20-\x7e]")


def parse(text: str) -> dict[str, str]:
    """Return the properties.

    Raises:
        BadTextError: an escape is none, or a key is there twice, which Java would not notice.
    """
    found: dict[str, str] = {}
    for line, offset in _logical_lines(text):
        pair = _PAIR.fullmatch(line)
        raw_key, raw_value = (pair[1], pair[2]) if pair is not None else (line, "")
        key, value = (_unescaped(part, text, offset) for part in (raw_key, raw_value))
        if key in found:
            refuse(text, offset, "this key is there twice; remove one of them")
        found[key] = value
    return found


def render(values: Mapping[str, str]) -> str:
    """Return the properties as a file, sorted by key."""
    return "".join(f"{_key(key)}={_value(values[key])}\n" for key in sorted(values))


def _logical_lines(text: str) -> Iterator[tuple[str, int]]:
    """Yield lines and where they begin: no comments, and one that ends with a backslash is one with the next."""
    whole, began = "", -1
    for found in _LINE.finditer(text):
        line = found[1].lstrip(_BLANKS)
        if began < 0 and (not line or line[0] in "#!"):
            continue
        began = found.start() if began < 0 else began
        goes_on = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        whole += line[:-1] if goes_on else line
        if goes_on:
            continue
        if whole:
            yield whole, began
        whole, began = "", -1
    if whole:
        yield whole, began


def _unescaped(raw: str, text: str, offset: int) -> str:
    if "\\" not in raw:
        return raw

    def character(found: re.Match[str]) -> str:
        escape = found[1]
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        if escape == "u":
            refuse(text, offset, "write four hexadecimal digits after \\u in this line")
        return _NAMED.get(escape, escape)

    value = _ESCAPE.sub(character, raw)
    if _SURROGATE.search(value) is not None:
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _are_paired(value) else value
    if not is_text(value):
        refuse(text, offset, "two escapes \\u in this line have to stand for one character together")
    return value


def _are_paired(value: str) -> bool:
    return re.search("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]", value) is None


def _key(key: str) -> str:
    return _TO_ESCAPE_IN_KEY.sub(lambda found: _escape(found[0]), key)


def _value(value: str) -> str:
    shown = _TO_ESCAPE.sub(lambda found: _escape(found[0]), value)
    return f"\\{shown}" if shown.startswith(" ") else shown


def _escape(character: str) -> str:
    if character in _NAME_OF:
        return _NAME_OF[character]
    if " " <= character <= "~":
        return f"\\{character}"
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
