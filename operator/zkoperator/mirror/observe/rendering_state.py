"""What this process remembers of the renderings of one ConfigSync. Its loss costs one rendering."""

import asyncio
from dataclasses import dataclass, field

from zkoperator.mirror.model.template import Rendering
from zkoperator.templates.port import Failure, Pace


@dataclass(frozen=True, slots=True)
class Made:
    """One rendering that has ended: what it was made of, and the files or why there are none."""

    fingerprint: bytes
    rendering: Rendering
    failure: Failure | None = None


@dataclass(slots=True)
class RenderingState:
    """The rendering that is under way, and the last one. Times are monotonic seconds."""

    task: asyncio.Task[None] | None = None
    made: Made | None = None
    is_news: bool = False
    """Whether no pass has seen `made` yet."""
    source: tuple[int, int] = (0, 0)
    """Which subtree it was read from, and how often that had lost its connection."""
    values: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """path -> digest and value of each input, so that one change does not read all of them again."""
    templates: bytes = b""
    """The digest of the templates for which the rest is remembered."""
    pace: Pace = Pace.NEW
    overruns: int = 0
    """Renderings in a row that have reached a limit."""
    not_before_s: float = float("-inf")
    """Before this time nothing is rendered, because the last rendering has reached a limit."""

    def begin(self, templates: bytes) -> None:
        """Forget what is known of other templates."""
        if templates != self.templates:
            self.templates, self.pace = templates, Pace.NEW
            self.overruns, self.not_before_s = 0, float("-inf")

    def give_up(self) -> None:
        """End the rendering that is under way, and forget one that no pass has seen."""
        if self.task is not None:
            self.task.cancel()
        self.task, self.is_news = None, False
