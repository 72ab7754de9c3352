"""kopf, started again whenever it ends.

It ends by itself on an HTTP 410, on an error line in a watch and on a line that is cut, and then it cancels every task
of its event loop. So it gets a loop that holds nothing else, and nothing depends on it but the speed of a wake.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, cast

import kopf

from zkoperator.handlers.kopf_settings import narrow_settings
from zkoperator.handlers.kopf_thread import ABANDON_S, Life
from zkoperator.handlers.registration import Wake, register, register_login
from zkoperator.kube.credentials import CredentialSource
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.heartbeat import Heartbeat
from zkoperator.runtime.keys import Key

RESTART = Backoff(first_s=0.5, limit_s=30.0)

# Without one kopf asks for the name of our user, which a pod's numeric user does not have, and ends.
_IDENTITY = cast("Any", "zkoperator")
_LONG_LIFE_S = 120.0


class Supervisor:
    """Keeps one kopf running.

    Args:
        source: of kopf's credentials.
        namespaces: to watch; empty: all.
        wake_cluster: called on the event loop of `run` for every event of a ZooKeeperCluster.
        wake_sync: the same for a ConfigSync.
        clock: monotonic time.
        backoff: between the end of one life and the start of the next.
    """

    def __init__(
        self,
        source: CredentialSource,
        namespaces: tuple[str, ...],
        *,
        wake_cluster: Wake,
        wake_sync: Wake,
        clock: Clock = MONOTONIC,
        backoff: Backoff = RESTART,
    ) -> None:
        self._source = source
        self._namespaces = namespaces
        self._wake_cluster = wake_cluster
        self._wake_sync = wake_sync
        self._clock = clock
        self._backoff = backoff
        self._log = logging.getLogger(__name__)
        self._blind = asyncio.Event()
        self._pulse = Heartbeat(clock)
        self._life: Life | None = None
        self._born_s = clock.now_s()
        self.lives = 0

    def age_s(self) -> float:
        """Return the seconds since kopf was started last; 0 before its first start."""
        return self._clock.now_s() - self._born_s if self.lives else 0.0

    def stalled_s(self) -> float:
        """Return the seconds for which kopf's event loop has not moved, or for which its next start is overdue."""
        return self._pulse.late_s() if self._life is None else self._life.stalled_s()

    def replace(self) -> None:
        """End the kopf that runs, which has gone blind, and start another one."""
        self._blind.set()

    async def run(self) -> None:
        """Run kopf until cancelled."""
        # What it has to say is either of interest to nobody (each request that it repeats) or said below.
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
        short_lives = 0
        while True:
            self._born_s = self._clock.now_s()
            self.lives += 1
            reason = await self._live()
            short_lives = 1 if self.age_s() > _LONG_LIFE_S else short_lives + 1
            delay_s = self._backoff.delay_s(short_lives)
            self._log.warning("kopf %s and starts again in %.1f s; the slow list goes on", reason, delay_s)
            await self._pulse.sleep(delay_s)

    async def _live(self) -> str:
        """Run one kopf to its end and return what ended it."""
        self._blind.clear()
        self._life = life = Life(self._operator(), self._clock)
        blind = asyncio.create_task(self._blind.wait())
        life.ended.add_done_callback(lambda _: blind.cancel())
        try:
            await asyncio.wait({blind})
        finally:
            blind.cancel()
            self._life = None
            self._pulse.beat(ABANDON_S)
            await life.end()
        if self._blind.is_set():
            return "missed a change"
        error = life.ended.result() if life.ended.done() else None
        return "ended" if error is None else f"ended with {type(error).__name__}"

    def _operator(self) -> Callable[[], "asyncio.Task[None]"]:
        registry = kopf.OperatorRegistry()
        loop = asyncio.get_running_loop()
        register(registry, _across(loop, self._wake_cluster), _across(loop, self._wake_sync))
        register_login(registry, self._source)

        def start() -> "asyncio.Task[None]":
            return asyncio.create_task(
                kopf.operator(
                    registry=registry,
                    settings=narrow_settings(),
                    standalone=True,
                    identity=_IDENTITY,
                    clusterwide=not self._namespaces,
                    namespaces=self._namespaces,
                )
            )

        return start


def _across(loop: asyncio.AbstractEventLoop, wake: Wake) -> Wake:
    """Call the wake on its own event loop, from any thread."""

    def call(key: Key, version: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process exits
            loop.call_soon_threadsafe(wake, key, version)

    return call
