"""A stale API server: reads answered from recorded lists, watches open and silent."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.support.faults.proxies.kube_requests import KubeRequest
from tests.support.faults.proxies.rules import Snapshot


async def serve(
    request: web.BaseRequest, subject: KubeRequest, snapshot: Snapshot, stale: Callable[[], bool]
) -> web.StreamResponse | None:
    """Answer a read from the snapshot; None for what it does not hold. A watch lasts until `stale()` is false."""
    recorded = dict(snapshot.lists).get(subject.resource)
    if recorded is None:
        return None
    listing = json.loads(recorded)
    if subject.verb == "list":
        return web.json_response(listing | {"items": _selected(listing["items"], subject, request)})
    if subject.verb == "get":
        return _one(listing, subject)
    return await _silent_watch(request, stale) if subject.verb == "watch" else None


def _selected(items: list[dict[str, Any]], subject: KubeRequest, request: web.BaseRequest) -> list[dict[str, Any]]:
    selector = request.query.get("labelSelector", "")
    return [
        item
        for item in items
        if subject.namespace in ("", item["metadata"].get("namespace", ""))
        and _labelled(item["metadata"].get("labels", {}), selector)
    ]


def _labelled(labels: dict[str, str], selector: str) -> bool:
    """Equality and existence, which is all that the operator selects by."""
    for term in filter(None, selector.split(",")):
        key, equals, value = term.partition("=")
        if key not in labels or (equals and labels[key] != value.removeprefix("=")):
            return False
    return True


def _one(listing: dict[str, Any], subject: KubeRequest) -> web.Response:
    for item in listing["items"]:
        metadata = item["metadata"]
        if (metadata.get("namespace", ""), metadata["name"]) == (subject.namespace, subject.name):
            kind = listing["kind"].removesuffix("List")
            return web.json_response({"apiVersion": listing["apiVersion"], "kind": kind} | item)
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
    return web.json_response(status, status=404)


async def _silent_watch(request: web.BaseRequest, stale: Callable[[], bool]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while stale() and request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.05)
    await response.write_eof()
    return response
