"""aiohttp sessions for one set of credentials, whose writes are sent once or not at all."""

import socket
from collections.abc import Callable

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from typing_extensions import override

from zkoperator.errors import ZkOperatorError
from zkoperator.kube.credentials import Credentials

Fence = Callable[[], float | None]
"""Raises to stop a write, or returns the seconds within which it must have its answer (None: as long as any other)."""

UNACKNOWLEDGED_S = 2.0
"""After so long without an acknowledgement the kernel gives a connection up, whether or not this process runs.

Otherwise the kernel would retransmit a write and deliver it when another replica leads already: closing a connection
does not recall what was written to it. So this is less than `Timing.margin_s` of the Lease.
"""


def no_fence() -> None:
    """Stop no write."""


def open_session(credentials: Credentials) -> aiohttp.ClientSession:
    """Open a session in the running loop. `TransientError` when its TLS files cannot be read."""
    tls = credentials.ssl_context()
    connector = aiohttp.TCPConnector(
        limit=0, ssl=True if tls is None else tls, ttl_dns_cache=10, socket_factory=_impatient
    )
    return aiohttp.ClientSession(connector=connector, request_class=_Request, trust_env=False)


def once(fence: Fence) -> aiohttp.ClientMiddlewareType:
    """Return a middleware that calls the fence right before a write is sent, and prevents its repetition.

    aiohttp repeats a DELETE whose connection was lost. It recognises that by the type of the error, so another type is
    raised here.
    """

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if isinstance(request, _Request):
            request.fence = fence
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError:
            raise  # nothing was sent, and aiohttp does not repeat it
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise aiohttp.ClientConnectionError(type(error).__name__) from error

    return send


class _Request(aiohttp.ClientRequest):
    """Calls the fence when the connection is open, right before the first byte is sent.

    "Right before" means in the same iteration of the event loop: between two iterations the process may be stopped for
    an hour. A request without a body is sent within `send`; one with a body in a task of its own (`write_bytes`).
    """

    fence: Fence = staticmethod(no_fence)

    @override
    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        self.fence()
        return await super().send(conn)

    @override
    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: aiohttp.connector.Connection, content_length: int | None = None
    ) -> None:
        try:
            self.fence()
        except ZkOperatorError as error:
            if conn.protocol is not None:
                # The request that waits for the answer gets the error and closes the connection.
                conn.protocol.set_exception(error)
            return
        await super().write_bytes(writer, conn, content_length)


def _impatient(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNACKNOWLEDGED_S * 1000))
    return made
