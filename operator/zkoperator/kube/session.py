"""aiohttp as the transport needs it: a session for one set of credentials, and writes that leave once or not at all."""

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
"""What the network has swallowed for so long is given up, by the kernel, whether or not this process runs.

Otherwise it would send a write again and again, and deliver it when another replica leads: closing a connection calls
nothing back. So it is less than the time between the end of a holder's trust and the end of its Lease.
"""


def no_fence() -> None:
    """Let everything through."""


def open_session(credentials: Credentials) -> aiohttp.ClientSession:
    """Open a session in the running loop. `TransientError` when its TLS files cannot be read."""
    tls = credentials.ssl_context()
    connector = aiohttp.TCPConnector(
        limit=0, ssl=True if tls is None else tls, ttl_dns_cache=10, socket_factory=_impatient
    )
    return aiohttp.ClientSession(connector=connector, request_class=_Request, trust_env=False)


def once(fence: Fence) -> aiohttp.ClientMiddlewareType:
    """Have a write pass the fence on its open connection, and leave once.

    aiohttp repeats a DELETE whose connection was lost, and asks nobody; it knows those losses by their types.
    """

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if isinstance(request, _Request):
            request.fence = fence
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError:
            raise  # nothing has left; and it is not repeated
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise aiohttp.ClientConnectionError(type(error).__name__) from error

    return send


class _Request(aiohttp.ClientRequest):
    """Asks its fence when name, connection and TLS have had their time, right before the first byte leaves.

    Right before is in the same turn of the event loop: between two turns the process may stand still for an hour.
    Without a body the head leaves within `send`. With one it leaves in a task of its own, together with the body.
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
                # Whoever waits for the answer gets it, and closes the connection.
                conn.protocol.set_exception(error)
            return
        await super().write_bytes(writer, conn, content_length)


def _impatient(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNACKNOWLEDGED_S * 1000))
    return made
