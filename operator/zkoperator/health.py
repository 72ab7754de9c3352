"""The HTTP server of a running operator: /livez, /readyz and /metrics on one port.

/livez covers every loop, not only the process: it fails and names a loop that has not moved for `STALLED_S` although it
should have, so that the kubelet restarts the operator. /readyz succeeds when the replica could act: it has listed
everything and can watch it. A standby is ready too; whether a replica holds the Lease is a metric.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

STALLED_S = 360.0
"""Longer than the longest pass that a loop allows."""

Check = Callable[[], str | None]
"""Returns what is wrong in one line, or None."""


class HealthServer:
    """Serves until `stop`. `port` is the port that is bound, also when any free one was asked for (0)."""

    def __init__(self, registry: CollectorRegistry, *, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._registry = registry
        self._app = web.Application()
        self._app.router.add_get("/livez", _verdict(live))
        self._app.router.add_get("/readyz", _verdict(ready))
        self._app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(self._app, access_log=None)
        self.port = 0

    async def start(self, address: str, port: int) -> None:
        """Bind; `::` is all addresses of IPv4 and IPv6. Raises OSError when the port is taken."""
        listener = _listener(address, port)
        self.port = listener.getsockname()[1]
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Close the port."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        # In a thread, because rendering thousands of series takes tens of milliseconds and would delay the event loop.
        body = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _listener(address: str, port: int) -> socket.socket:
    """Return a bound socket. asyncio would bind `::` for IPv6 alone, and the kernel may have no IPv6."""
    both = address == "::"
    if both and not socket.has_dualstack_ipv6():
        both, address = False, "0.0.0.0"  # noqa: S104 - all addresses are what was asked for
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, dualstack_ipv6=both)


def _verdict(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        wrong = {name: problem for name, check in checks.items() if (problem := check()) is not None}
        text = "\n".join(f"{name}: {problem}" for name, problem in wrong.items()) or "ok"
        return web.Response(text=text + "\n", status=503 if wrong else 200)

    return answer
