"""Tables, ages and colours for a terminal. Pure."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_GAP = "  "
_SHORTEST_CELL = 20


class Colour(StrEnum):
    """The colours that are used, each for one meaning, as SGR parameters."""

    GOOD = "32"
    WAITING = "33"
    BAD = "31"
    DIM = "2"
    STRONG = "1"


@dataclass(frozen=True, slots=True)
class Style:
    """How text is shown.

    Args:
        colours: whether text is painted.
        width: columns of the terminal, None for an output of any width.
    """

    colours: bool
    width: int | None = None

    def paint(self, text: str, colour: Colour | None) -> str:
        """Return the text in the colour."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colours and colour is not None and text else text


def wants_colours(*, is_terminal: bool, environ: Mapping[str, str]) -> bool:
    """Return whether to use colours: on a terminal with colours, unless `NO_COLOR` is set (no-color.org)."""
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Return a table with aligned columns, without trailing white space. Cells may be painted.

    With a `width`, the cells of the last column, which must not be painted, are cut where the line ends.
    """
    lines = [list(head), *map(list, rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    if width is not None:
        room = max(width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1), _SHORTEST_CELL)
        lines = [[*line[:-1], _cut(line[-1], room)] for line in lines]
        widths[-1] = min(widths[-1], room)
    return _aligned(lines, widths)


def whole_table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Return a table with aligned columns in which the last column, which must not be painted, goes on in new lines."""
    if width is None:
        return table(head, rows)
    lines = [list(head), *map(list, rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    widths[-1] = max(width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1), _SHORTEST_CELL)
    return _aligned([part for line in lines for part in _folded(line, widths[-1])], widths)


def _folded(line: Sequence[str], room: int) -> list[list[str]]:
    first, *more = textwrap.wrap(line[-1], room) or [""]
    return [[*line[:-1], first], *([*[""] * (len(line) - 1), part] for part in more)]


def _aligned(lines: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    return "\n".join(
        _GAP.join(_padded(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _width(cell: str) -> int:
    return len(_ESCAPE.sub("", cell))


def _cut(cell: str, room: int) -> str:
    return cell if len(cell) <= room else cell[: room - 1] + "…"


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def age(since: str, now: datetime) -> str:
    """Return how long ago an RFC 3339 time was, in its largest unit; "" for no time."""
    if not since:
        return ""
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def printable(text: str) -> str:
    """Return the text without control characters, because names of znodes may contain escape sequences."""
    return "".join(character if character.isprintable() else "?" for character in text)
