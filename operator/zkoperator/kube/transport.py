"""HTTP to the API server: sessions, credentials and their renewal, deadlines, and the outcome of a write.

Does not know Kubernetes objects. Bodies are never logged and never part of an error.
"""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import aiohttp

from zkoperator.errors import TransientError, UnknownOutcomeError, ZkOperatorError, with_brief
from zkoperator.kube.credentials import Credentials, CredentialSource
from zkoperator.kube.failures import Request, translate
from zkoperator.kube.session import Fence, no_fence, once, open_session
from zkoperator.runtime.blocking_calls import DaemonThread

_CREDENTIALS_AGE_S = 30.0
_LARGE = 256 * 1024
_QUEUED, _UNCONNECTED = "too many requests wait for the API server", "cannot connect to the API server"
_HEADERS = {"User-Agent": "zkoperator", "Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, relative to the server."""

    method: str
    path: str
    params: Mapping[str, str]
    body: bytes | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response."""

    code: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One finished request, for metrics. `code` is 0 when no answer came."""

    verb: str
    resource: str
    code: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class _Login:
    session: aiohttp.ClientSession
    credentials: Credentials
    loaded_s: float


class Transport:
    """The HTTP client of a process for the API server.

    Args:
        source: of credentials; read again every half minute, and renewed after a 401 or a failed TLS handshake.
        concurrency: requests in flight at once, watches not counted.
        report: called with every finished request.
    """

    def __init__(
        self,
        source: CredentialSource,
        *,
        concurrency: int = 32,
        report: Callable[[Exchange], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._slots = asyncio.Semaphore(concurrency)
        self._report = report
        self._login: _Login | None = None
        self._login_lock = asyncio.Lock()
        # A thread of its own: a login plugin that hangs must not block threads that others use.
        self._thread = DaemonThread("credentials")
        self._refreshing: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close every connection."""
        tasks = [*self._retiring, *filter(None, (self._refreshing,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._login is not None:
            await self._login.session.close()
            self._login = None
        self._thread.close()

    async def send(self, request: Request, call: Call, *, deadline_s: float, before: Fence = no_fence) -> Answer:
        """Send the request and return the whole answer, whatever its code is (401 excepted).

        `before` is called when a write begins and again at the last moment before it is sent. Raises `TransientError`
        for reads and for writes that cannot have reached the server; `UnknownOutcomeError` for any other write.
        """
        started_s = time.monotonic()
        code = 0
        try:
            async with self._slot(request, deadline_s), self._deadline(request, deadline_s):
                answer = await self._authorized(request, call, before)
            code = answer.code
            return answer
        finally:
            self._report(Exchange(request.verb, request.resource.plural, code, time.monotonic() - started_s))

    @asynccontextmanager
    async def stream(
        self, request: Request, call: Call, *, deadline_s: float, inactivity_s: float | None
    ) -> AsyncGenerator[aiohttp.StreamReader, None]:
        """Open a long answer and yield its body; `TransientError` when it breaks or is silent for `inactivity_s`.

        With None it may be silent for ever. Opening it, the login included, may take `deadline_s`; no other limit
        applies to a proxy that never answers.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_read=inactivity_s)
        with _as_transient(request):
            async with AsyncExitStack() as opened:
                async with self._deadline(request, deadline_s):
                    login = await self._logged_in()
                    response = await opened.enter_async_context(self._request(login, call, timeout))
                    self._report(Exchange(request.verb, request.resource.plural, response.status, 0.0))
                    if response.status == 401:
                        await self._renew(login)
                    if response.status >= 400:
                        raise translate(request, response.status, await response.read(), response.headers)
                yield response.content

    @asynccontextmanager
    async def _slot(self, request: Request, limit_s: float) -> AsyncGenerator[None, None]:
        """Wait for a free slot. A request that got none was not sent, so its failure is a `TransientError`."""
        try:
            async with asyncio.timeout(limit_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise with_brief(TransientError(f"{request}: {_QUEUED}"), _QUEUED) from error
        try:
            yield
        finally:
            self._slots.release()

    @asynccontextmanager
    async def _deadline(self, request: Request, deadline_s: float | None) -> AsyncGenerator[None, None]:
        try:
            async with asyncio.timeout(deadline_s):
                yield
        except TimeoutError as error:
            raise _lost(request, f"no answer within {deadline_s:g} s", "no answer in time") from error

    async def _authorized(self, request: Request, call: Call, before: Fence) -> Answer:
        """Send with the present credentials; after a 401, which changed nothing, once more with renewed ones."""
        login = await self._logged_in()
        answer = await self._exchange(request, login, call, before)
        if answer.code != 401:
            return answer
        login = await self._renew(login)
        answer = await self._exchange(request, login, call, before)
        if answer.code == 401:
            message = f"{request}: the API server refuses our credentials (401), renewed ones too"
            raise with_brief(TransientError(message), f"{request.verb} {request.resource.plural}: HTTP 401")
        return answer

    async def _exchange(self, request: Request, login: _Login, call: Call, before: Fence) -> Answer:
        middlewares = (once(before),) if request.is_write else ()
        try:
            async with (
                self._deadline(request, before()),
                self._request(login, call, aiohttp.ClientTimeout(total=None), *middlewares) as response,
            ):
                return Answer(response.status, await response.read(), response.headers)
        except aiohttp.ClientConnectorError as error:
            self._distrust(error)
            message = f"{request}: {_UNCONNECTED}: {error}"
            raise with_brief(TransientError(message), _UNCONNECTED) from error
        except (aiohttp.ClientHttpProxyError, aiohttp.InvalidURL) as error:
            message = f"{request}: {_UNCONNECTED}: {_reason(error)}"
            raise with_brief(TransientError(message), _UNCONNECTED) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(request, _reason(error), "the connection broke") from error

    def _request(
        self, login: _Login, call: Call, timeout: aiohttp.ClientTimeout, *middlewares: aiohttp.ClientMiddlewareType
    ) -> "aiohttp.client._RequestContextManager":
        headers = dict(_HEADERS)
        if login.credentials.authorization is not None:
            headers["Authorization"] = login.credentials.authorization
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        return login.session.request(
            call.method,
            login.credentials.server + call.path,
            params=call.params,
            data=_payload(call.body),
            headers=headers,
            timeout=timeout,
            proxy=login.credentials.proxy,
            allow_redirects=False,
            middlewares=middlewares,
        )

    def _distrust(self, error: aiohttp.ClientConnectorError) -> None:
        """Let the next request load all credentials again when TLS failed: the CA may have been rotated."""
        if self._login is not None and isinstance(
            error, (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError)
        ):
            self._login = replace(self._login, loaded_s=float("-inf"))

    async def _logged_in(self) -> _Login:
        """Return a session with credentials.

        While they are loaded again, the earlier ones are used unless they were refused. So a slow plugin delays no
        request.
        """
        login = self._login
        if login is None or login.loaded_s == float("-inf"):
            return await self._log_in(login)
        is_old = time.monotonic() - login.loaded_s >= _CREDENTIALS_AGE_S
        if is_old and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh(login))
        return login

    async def _log_in(self, distrusted: _Login | None) -> _Login:
        async with self._login_lock:
            if self._login is not distrusted and self._login is not None:
                return self._login
            load = self._source.current if distrusted is None else self._source.renew
            return self._adopt(await self._thread.run(load), fresh=distrusted is not None)

    async def _refresh(self, login: _Login) -> None:
        async with self._login_lock:
            try:
                credentials = await self._thread.run(self._source.current)
            except ZkOperatorError:
                # A file may be missing for a moment; the server answers 401 when the present credentials are too old.
                credentials = login.credentials
            if self._login is login:
                self._adopt(credentials, fresh=False)

    async def _renew(self, refused: _Login) -> _Login:
        async with self._login_lock:
            if self._login is not None and self._login.credentials is not refused.credentials:
                return self._login  # another request was refused as well, and has renewed them
            by_certificate = refused.credentials.authorization is None
            return self._adopt(await self._thread.run(self._source.renew), fresh=by_certificate)

    def _adopt(self, credentials: Credentials, *, fresh: bool) -> _Login:
        """Keep the session when only the token changed, so that no connection breaks. `fresh`: the files may be new."""
        old = self._login
        if (
            old is not None
            and not fresh
            and replace(credentials, authorization=old.credentials.authorization) == (old.credentials)
        ):
            session = old.session
        else:
            session = open_session(credentials)
            if old is not None:
                self._retire(old.session)
        self._login = _Login(session, credentials, time.monotonic())
        return self._login

    def _retire(self, session: aiohttp.ClientSession) -> None:
        """Close a replaced session after the deadlines of the requests that still use it."""

        async def close_later() -> None:
            try:
                await asyncio.sleep(_CREDENTIALS_AGE_S)
            finally:
                await session.close()

        task = asyncio.create_task(close_later())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """Return a large body as a file, which aiohttp sends in pieces instead of all at once."""
    return body if body is None or len(body) < _LARGE else io.BytesIO(body)


def _reason(error: Exception) -> str:
    """Return what is wrong without a URL, because that of a proxy may contain its password."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refuses with HTTP {error.status}"
    if isinstance(error, aiohttp.InvalidURL):
        return "its address, or that of the proxy, is not a URL"
    if isinstance(error, aiohttp.ClientResponseError):
        return type(error).__name__
    return str(error) or type(error).__name__


def _lost(request: Request, why: str, brief: str) -> TransientError:
    brief = f"{request.verb} {request.resource.plural}: {brief}"
    if request.is_write:
        return with_brief(UnknownOutcomeError(f"{request}: {why}, so it may have happened"), brief)
    return with_brief(TransientError(f"{request}: {why}"), brief)


@contextmanager
def _as_transient(request: Request) -> Generator[None, None, None]:
    """Raise `TransientError` for every broken connection in the block."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise TransientError(f"{request}: {type(error).__name__}") from error
