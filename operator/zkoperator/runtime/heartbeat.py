"""How late a loop is by its own word: what tells a loop that is stuck from one that has nothing to do."""

from zkoperator.runtime.clock import Clock


class Heartbeat:
    """The last word of one loop: when it will move again at the latest. A loop that has given none is never late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s = float("inf")

    def beat(self, pause_s: float = 0.0) -> None:
        """Say that the loop has moved, and will again after `pause_s`, give or take what one move takes."""
        self._due_s = self._clock.now_s() + pause_s

    def rest(self) -> None:
        """Say that the loop waits for somebody else, for as long as that takes."""
        self._due_s = float("inf")

    async def sleep(self, delay_s: float) -> None:
        """Sleep, having said so."""
        self.beat(delay_s)
        await self._clock.sleep(delay_s)
        self.beat()

    def late_s(self) -> float:
        """Return the seconds since the loop should have moved."""
        return max(0.0, self._clock.now_s() - self._due_s)
