"""Lines of the logs of several members, in the order of their time. Pure."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zkoperator.cli.view.terminal import Colour, Style, printable

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `time` is when the kubelet read it, as it writes it."""

    pod: str
    time: str
    text: str

    @property
    def moment(self) -> datetime:
        """The time; long ago for a line without one."""
        try:
            found = datetime.fromisoformat(self.time)
        except ValueError:
            return _LONG_AGO
        return found if found.tzinfo is not None else _LONG_AGO

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON types."""
        return {"pod": self.pod, "time": self.time, "line": self.text}


def parsed(pod: str, raw: str) -> LogLine:
    """Return a line as the API server sends it with `timestamps`."""
    time, _, text = raw.partition(" ")
    return LogLine(pod, time, text)


def in_order(logs: Iterable[tuple[str, str]]) -> Iterator[LogLine]:
    """Yield the lines of several logs, given by pod and text, in the order of their time."""
    parts = ([parsed(pod, raw) for raw in text.splitlines()] for pod, text in logs)
    yield from heapq.merge(*parts, key=lambda line: line.moment)


def text(line: LogLine, style: Style, width: int) -> str:
    """Return the line behind the name of its pod, which gets `width` columns."""
    return f"{style.paint(line.pod.ljust(width), Colour.DIM)}  {printable(line.text.expandtabs(4))}"
