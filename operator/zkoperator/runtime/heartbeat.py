"""How late a loop is: distinguishes one that is stuck from one that has nothing to do."""

from zkoperator.runtime.clock import Clock


class Heartbeat:
    """The time by which one loop has announced to move again. A loop that has announced nothing is never late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s = float("inf")

    def beat(self, pause_s: float = 0.0) -> None:
        """Note that the loop has moved, and will move again in about `pause_s`."""
        self._due_s = self._clock.now_s() + pause_s

    def rest(self) -> None:
        """Note that the loop waits for something else, for however long."""
        self._due_s = float("inf")

    async def sleep(self, delay_s: float) -> None:
        """Sleep, and announce that."""
        self.beat(delay_s)
        await self._clock.sleep(delay_s)
        self.beat()

    def late_s(self) -> float:
        """Return the seconds since the loop should have moved."""
        return max(0.0, self._clock.now_s() - self._due_s)
