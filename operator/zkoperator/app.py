"""The process of `zkoperator run`: it builds the adapters, serves the port, and stands by until it holds the Lease.

What a replica does while it holds the Lease is in `active_replica.py`; this module starts and stops that.

A process acts once. When it has lost the Lease it exits, and the kubelet starts a new one: the next holder begins with
what it observes, so nothing has to be handed over, and a process that was stopped for minutes never continues with
outdated knowledge.
"""

import asyncio
import logging
import secrets
import signal
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from zkoperator.active_replica import ActiveReplica
from zkoperator.health import STALLED_S, HealthServer
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.lease import Elector
from zkoperator.kube.session import Fence, no_fence
from zkoperator.kube.transport import Exchange, Transport
from zkoperator.metrics import Metrics
from zkoperator.settings import Settings

EXIT_CLEAN = 0
EXIT_LEASE_LOST = 3
"""The kubelet starts the container again, and the replica stands by."""
EXIT_CANNOT_LISTEN = 4

_log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Run the operator until SIGTERM or SIGINT, or until the Lease is lost; returns the exit status."""
    return uvloop.run(_Replica(settings).run())


class _Replica:
    """One process with its adapters, its Lease and its port."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics(objects=settings.object_metrics)
        self._source = CredentialSource(settings.kubeconfig or None)
        self._stop = asyncio.Event()
        self._active: ActiveReplica | None = None
        self._elector: Elector | None = None
        self._metrics.watch_ready(lambda: self._unready() is None)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with AsyncExitStack() as stack:
            transport = Transport(self._source, report=self._count_request)
            stack.push_async_callback(transport.close)
            health = HealthServer(self._metrics.registry, live={"loops": self._stalled}, ready={"start": self._unready})
            try:
                await health.start(self._settings.bind_address, self._settings.port)
            except OSError as error:
                _log.error("cannot listen on %s:%d: %s", self._settings.bind_address, self._settings.port, error)
                return EXIT_CANNOT_LISTEN
            stack.push_async_callback(health.stop)
            if not self._settings.lease:
                self._metrics.watch_leader(lambda: True)
                return await self._act(transport, no_fence, asyncio.Event().wait())
            # Requests that an API server keeps waiting must not keep the Lease from being renewed.
            renewals = Transport(self._source, concurrency=2, report=self._count_request)
            stack.push_async_callback(renewals.close)
            return await self._stand_by(transport, KubeClient(renewals))

    async def _stand_by(self, transport: Transport, renewals: KubeClient) -> int:
        """Wait for the Lease and act while we hold it. It is released only after everything that acts has ended."""
        settings = self._settings
        identity = f"{settings.identity or socket.gethostname()}_{secrets.token_hex(4)}"
        self._elector = elector = Elector(renewals, settings.namespace, settings.lease_name, identity)
        self._metrics.watch_leader(elector.is_leader)
        election = asyncio.create_task(elector.run(), name="election")
        try:
            _log.info("standing by for the lease %s/%s as %s", settings.namespace, settings.lease_name, identity)
            await _until_first(self._stop.wait(), elector.wait_acquired(), _ended(election))
            if self._stop.is_set():
                return EXIT_CLEAN
            return await self._act(transport, elector.require, elector.wait_lost(), _ended(election))
        finally:
            election.cancel()
            await asyncio.gather(election, return_exceptions=True)

    async def _act(self, transport: Transport, before_write: Fence, *lost: Coroutine[Any, Any, Any]) -> int:
        _log.info("acting in %s", ", ".join(self._settings.namespaces) or "all namespaces")
        api = KubeClient(transport, before_write=before_write)
        active = ActiveReplica(self._settings, api, self._source, self._metrics, before_write=before_write)
        self._active = active
        await _until_first(self._stop.wait(), *lost, active.run())
        _log.info("stopped" if self._stop.is_set() else "the lease is lost, ending")
        return EXIT_CLEAN if self._stop.is_set() else EXIT_LEASE_LOST

    def _stalled(self) -> str | None:
        if self._elector is not None and self._elector.stalled_s() > STALLED_S:
            return "the election has not moved for minutes"
        return self._active.stuck() if self._active is not None else None

    def _unready(self) -> str | None:
        """A standby is ready when it can see the Lease; the active replica, when it has listed everything once."""
        if self._active is not None:
            return self._active.unready()
        return self._elector.problem if self._elector is not None else "starting"

    def _count_request(self, exchange: Exchange) -> None:
        if exchange.verb == "watch":  # it is open for minutes: no latency
            return
        outcome = f"{exchange.code // 100}xx" if exchange.code else "lost"
        self._metrics.count_kube_request(exchange.verb, outcome, exchange.duration_s)


async def _ended(task: "asyncio.Task[None]") -> None:
    """Return when the task has ended, with its exception; being cancelled here does not cancel it."""
    await asyncio.wait({task})
    task.result()


async def _until_first(*awaited: Coroutine[Any, Any, Any]) -> None:
    """Return when the first one ends, with its exception if it has one; the others are cancelled and awaited."""
    tasks = [asyncio.create_task(coroutine) for coroutine in awaited]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
