"""Follows the logs of members through their restarts: `kubectl logs -f` ends with the container. I/O."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

from zkoperator.cli.view.log_lines import LogLine, parsed
from zkoperator.errors import InvalidError, TransientError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import PODS

_AGAIN_S = 1.0
_LOOK_EVERY_S = 5.0


class Follower:
    """The logs of one cluster.

    Args:
        api: the Kubernetes API.
        namespace: of the cluster.
        asked: what the API server is asked for.
        show: called with each line.
    """

    def __init__(
        self, api: KubeClient, namespace: str, asked: Mapping[str, str], show: Callable[[LogLine], None]
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._asked = {**asked, "follow": "true"}
        self._show = show
        self._said = ""

    async def follow(self, members: Callable[[], Awaitable[Sequence[str]]]) -> None:
        """Follow until cancelled, those members too that come later; a refusal ends it."""
        tails: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for pod in await self._members(members):
                    if pod not in tails:
                        tails[pod] = asyncio.create_task(self._tail(pod))
                if not tails:
                    await asyncio.sleep(_AGAIN_S)
                    continue
                for task in (await asyncio.wait(tails.values(), timeout=_LOOK_EVERY_S))[0]:
                    task.result()
        finally:
            for task in tails.values():
                task.cancel()
            await asyncio.gather(*tails.values(), return_exceptions=True)

    async def _members(self, members: Callable[[], Awaitable[Sequence[str]]]) -> Sequence[str]:
        try:
            return await members()
        except (TransientError, InvalidError) as error:
            self._say(f"{error}; looking again")
            return ()

    async def _tail(self, pod: str) -> None:
        """Follow one member: when its container ends or does not run yet, the next one follows."""
        asked, last = self._asked, ""
        while True:
            try:
                async with aclosing(self._api.lines(PODS, self._namespace, pod, "log", asked)) as lines:
                    async for line in lines:
                        found = parsed(pod, line)
                        if found.time > last:
                            last = found.time
                            self._show(found)
            except (TransientError, InvalidError) as error:
                self._say(f"{error}; trying again")
            if last:
                # Whole seconds are what the kubelet goes by; what was shown already is left out above.
                asked = {key: value for key, value in self._asked.items() if key not in _OF_THE_FIRST}
                asked["sinceTime"] = last
            await asyncio.sleep(_AGAIN_S)

    def _say(self, text: str) -> None:
        """Print an obstacle, once."""
        if text != self._said:
            self._said = text
            print(text, file=sys.stderr)


_OF_THE_FIRST = ("tailLines", "sinceSeconds")
