"""How many znodes one multi-read asks for. Pure."""

from dataclasses import dataclass
from typing import Final

_FIRST: Final = 16
_LONGEST: Final = 500
_WANTED_BYTES: Final = 256 * 1024
"""The server builds the whole answer in its heap, and knows no limit for it."""


@dataclass(slots=True)
class BatchSize:
    """Adapts the number of znodes to the sizes that were seen, so that an answer has some 256 KiB."""

    count: int = _FIRST

    def answered(self, znodes: int, size_bytes: int) -> None:
        """Note the size of an answer. The number at most doubles: a few small ones say little of the rest."""
        fitting = max(1, _WANTED_BYTES * znodes // max(1, size_bytes))
        self.count = max(1, min(fitting, 2 * self.count, _LONGEST))

    def refused(self, znodes: int) -> None:
        """Note that an answer was too large."""
        self.count = max(1, min(self.count, znodes // 2))
