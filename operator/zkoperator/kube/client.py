"""The Kubernetes API over HTTP: `KubeApi` on plain dicts, one short method a verb."""

import json
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from zkoperator.errors import TransientError, UnknownOutcomeError
from zkoperator.kube.failures import Request, is_missing, translate, translate_eviction, translate_watch_error
from zkoperator.kube.line_buffer import LineBuffer
from zkoperator.kube.nesting import shallow
from zkoperator.kube.port import FIELD_MANAGER, PODS, GoneError, Listing, Manifest, Resource, WatchEvent
from zkoperator.kube.session import Fence, no_fence
from zkoperator.kube.transport import Answer, Call, Transport

_PAGE = 500
_PAGED_ATTEMPTS = 3
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_NO_PARAMS: Final[Mapping[str, str]] = {}


class KubeClient:
    """A `KubeApi` on a transport.

    Args:
        transport: shared by all clients of the process.
        before_write: asked at the last moment before a write leaves, it may stop it or shorten its time; this is where
            a lost lease fences the writes of running passes.
        deadline_s: for every request; a page of a list gets four times as much.
        inactivity_s: a watch that brings neither an event nor a bookmark for so long is taken for dead. The server
            sends a bookmark about once a minute.
        watch_s: after about so many seconds the server is asked to end a watch, so that clients spread over servers.
        field_manager: under which name patches are recorded.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        before_write: Fence = no_fence,
        deadline_s: float = 15.0,
        inactivity_s: float = 90.0,
        watch_s: float = 300.0,
        field_manager: str = FIELD_MANAGER,
    ) -> None:
        self._transport = transport
        self._before_write = before_write
        self._deadline_s = deadline_s
        self._inactivity_s = inactivity_s
        self._watch_s = watch_s
        self._field_manager = field_manager

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object, or None."""
        request = Request("get", resource, namespace, name)
        answer = await self._send(request, "GET", {})
        return None if is_missing(answer.code, answer.body) else _object(request, answer)

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """Return all pages as one. A continue token that expires on the way starts the list again."""
        asked = {"labelSelector": labels, "fieldSelector": fields}
        selectors = {name: selector for name, selector in asked.items() if selector}
        for _ in range(_PAGED_ATTEMPTS):
            with suppress(GoneError):
                return await self._list(resource, namespace, selectors, limit=_PAGE)
        # Reading the pages takes longer than the server keeps their version, so ask for everything in one answer.
        return await self._list(resource, namespace, selectors, limit=0)

    async def _list(self, resource: Resource, namespace: str, selectors: Mapping[str, str], *, limit: int) -> Listing:
        request = Request("list", resource, namespace, "")
        params = {"limit": str(limit), **selectors}
        items: list[Manifest] = []
        while True:
            page = _object(request, await self._send(request, "GET", params))
            items += page.get("items") or ()
            metadata = page["metadata"]
            params["continue"] = metadata.get("continue") or ""
            if not params["continue"]:
                break
        for item in items:
            # The items of a list of a built-in kind have no apiVersion and kind; add them for the callers.
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        return Listing(tuple(items), _version(request, metadata))

    async def watch(
        self, resource: Resource, namespace: str = "", *, labels: str = "", resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield events until the server ends the watch; `TransientError` when it breaks in any other way."""
        request = Request("watch", resource, namespace, "")
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(round(random.uniform(0.8, 1.2) * self._watch_s)),  # noqa: S311 - no secret
        } | ({"labelSelector": labels} if labels else {})
        call = Call("GET", _path(request), params)
        lines = LineBuffer()
        async with self._transport.stream(
            request, call, deadline_s=self._deadline_s, inactivity_s=self._inactivity_s
        ) as body:
            async for chunk in body.iter_any():
                for line in lines.feed(chunk):
                    yield _event(request, line)
        if lines.pending:
            raise TransientError(f"{request}: the stream ended in the middle of a line")

    async def create(self, resource: Resource, namespace: str, manifest: Manifest) -> Manifest:
        """Create the object."""
        request = Request("create", resource, namespace, "")
        return _object(request, await self._send(request, "POST", {}, _typed(resource, manifest)))

    async def apply(
        self, resource: Resource, namespace: str, manifest: Manifest, *, subresource: str = "", dry_run: bool = False
    ) -> Manifest:
        """Server-side apply, forced."""
        request = Request("patch", resource, namespace, manifest["metadata"]["name"], subresource)
        params = {"fieldManager": self._field_manager, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        return _object(request, await self._send(request, "PATCH", params, _typed(resource, manifest), _APPLY))

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Manifest,
        *,
        resource_version: str | None = None,
        subresource: str = "",
    ) -> Manifest | None:
        """JSON merge patch."""
        request = Request("patch", resource, namespace, name, subresource)
        if resource_version is not None:
            patch = patch | {"metadata": patch.get("metadata", {}) | {"resourceVersion": resource_version}}
        answer = await self._send(request, "PATCH", {"fieldManager": self._field_manager}, patch, _MERGE)
        return None if is_missing(answer.code, answer.body) else _object(request, answer)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_s: int | None = None,
        orphan: bool = False,
    ) -> bool:
        """Delete; dependents follow in the background, or stay."""
        request = Request("delete", resource, namespace, name)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Orphan" if orphan else "Background",
            "gracePeriodSeconds": grace_period_s,
            "preconditions": _preconditions(uid, resource_version),
        }
        answer = await self._send(request, "DELETE", {}, options)
        if is_missing(answer.code, answer.body):
            return False
        _object(request, answer)
        return True

    async def evict(
        self, namespace: str, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> bool:
        """Evict a pod."""
        request = Request("create", PODS, namespace, name, "eviction")
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": _preconditions(uid, resource_version)},
        }
        answer = await self._send(request, "POST", {}, eviction)
        if is_missing(answer.code, answer.body):
            return False
        if (refused := translate_eviction(request, answer.code, answer.body)) is not None:
            raise refused
        _object(request, answer)
        return True

    async def text(
        self, resource: Resource, namespace: str, name: str, subresource: str, params: Mapping[str, str] = _NO_PARAMS
    ) -> str:
        """Return what a subresource answers as plain text, such as the log of a pod."""
        request = Request("get", resource, namespace, name, subresource)
        answer = await self._send(request, "GET", dict(params))
        if answer.code >= 400:
            raise translate(request, answer.code, answer.body, answer.headers)
        return answer.body.decode(errors="replace")

    async def lines(
        self, resource: Resource, namespace: str, name: str, subresource: str, params: Mapping[str, str]
    ) -> AsyncGenerator[str, None]:
        """Yield the lines of a text that goes on growing until the server ends it. Silence is no fault."""
        request = Request("get", resource, namespace, name, subresource)
        buffer = LineBuffer()
        async with self._transport.stream(
            request, Call("GET", _path(request), params), deadline_s=self._deadline_s, inactivity_s=None
        ) as body:
            async for chunk in body.iter_any():
                for line in buffer.feed(chunk):
                    yield line.decode(errors="replace")

    async def _send(
        self,
        request: Request,
        method: str,
        params: dict[str, str],
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        return await self._transport.send(
            request,
            Call(method, _path(request), params, data, content_type),
            deadline_s=self._deadline_s * (4 if request.verb == "list" else 1),
            before=self._before_write if request.is_write else no_fence,
        )


def _preconditions(uid: str | None, resource_version: str | None) -> dict[str, str]:
    given = {"uid": uid, "resourceVersion": resource_version}
    return {name: value for name, value in given.items() if value is not None}


def _typed(resource: Resource, manifest: Manifest) -> Manifest:
    return {"apiVersion": resource.api_version, "kind": resource.kind} | manifest


def _path(request: Request) -> str:
    resource = request.resource
    parts = ["apis", resource.group, resource.version] if resource.group else ["api", resource.version]
    if resource.namespaced and request.namespace:
        parts += ["namespaces", request.namespace]
    parts += [resource.plural, request.name, *request.subresource.split("/")]
    return "/" + "/".join(quote(part, safe="") for part in parts if part)


def _object(request: Request, answer: Answer) -> Manifest:
    if answer.code >= 400:
        raise translate(request, answer.code, answer.body, answer.headers)
    found = _parse(request, answer.body)
    if not isinstance(found.get("metadata"), dict):
        raise _unreadable(request)
    return found


def _parse(request: Request, text: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        parsed = _loaded(text)
        if isinstance(parsed, dict):
            return parsed
    raise _unreadable(request)


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(shallow(text))


def _event(request: Request, line: bytes) -> WatchEvent:
    event = _parse(request, line)
    found = event.get("object")
    if not isinstance(found, dict):
        raise _unreadable(request)
    if event.get("type") == "ERROR":
        raise translate_watch_error(request, found)
    _version(request, found.get("metadata"))
    return WatchEvent(event["type"], found)


def _version(request: Request, metadata: Any) -> str:
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(version, str):
        raise _unreadable(request)
    return version


def _unreadable(request: Request) -> TransientError:
    """Return the error for an answer that is not from an API server, but from a proxy in front of it."""
    kind = UnknownOutcomeError if request.is_write else TransientError
    return kind(f"{request}: the answer is not a Kubernetes object")
