"""How kopf logs in: as our own client does, to the same server by the same name."""

import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import kopf
import pytest
import trustme
from aiohttp import web
from kopf._cogs.clients.auth import APIContext

from zkoperator.handlers.registration import register_login
from zkoperator.kube.credentials import Credentials, CredentialSource


class Source(CredentialSource):
    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self.credentials = credentials

    def renew(self) -> Credentials:
        return self.credentials


@asynccontextmanager
async def api_server(authority: trustme.CA, name: str) -> AsyncIterator[str]:
    """Serve under a certificate for this name; the answer is the Authorization header."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=request.headers.get("Authorization", ""))

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def login(credentials: Credentials) -> kopf.ConnectionInfo:
    return await login_from(Source(credentials))


async def login_from(source: CredentialSource) -> kopf.ConnectionInfo:
    registry = kopf.OperatorRegistry()
    register_login(registry, source)
    (handler,) = registry._activities.get_all_handlers()
    function: Callable[..., Any] = handler.fn
    info = await function()
    assert isinstance(info, kopf.ConnectionInfo)
    return info


async def ask(info: kopf.ConnectionInfo) -> str:
    context = APIContext(info)
    try:
        async with context.session.get(info.server) as response:
            return await response.text()
    finally:
        await context.close()


async def test_kopf_reaches_a_server_whose_certificate_bears_another_name(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    async with api_server(authority, "api.internal") as url:
        credentials = Credentials(url, "Bearer hunter2", str(tmp_path / "ca.crt"), tls_server_name="api.internal")
        assert await ask(await login(credentials)) == "Bearer hunter2"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await ask(await login(replace(credentials, tls_server_name=None)))


async def test_kopf_knows_credentials_that_were_refused_already() -> None:
    credentials = Credentials("https://api.example", authorization="Bearer hunter2")
    assert await login(credentials) == await login(credentials)
    assert await login(credentials) != await login(replace(credentials, authorization="Bearer new"))


async def test_kopf_logs_in_on_a_thread_that_no_process_waits_for() -> None:
    class Observing(Source):
        def renew(self) -> Credentials:
            threads.append(threading.current_thread())
            return super().renew()

    threads: list[threading.Thread] = []
    await login_from(Observing(Credentials("https://api", authorization="Bearer hunter2")))
    assert [thread.daemon for thread in threads] == [True]
