"""Requests and events that wait for a test to let them go."""

import asyncio
from collections import Counter


class Gates:
    """Named gates, closed until released; a released gate lets everything through from then on."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Event] = {}
        self._waiting: Counter[str] = Counter()

    async def wait(self, key: str) -> None:
        self._waiting[key] += 1
        try:
            await self._gate(key).wait()
        finally:
            self._waiting[key] -= 1

    def release(self, key: str) -> None:
        self._gate(key).set()

    def release_all(self) -> None:
        for gate in self._open.values():
            gate.set()

    def waiting(self, key: str) -> int:
        """How many wait at the gate now."""
        return self._waiting[key]

    def _gate(self, key: str) -> asyncio.Event:
        return self._open.setdefault(key, asyncio.Event())
