"""How a condition is built, and which conditions of a status have changed. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import StandardCondition

MESSAGE_LIMIT = 4096
"""Characters that the API server accepts in the message of a condition."""

RawCondition = Mapping[str, Any]
"""A condition as the manifest has it."""


@dataclass(frozen=True, slots=True)
class ConditionBuilder:
    """Builds the conditions of one status.

    Args:
        previous: the conditions of the last status.
        generation: of the spec that was acted on.
        now: RFC 3339 in seconds.
    """

    previous: tuple[Condition, ...]
    generation: int
    now: str

    def build(self, kind: StrEnum, status: Truth, reason: str, message: str) -> Condition:
        """Return the condition. Its transition time stays that of the last status while the status is the same."""
        before = next((condition for condition in self.previous if condition.type == kind.value), None)
        since = before.last_transition_time if before is not None and before.status is status else self.now
        return Condition(
            type=kind.value,
            status=status,
            observed_generation=self.generation,
            last_transition_time=since,
            reason=str(reason),
            message=clip(message, MESSAGE_LIMIT),
        )


def transitions(before: Iterable[RawCondition], after: Iterable[RawCondition]) -> list[RawCondition]:
    """Return the conditions of `after` whose status or reason differs from `before`, or that are new.

    Those that repeat Ready for other tools are left out.
    """
    known = {condition["type"]: (condition["status"], condition["reason"]) for condition in before}
    own = (condition for condition in after if condition["type"] not in set(StandardCondition))
    return [condition for condition in own if known.get(condition["type"]) != _outcome(condition)]


def clip(text: str, limit: int) -> str:
    """Return the text; one that is longer than `limit` characters is cut and ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def clip_each(texts: Sequence[str], limit: int) -> list[str]:
    """Return the texts, together no longer than `limit` characters: the longest are cut first."""
    left, longest = limit, limit
    for waiting, text in zip(range(len(texts), 0, -1), sorted(texts, key=len), strict=True):
        longest = left // waiting
        left -= min(len(text), longest)
    return [clip(text, longest) for text in texts]


def _outcome(condition: RawCondition) -> tuple[str, str]:
    return condition["status"], condition["reason"]
