"""The relay of one watch: line by line, with the faults of its stream and of single events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from enum import Enum

import aiohttp
from aiohttp import web

from tests.support.faults.proxies.gates import Gates
from tests.support.faults.proxies.kube_requests import KubeLine, KubeRequest
from tests.support.faults.proxies.rules import (
    CutLine,
    CutWatch,
    Delay,
    Discard,
    Duplicate,
    ErrorEvent,
    FreezeWatch,
    Hold,
    Rule,
    RuleBook,
    Swap,
    WatchAction,
)

_SWAP_S = 1.0


class Ending(Enum):
    """How a watch ends towards the client."""

    CLEAN = "clean"
    RESET = "reset"


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines, of any length, with their newline."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


class Relay:
    """Passes the lines of one watch on until the server, the client or a rule ends it."""

    def __init__(
        self, subject: KubeRequest, rules: RuleBook, gates: Gates, rule: Rule | None, gone: Callable[[], bool]
    ) -> None:
        self._gone = gone
        self._subject = subject
        self._rules = rules
        self._gates = gates
        action = rule.action if rule is not None else None
        self._stream: WatchAction | None = action if isinstance(action, WatchAction) else None
        self._passed = 0
        self._swapped: bytes | None = None

    async def run(self, content: aiohttp.StreamReader, response: web.StreamResponse) -> Ending:
        if (ending := await self._stream_fault(response, b"")) is not None:
            return ending
        source = lines(content)
        while (line := await self._next(source, response)) is not None:
            if (ending := await self._stream_fault(response, line)) is not None:
                return ending
            await self._pass_on(line, response)
        return Ending.CLEAN

    async def _next(self, source: AsyncIterator[bytes], response: web.StreamResponse) -> bytes | None:
        """The next line; a swapped event that finds no other to be swapped with is late and not lost."""

        async def read() -> bytes | None:
            return await anext(source, None)

        reading = asyncio.ensure_future(read())
        try:
            if self._swapped is not None and not (await asyncio.wait([reading], timeout=_SWAP_S))[0]:
                await response.write(self._swapped)
                self._swapped = None
            return await reading
        finally:
            reading.cancel()

    async def _stream_fault(self, response: web.StreamResponse, line: bytes) -> Ending | None:
        """Act when so many lines have passed as the rule says. An empty line asks at the very start."""
        if self._stream is None or self._passed < self._stream.after:
            return None
        match self._stream:
            case FreezeWatch():
                return await self._silence()
            case CutWatch(clean=clean):
                return Ending.CLEAN if clean else Ending.RESET
            case CutLine(clean=clean) if line:
                await response.write(line[: len(line) // 2])
                return Ending.CLEAN if clean else Ending.RESET
            case ErrorEvent() as error:
                await response.write(_error_line(error))
                return Ending.CLEAN
        return None

    async def _pass_on(self, line: bytes, response: web.StreamResponse) -> None:
        self._passed += 1
        rule = self._rules.pick(_parse_line(line, self._subject))
        match rule and rule.action:
            case Discard():
                return
            case Duplicate():
                line += line
            case Swap() if self._swapped is None:
                self._swapped = line
                return
            case Hold(key):
                await self._gates.wait(key)
            case Delay(seconds):
                await asyncio.sleep(seconds)
        await response.write(line + (self._swapped or b""))
        self._swapped = None

    async def _silence(self) -> Ending:
        """Say nothing for as long as the client stays."""
        while not self._gone():
            await asyncio.sleep(0.05)
        return Ending.RESET


def _parse_line(line: bytes, subject: KubeRequest) -> KubeLine:
    event = json.loads(line)
    metadata = event.get("object", {}).get("metadata", {})
    return KubeLine(event.get("type", ""), subject.resource, metadata.get("namespace", ""), metadata.get("name", ""))


def _error_line(error: ErrorEvent) -> bytes:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "injected",
        "reason": error.reason,
        "code": error.code,
    }
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
