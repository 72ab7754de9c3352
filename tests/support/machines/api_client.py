"""The Kubernetes API for tests, without any code of the operator: requests, watches, and a recorder of versions."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.support.faults.proxies.credentials import Upstream
from tests.support.faults.proxies.watches import lines

Manifest = dict[str, Any]


class ApiClient:
    """Requests on plain dicts with the credentials of a kubeconfig; an HTTP error is a `ClientResponseError`."""

    def __init__(self, kubeconfig: Path, *, manager: str = "tester") -> None:
        self._upstream = Upstream.from_kubeconfig(kubeconfig)
        self._manager = manager

    async def __aenter__(self) -> Self:
        token = self._upstream.token
        self._session = aiohttp.ClientSession(
            self._upstream.url,
            connector=aiohttp.TCPConnector(ssl=self._upstream.tls, limit=0),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            read_bufsize=1 << 20,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(
        self, method: str, path: str, body: Manifest | list[Any] | None = None, content_type: str = "application/json"
    ) -> Any:
        query = "" if method in ("GET", "DELETE") else f"{'&' if '?' in path else '?'}fieldManager={self._manager}"
        payload = None if body is None else json.dumps(body)
        async with self._session.request(
            method, path + query, data=payload, headers={"Content-Type": content_type}
        ) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise aiohttp.ClientResponseError(
                    answer.request_info, (), status=answer.status, message=text, headers=answer.headers
                )
            return json.loads(text)

    async def get(self, path: str) -> Any:
        return await self.request("GET", path)

    async def find(self, path: str) -> Any | None:
        """The object, or None when there is none."""
        try:
            return await self.get(path)
        except aiohttp.ClientResponseError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, path: str, body: Manifest) -> Any:
        return await self.request("POST", path, body)

    async def replace(self, path: str, body: Manifest) -> Any:
        return await self.request("PUT", path, body)

    async def merge(self, path: str, body: Manifest) -> Any:
        return await self.request("PATCH", path, body, "application/merge-patch+json")

    async def apply(self, path: str, body: Manifest) -> Any:
        return await self.request(
            "PATCH", f"{path}{'&' if '?' in path else '?'}force=true", body, "application/apply-patch+yaml"
        )

    async def delete(self, path: str) -> None:
        """Delete; nothing to delete is fine."""
        try:
            await self.request("DELETE", path)
        except aiohttp.ClientResponseError as error:
            if error.status != 404:
                raise

    async def watch(self, path: str, resource_version: str) -> AsyncIterator[Manifest]:
        """Events after a resourceVersion until the server ends the stream."""
        query = f"{'&' if '?' in path else '?'}watch=true&resourceVersion={resource_version}"
        async with self._session.get(path + query) as answer:
            answer.raise_for_status()
            async for line in lines(answer.content):
                yield json.loads(line)


class Recorder:
    """Every version of the objects of a collection from now on, as the API server's own watch tells them.

    A watch delivers each committed version once and in order, so this is the collection's history.
    """

    def __init__(self, client: ApiClient, collection: str) -> None:
        self._client = client
        self._collection = collection
        self.events: list[Manifest] = []

    async def __aenter__(self) -> Self:
        listing = await self._client.get(self._collection)
        self.events += [{"type": "ADDED", "object": item} for item in listing["items"]]
        self._task = asyncio.create_task(self._follow(listing["metadata"]["resourceVersion"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self, version: str) -> None:
        while True:  # the server ends every watch at some time; the next one continues where it ended
            async for event in self._client.watch(self._collection, version):
                version = event["object"]["metadata"]["resourceVersion"]
                self.events.append(event)

    def of(self, name: str) -> list[Manifest]:
        """The events of one object."""
        return [event for event in self.events if event["object"]["metadata"]["name"] == name]
