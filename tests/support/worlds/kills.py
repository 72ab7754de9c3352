"""The operator is killed at one of its writes, and goes on as a new process."""

from collections.abc import Awaitable, Callable

from tests.support.fakes.kube import Operation


class KilledError(BaseException):
    """The operator was killed."""


class KillAt:
    """Counts writes, and kills at the one of this number, from 1; at none for 0."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.writes = 0

    def write(self) -> None:
        self.writes += 1
        if self.writes == self._number:
            raise KilledError

    def request(self, operation: Operation) -> None:
        """Count a request to Kubernetes that writes anything but an Event."""
        if operation.is_write and operation.resource.plural != "events":
            self.write()


async def survives_kill(live: Callable[[], Awaitable[None]], revive: Callable[[], None]) -> bool:
    """Live, and after a kill once more with a new process. Whether there was a kill."""
    try:
        await live()
    except KilledError:
        revive()
        await live()
        return True
    return False
