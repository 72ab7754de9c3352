"""How long the oldest change of one side has waited to be written to the other side. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class LatencyClock:
    """Times are monotonic seconds; `since_s` is None while no change waits."""

    since_s: float | None = None
    _latest_s: float = float("-inf")

    def heard(self, now_s: float) -> None:
        """Note a change."""
        self._latest_s = now_s
        if self.since_s is None:
            self.since_s = now_s

    def settled(self, as_of_s: float) -> None:
        """Note that all changes before `as_of_s` were written or needed no write."""
        self.since_s = self._latest_s if self._latest_s > as_of_s else None
