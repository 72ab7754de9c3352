"""An HTTP proxy in front of a Kubernetes API server that does to each request what the rules say."""

import asyncio
import json
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.support.faults.proxies import snapshots, watches
from tests.support.faults.proxies.credentials import Frontend, Upstream
from tests.support.faults.proxies.gates import Gates
from tests.support.faults.proxies.journal import Journal, Side, TrapSprungError
from tests.support.faults.proxies.kube_requests import KubeRequest, parse
from tests.support.faults.proxies.listening import listening
from tests.support.faults.proxies.rules import (
    Answer,
    CutReply,
    Delay,
    DropReply,
    DropRequest,
    Hold,
    Rule,
    RuleBook,
    ServeSnapshot,
    Snapshot,
)

# Compression is left out beside them, so that answers can be read.
_HOP_BY_HOP = frozenset(
    {"accept-encoding", "connection", "host", "transfer-encoding", "content-length", "authorization", "keep-alive"}
)
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class KubeProxy:
    """Terminates TLS with an authority of its own, forwards as the given identity, relays watches line by line.

    Use as `async with KubeProxy(Upstream.from_kubeconfig(path)) as proxy:`; a request that is held goes on when its
    client is dead, as one that was in flight would.
    """

    def __init__(
        self, upstream: Upstream, *, journal: Journal | None = None, address: str = "127.0.0.1", netns: str = ""
    ) -> None:
        self._upstream = upstream
        self._address = address
        self._netns = netns
        self._frontend = Frontend(*({address} - {"127.0.0.1"}))
        self._port = 0
        self._site: web.SockSite | None = None
        self.rules = RuleBook()
        self.gates = Gates()
        self.journal = journal or Journal()
        self.requests: list[KubeRequest] = []

    @property
    def url(self) -> str:
        return f"https://{self._address}:{self._port}"

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig that an operator behind this proxy uses."""
        return self._frontend.write_kubeconfig(path, self.url)

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.TCPConnector(ssl=self._upstream.tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._server = web.Server(self._handle, request_factory=_request, access_log=None)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gates.release_all()
        self.rules.clear()
        self.cut()
        await self._runner.cleanup()
        await self._client.close()

    async def up(self) -> None:
        """Accept connections (again, on the same port)."""
        line = listening(self._address, self._port, self._netns)
        self._port = line.getsockname()[1]
        self._site = web.SockSite(self._runner, line, ssl_context=self._frontend.tls())
        await self._site.start()

    async def down(self) -> None:
        """Refuse connections and cut those that are open: the server is gone."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self.cut()

    async def rotate_authority(self) -> None:
        """Come back with a certificate of another authority; kubeconfigs that were written before do not fit."""
        await self.down()
        self._frontend = Frontend(*({self._address} - {"127.0.0.1"}))
        await self.up()

    def cut(self) -> None:
        """Reset every open connection, idle ones too."""
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def take_snapshot(self, *collections: str) -> Snapshot:
        """Record lists as they are now, by their paths (`/api/v1/configmaps`)."""
        lists = []
        for path in collections:
            async with self._client.get(self._upstream.url + path, headers=self._identity()) as response:
                response.raise_for_status()
                resource = parse("GET", path, {}, "").resource
                lists.append((resource, (await response.read()).decode()))
        return Snapshot(tuple(lists))

    def _identity(self) -> dict[str, str]:
        plain = {"Accept-Encoding": "identity"}
        return plain | ({"Authorization": f"Bearer {self._upstream.token}"} if self._upstream.token else {})

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        subject = parse(request.method, request.path, request.query, request.content_type)
        self.requests.append(subject)
        try:
            return await self._serve(request, subject)
        except (TrapSprungError, aiohttp.ClientError, ConnectionError):
            return _abort(request)

    async def _serve(self, request: web.BaseRequest, subject: KubeRequest) -> web.StreamResponse:
        body = await request.read()
        rule = self.rules.pick(subject)
        if (refusal := await self._before(request, subject, rule)) is not None:
            return refusal
        if subject.verb == "watch":
            return await self._watch(request, subject, rule)
        handle = self.journal.begin(Side.KUBERNETES, subject.verb, subject.target) if subject.mutates else None
        answer, payload = await self._forward(request, body)
        if handle is not None:
            self.journal.end(handle, answer.status, *_result(payload))
        return await self._after(request, answer, payload, rule)

    async def _before(
        self, request: web.BaseRequest, subject: KubeRequest, rule: Rule | None
    ) -> web.StreamResponse | None:
        """Act before anything is forwarded; a response returned here is the whole answer."""
        match rule and rule.action:
            case DropRequest():
                return _abort(request)
            case Answer() as answer:
                return _refusal(answer)
            case Delay(seconds, reply=False):
                await asyncio.sleep(seconds)
            case Hold(key, reply=False):
                await self.gates.wait(key)
            case ServeSnapshot(snapshot) if rule is not None:
                return await snapshots.serve(request, subject, snapshot, lambda: self.rules.holds(rule))
        return None

    async def _forward(self, request: web.BaseRequest, body: bytes) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self._send(request, body) as answer:
            return answer, await answer.read()

    def _send(self, request: web.BaseRequest, body: bytes) -> aiohttp.client._RequestContextManager:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP} | self._identity()
        url = self._upstream.url + request.path_qs
        return self._client.request(request.method, url, headers=headers, data=body or None)

    async def _after(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, payload: bytes, rule: Rule | None
    ) -> web.StreamResponse:
        """Act on the server's answer, then pass it on."""
        match rule and rule.action:
            case DropReply():
                return _abort(request)
            case Delay(seconds, reply=True):
                await asyncio.sleep(seconds)
            case Hold(key, reply=True):
                await self.gates.wait(key)
            case CutReply(share):
                return await _cut_reply(request, answer, payload, share)
        return web.Response(status=answer.status, body=payload, headers=_passed_on(answer))

    async def _watch(self, request: web.BaseRequest, subject: KubeRequest, rule: Rule | None) -> web.StreamResponse:
        async with self._send(request, b"") as answer:
            if answer.status != 200:
                payload = await answer.read()
                return web.Response(status=answer.status, body=payload, headers=_passed_on(answer))
            if (lost := await self._before_stream(request, rule)) is not None:
                return lost
            response = web.StreamResponse(status=200, headers=_passed_on(answer))
            await response.prepare(request)
            relay = watches.Relay(subject, self.rules, self.gates, rule, lambda: _gone(request))
            ending = await relay.run(answer.content, response)
        if ending is watches.Ending.RESET:
            return _abort(request)
        await response.write_eof()
        return response

    async def _before_stream(self, request: web.BaseRequest, rule: Rule | None) -> web.StreamResponse | None:
        """Act on the reply to a watch, which is its first byte; a response returned here is the whole answer."""
        match rule and rule.action:
            case DropReply() | CutReply():
                return _abort(request)
            case Delay(seconds, reply=True):
                await asyncio.sleep(seconds)
            case Hold(key, reply=True):
                await self.gates.wait(key)
        return None


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    # Without a limit of its own: the API server is the one to refuse a body that is too large.
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=0)


def _passed_on(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}


def _refusal(answer: Answer) -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": answer.message,
        "reason": answer.reason or _REASONS.get(answer.status, ""),
        "code": answer.status,
    }
    headers = {} if answer.retry_after_s is None else {"Retry-After": str(answer.retry_after_s)}
    return web.json_response(status, status=answer.status, headers=headers)


async def _cut_reply(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, payload: bytes, share: float
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_passed_on(answer))
    response.content_length = len(payload)
    await response.prepare(request)
    await response.write(payload[: int(len(payload) * share)])
    return _abort(request)


def _gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


def _abort(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _result(payload: bytes) -> tuple[str, str]:
    """The resourceVersion of an answer and the uid of what was deleted, each empty when it tells none.

    A deletion is answered by a Status, which has no resourceVersion; while finalizers hold it up, by the object.
    """
    try:
        answer = json.loads(payload)
        deleted = answer.get("details") or {} if answer.get("status") == "Success" else {}
        return str(answer.get("metadata", {}).get("resourceVersion", "")), str(deleted.get("uid", ""))
    except (ValueError, AttributeError):
        return "", ""
