"""The port of the operator on the loopback addresses of this machine."""

import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from zkoperator.health import HealthServer


@pytest.mark.parametrize("address", ["::", "0.0.0.0", "127.0.0.1", *(["::1"] if socket.has_dualstack_ipv6() else [])])
async def test_the_port_answers_at_every_address_that_was_asked_for_and_at_no_other(address: str) -> None:
    """A kubelet asks at the pod's first address, of whichever family: `::` must answer both."""
    asked = {"::": {"127.0.0.1", "::1"}, "0.0.0.0": {"127.0.0.1"}}.get(address, {address})
    here = {"127.0.0.1", *(["::1"] if socket.has_dualstack_ipv6() else [])}
    server = HealthServer(CollectorRegistry(), live={}, ready={})
    await server.start(address, 0)
    try:
        assert {each for each in here if await _answers(each, server.port)} == asked & here
    finally:
        await server.stop()


async def _answers(address: str, port: int) -> bool:
    host = f"[{address}]" if ":" in address else address
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/livez") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectorError:
        return False
