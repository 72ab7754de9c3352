"""How long to wait after a failure: exponential, bounded, with jitter."""

import random
from collections.abc import Callable
from dataclasses import dataclass

_Uniform = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with jitter, which spreads the retries of many callers over the interval.

    `first_s` bounds the first delay, every further failure multiplies the bound by `factor` up to `limit_s`.
    """

    first_s: float = 0.5
    limit_s: float = 60.0
    factor: float = 2.0
    uniform: _Uniform = random.uniform

    def ceiling_s(self, attempt: int) -> float:
        """Return the longest delay after the `attempt`-th failure in a row (from 1)."""
        bound = self.first_s
        for _ in range(attempt - 1):
            if bound >= self.limit_s:
                break
            bound *= self.factor
        return min(bound, self.limit_s)

    def delay_s(self, attempt: int) -> float:
        """Return a delay between a tenth of the ceiling and the ceiling, so that it is never close to 0."""
        ceiling = self.ceiling_s(attempt)
        return self.uniform(ceiling / 10, ceiling)


def spread_s(period_s: float, *, share: float = 0.1, uniform: _Uniform = random.uniform) -> float:
    """Return the period plus or minus `share` of it, so that periodic work of many keys is spread."""
    return uniform(period_s * (1 - share), period_s * (1 + share))
