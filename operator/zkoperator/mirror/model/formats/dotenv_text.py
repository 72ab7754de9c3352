"""Assignments of a shell, as `set -a; . file` reads them. Pure.

Only what every shell takes for plain text is accepted: nothing that it would expand or run.
"""

import re
from collections.abc import Mapping
from typing import Final

from zkoperator.mirror.model.formats.text import refuse

_NAME: Final = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=")
_SKIPPED: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_INDENT: Final = re.compile(r"[ \t]*")
_END: Final = re.compile(r"(?:[ \t]+#[^\n]*|[ \t]*)(?:\n|\Z)")
_PLAIN: Final = re.compile(r"""[^\x00-\x20\x7f'"\\$`;&|<>()*?\[\]{}!~]+""")
_ESCAPED: Final = re.compile(r"\\([^\x00])", re.DOTALL)
_SINGLE: Final = re.compile(r"'([^'\x00]*)'")
_DOUBLE: Final = re.compile(r'"((?:[^"\\$`\x00]|\\[^\x00])*)"')
_IN_DOUBLE: Final = re.compile(r'\\([\\"$`\n])')
_NEEDS_NO_QUOTES: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def parse(text: str) -> dict[str, str]:
    """Return the variables.

    Raises:
        BadTextError: a line is no assignment of plain text, or assigns a variable again.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if (skipped := _SKIPPED.match(text, at)) is not None and skipped.end() > at:
            at = skipped.end()
            continue
        at = _end(_INDENT, text, at)
        name = _NAME.match(text, at)
        if name is None:
            refuse(text, at, "write NAME=value, the name in letters, digits and '_'")
        if name[1] in found:
            refuse(text, at, "this variable is there twice; remove one of them")
        found[name[1]], at = _word(text, name.end())
    return found


def render(values: Mapping[str, str]) -> str:
    """Return the variables as a file, sorted by name."""
    return "".join(f"{name}={_quoted(values[name])}\n" for name in sorted(values))


def problem_of_key(key: str) -> str:
    """Return why a shell takes no variable of this name, "" if it does."""
    if _IDENTIFIER.fullmatch(key) is not None:
        return ""
    return "no name of a variable, which has letters, digits and '_' only"


def problem_of_value(value: str) -> str:
    """Return why the value cannot be written, "" if it can."""
    return "its value has control characters, which shells treat differently" if _CONTROL.search(value) else ""


def _word(text: str, at: int) -> tuple[str, int]:
    """Return the value that begins here, and where the next line begins."""
    parts: list[str] = []
    while True:
        if (found := _PLAIN.match(text, at) or _SINGLE.match(text, at)) is not None:
            parts.append(found[found.lastindex or 0])
        elif (found := _ESCAPED.match(text, at)) is not None:
            parts.append("" if found[1] == "\n" else found[1])
        elif (found := _DOUBLE.match(text, at)) is not None:
            parts.append(_IN_DOUBLE.sub(lambda one: "" if one[1] == "\n" else one[1], found[1]))
        else:
            break
        at = found.end()
    end = _END.match(text, at)
    if end is None:
        refuse(text, at, _advice(text[at]))
    return "".join(parts), end.end()


def _advice(character: str) -> str:
    if character in "'\"":
        return "these quotation marks are not closed, or what is in them would be expanded; use single ones"
    if character == "\r":
        return "end lines with a line feed alone"
    return "put the value into single quotation marks"


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found is not None else at


def _quoted(value: str) -> str:
    if _NEEDS_NO_QUOTES.fullmatch(value) is not None:
        return value
    return "'" + value.replace("'", "'\\''") + "'"
