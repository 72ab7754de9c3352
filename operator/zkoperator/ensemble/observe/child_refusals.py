"""What is remembered of optional children that the API server has refused. Pure.

It is lost with the process, which then asks once more and hears the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.ensemble.build.children import Child

ASK_AGAIN_S = 30.0
"""Seconds after which what was refused is asked for again: a port may be free again."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    generation: int
    why: str
    at_s: float


class ChildRefusals:
    """Remembers the refused children of one cluster. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._refusals: dict[Child, _Refusal] = {}

    def note(self, child: Child, generation: int, why: str, now_s: float) -> None:
        """Note why this child could not be written or deleted as this generation of the cluster asks."""
        self._refusals[child] = _Refusal(generation, why, now_s)

    def read(self, generation: int, now_s: float) -> Mapping[Child, str]:
        """Return why children were refused; what is over is forgotten."""
        self._refusals = {
            child: found
            for child, found in self._refusals.items()
            if found.generation == generation and now_s - found.at_s < ASK_AGAIN_S
        }
        return {child: found.why for child, found in self._refusals.items()}
