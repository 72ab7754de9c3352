"""The HTTP face of a running operator: /livez, /readyz and /metrics on one port.

/livez speaks for every loop, not merely for the process: one that should have moved for longer than `STALLED_S` makes
it fail and is named, so that the kubelet restarts a stuck operator. /readyz says that the replica could act: it has
listed everything and can follow it. Whether it does act (holds the Lease) is a metric, not readiness: a standby is
ready.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

STALLED_S = 360.0
"""Longer than the longest pass that a loop allows."""

Check = Callable[[], str | None]
"""Returns what is wrong in one line, or None."""


class HealthServer:
    """Serves until `stop`; `port` is the bound one when 0 was asked for."""

    def __init__(self, registry: CollectorRegistry, *, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._registry = registry
        self._app = web.Application()
        self._app.router.add_get("/livez", _verdict(live))
        self._app.router.add_get("/readyz", _verdict(ready))
        self._app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(self._app, access_log=None)
        self.port = 0

    async def start(self, address: str, port: int) -> None:
        """Bind. Raises OSError when the port is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, address, port)
        await site.start()
        server = site._server  # aiohttp names the bound port nowhere else
        if isinstance(server, asyncio.Server):
            self.port = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        # Rendering thousands of series takes tens of milliseconds: off the loop that mirrors in single ones.
        body = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _verdict(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        wrong = {name: problem for name, check in checks.items() if (problem := check()) is not None}
        text = "\n".join(f"{name}: {problem}" for name, problem in wrong.items()) or "ok"
        return web.Response(text=text + "\n", status=503 if wrong else 200)

    return answer
