"""What is rendered and what comes of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

LONGEST_MESSAGE: Final = 300
"""Longest message of a failure, in characters."""


@dataclass(frozen=True, slots=True)
class Job:
    """One rendering: templates by the names of their files, and the values of znodes by path (`db/url`)."""

    files: Mapping[str, str]
    values: Mapping[str, bytes]


class Cause(StrEnum):
    """Why there is no file."""

    TEMPLATE = "template"
    """The template is wrong, or does not fit the znodes."""
    TIME = "time"
    MEMORY = "memory"
    OUTPUT = "output"
    LOST = "lost"
    """The process has ended without an answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A rendering that has failed. `message` never has a value; `file` is "" and `line` 0 where they are not known."""

    cause: Cause
    message: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files by name. The same job always gives the same files."""

    files: Mapping[str, bytes]


Answer = Rendered | Failure


@dataclass(frozen=True, slots=True)
class Limits:
    """What one rendering may take.

    Args:
        cpu_s: seconds of a processor.
        memory_bytes: beside what the process has before it begins.
        output_bytes: of all files together.
        wall_s: seconds on a machine that gives the process nothing of a processor.
    """

    cpu_s: float
    memory_bytes: int = 64 * 1024 * 1024
    output_bytes: int = 1_048_576
    wall_s: float = 300.0


class Pace(StrEnum):
    """What is known of the time that the same templates took before."""

    NEW = "new"
    """Nothing, or they failed."""
    QUICK = "quick"
    SLOW = "slow"


class Renderer(Protocol):
    """Renders files, beside the event loop."""

    async def render(self, job: Job, pace: Pace = Pace.NEW) -> tuple[Answer, Pace]:
        """Return the answer, and the pace with which the same is to be rendered the next time."""


class NoRenderer:
    """Renders nothing, where nobody has brought a renderer."""

    async def render(self, job: Job, pace: Pace = Pace.NEW) -> tuple[Answer, Pace]:
        """Return a failure."""
        return Failure(Cause.LOST, "templates are not rendered here"), pace
