"""Starts kopf again whenever it ends.

kopf ends by itself on an HTTP 410, on an error line in a watch and on a truncated line, and then cancels every task of
its event loop. So it has an event loop of its own, and nothing but the latency of a wake depends on it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

import kopf

from zkoperator.handlers.kopf_settings import narrow_settings
from zkoperator.handlers.kopf_thread import ABANDON_S, KopfThread
from zkoperator.handlers.registration import Wake, register, register_login
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import Resource
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.heartbeat import Heartbeat
from zkoperator.runtime.keys import Key

RESTART = Backoff(first_s=0.5, limit_s=30.0)

# Without an identity kopf looks up the name of our user. The numeric user of a pod has none, and kopf ends.
_IDENTITY = cast("Any", "zkoperator")
_LONG_RUN_S = 120.0


class Supervisor:
    """Keeps one kopf running.

    Args:
        source: of kopf's credentials.
        namespaces: to watch; empty: all.
        wakes: for each kind, what is called on the event loop of `run` for every event of it.
        clock: monotonic time.
        backoff: between the end of one run of kopf and the start of the next.
    """

    def __init__(
        self,
        source: CredentialSource,
        namespaces: tuple[str, ...],
        *,
        wakes: Mapping[Resource, Wake],
        clock: Clock = MONOTONIC,
        backoff: Backoff = RESTART,
    ) -> None:
        self._source = source
        self._namespaces = namespaces
        self._wakes = wakes
        self._clock = clock
        self._backoff = backoff
        self._log = logging.getLogger(__name__)
        self._replacement_wanted = asyncio.Event()
        self._heartbeat = Heartbeat(clock)
        self._thread: KopfThread | None = None
        self._started_s = clock.now_s()
        self.starts = 0

    def age_s(self) -> float:
        """Return the seconds since the last start of kopf; 0 before the first one."""
        return self._clock.now_s() - self._started_s if self.starts else 0.0

    def stalled_s(self) -> float:
        """Return the seconds for which kopf's event loop has not moved, or for which its next start is overdue."""
        return self._heartbeat.late_s() if self._thread is None else self._thread.stalled_s()

    def replace(self) -> None:
        """End the running kopf, which does not deliver events any more, and start another one."""
        self._replacement_wanted.set()

    async def run(self) -> None:
        """Run kopf until cancelled."""
        # kopf logs each request that it repeats, which interests nobody; its end is logged below.
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
        short_runs = 0
        while True:
            self._started_s = self._clock.now_s()
            self.starts += 1
            reason = await self._run_once()
            short_runs = 1 if self.age_s() > _LONG_RUN_S else short_runs + 1
            delay_s = self._backoff.delay_s(short_runs)
            self._log.warning("kopf %s and starts again in %.1f s; the slow list goes on", reason, delay_s)
            await self._heartbeat.sleep(delay_s)

    async def _run_once(self) -> str:
        """Run kopf until it ends and return what ended it, as a part of a log line."""
        self._replacement_wanted.clear()
        self._thread = thread = KopfThread(self._operator(), self._clock)
        replacement = asyncio.create_task(self._replacement_wanted.wait())
        thread.ended.add_done_callback(lambda _: replacement.cancel())
        try:
            await asyncio.wait({replacement})
        finally:
            replacement.cancel()
            self._thread = None
            self._heartbeat.beat(ABANDON_S)
            await thread.end()
        if self._replacement_wanted.is_set():
            return "missed a change"
        error = thread.ended.result() if thread.ended.done() else None
        return "ended" if error is None else f"ended with {type(error).__name__}"

    def _operator(self) -> Callable[[], "asyncio.Task[None]"]:
        registry = kopf.OperatorRegistry()
        loop = asyncio.get_running_loop()
        register(registry, {resource: _on_loop(loop, wake) for resource, wake in self._wakes.items()})
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


def _on_loop(loop: asyncio.AbstractEventLoop, wake: Wake) -> Wake:
    """Call the wake on its own event loop, from any thread."""

    def call(key: Key, version: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process exits
            loop.call_soon_threadsafe(wake, key, version)

    return call
