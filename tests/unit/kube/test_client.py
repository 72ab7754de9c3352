"""What becomes of answers that no API server gives: some proxy speaks in its place."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from aiohttp import web

from zkoperator.errors import TransientError, UnknownOutcomeError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import Credentials, CredentialSource
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.kube.transport import Transport

TOO_DEEP = b'{"metadata": ' * 5000 + b"{}" + b"}" * 5000


class Source(CredentialSource):
    def __init__(self, server: str) -> None:
        super().__init__()
        self._found = Credentials(server)

    def current(self) -> Credentials:
        return self._found


class Proxy:
    """Says the same to everybody."""

    body = b""

    async def handle(self, _: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=self.body, content_type="application/json")


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[KubeClient]:
    runner = web.ServerRunner(web.Server(proxy.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    transport = Transport(Source(f"http://127.0.0.1:{runner.addresses[0][1]}"))
    yield KubeClient(transport)
    await transport.close()
    await runner.cleanup()


async def test_one_object_that_is_nested_without_end_hides_no_other(client: KubeClient, proxy: Proxy) -> None:
    odd = b'{"metadata": {"name": "odd", "managedFields": [{"fieldsV1": ' + TOO_DEEP + b"}]}}"
    proxy.body = b'{"metadata": {"resourceVersion": "1"}, "items": [' + odd + b', {"metadata": {"name": "other"}}]}'
    listing = await client.list(CONFIG_MAPS)
    assert [item["metadata"]["name"] for item in listing.items] == ["odd", "other"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b"[]", b"{}", b'{"metadata": []}', b'{"items": [], "metadata": {}}', TOO_DEEP]
)
async def test_a_list_that_is_none_is_transient(client: KubeClient, proxy: Proxy, body: bytes) -> None:
    proxy.body = body
    with pytest.raises(TransientError):
        await client.list(CONFIG_MAPS)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"status": "maintenance"}'])
async def test_an_object_that_is_none_is_transient_and_a_write_has_an_unknown_outcome(
    client: KubeClient, proxy: Proxy, body: bytes
) -> None:
    proxy.body = body
    with pytest.raises(TransientError) as raised:
        await client.get(CONFIG_MAPS, "demo", "shop")
    assert not isinstance(raised.value, UnknownOutcomeError)
    for write in (
        client.patch(CONFIG_MAPS, "demo", "shop", {}),
        client.create(CONFIG_MAPS, "demo", {}),
        client.delete(CONFIG_MAPS, "demo", "shop"),
    ):
        with pytest.raises(UnknownOutcomeError):
            await write


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"[]",
        b"{}",
        TOO_DEEP,
        b'{"type": "ADDED"}',
        b'{"type": "ERROR"}',
        b'{"type": "ADDED", "object": {}}',
        b'{"type": "MODIFIED", "object": {"metadata": {"name": "shop"}}}',
    ],
)
async def test_a_line_that_is_no_event_is_transient(client: KubeClient, proxy: Proxy, line: bytes) -> None:
    proxy.body = line + b"\n"
    with pytest.raises(TransientError):
        async with aclosing(client.watch(CONFIG_MAPS, resource_version="1")) as events:
            await anext(events)
