"""Somebody who drains nodes at the worst time: asks for every other member in the moment in which one is taken."""

import asyncio
from typing import Self

from aiohttp import ClientResponseError

from tests.support.worlds.ensemble_story import Ensemble, Manifest

ASK_EVERY_S = 0.1


class Drainer:
    """Asks for evictions while a member is away: at the event of its deletion, and again and again until it is ready.

    `refused` counts the answers of a budget that is spent. `taken` names the members that were granted while another
    one was away.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self._space = ensemble.space
        self._away: dict[str, str] = {}
        self.moments = 0
        self.refused = 0
        self.taken: list[str] = []

    async def __aenter__(self) -> Self:
        listing = await self._space.api.get(self._space.path("pods"))
        self._asking: set[asyncio.Task[None]] = set()
        self._names = [pod["metadata"]["name"] for pod in listing["items"]]
        self._task = asyncio.create_task(self._follow(listing["metadata"]["resourceVersion"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = {self._task, *self._asking}
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [each for each in results if isinstance(each, Exception)]
        assert failed == []

    async def _follow(self, version: str) -> None:
        while True:
            async for event in self._space.api.watch(self._space.path("pods"), version):
                version = event["object"]["metadata"]["resourceVersion"]
                self._see(event["object"])

    def _see(self, pod: Manifest) -> None:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        if "deletionTimestamp" in pod["metadata"]:
            if self._away.get(name) != uid:
                self._away[name] = uid
                self.moments += 1
                self._asking.add(asyncio.create_task(self._ask_while_away(name, uid)))
        elif name in self._away and _is_back(pod, self._away[name]):
            del self._away[name]

    async def _ask_while_away(self, away: str, uid: str) -> None:
        while self._away.get(away) == uid:
            others = [name for name in self._names if name not in self._away]
            await asyncio.gather(*(self._ask(name, away, uid) for name in others))
            await asyncio.sleep(ASK_EVERY_S)

    async def _ask(self, name: str, away: str, uid: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        try:
            await self._space.api.create(f"{self._space.path('pods', name)}/eviction", eviction)
        except ClientResponseError as refused:
            if refused.status not in (404, 429):
                raise
            self.refused += refused.status == 429
            return
        # The budget may know before we do that the member is back.
        found = await self._space.get("pods", away)
        if found is None or not _is_back(found, uid):
            self.taken.append(f"{name} beside {away}")


def _is_back(pod: Manifest, uid: str) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and pod["metadata"]["uid"] != uid
