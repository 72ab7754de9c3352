"""Lists one kind about once a minute, and wakes every key that has changed since the last list.

So reconciliation goes on even when the framework that watches the custom resources fails. Objects that did not change
cost nothing but the list.
"""

import asyncio
import logging
from collections.abc import Callable

from zkoperator.errors import TransientError, ZkOperatorError
from zkoperator.kube.port import KubeApi, Manifest, Resource
from zkoperator.runtime.backoff import Backoff, spread_s
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.heartbeat import Heartbeat
from zkoperator.runtime.keys import Key

RETRY = Backoff(first_s=1.0, limit_s=30.0)


class SlowList:
    """Lists one kind every `every_s` seconds, give or take a tenth, the first time at once.

    Args:
        api: the Kubernetes API.
        resource: the kind.
        namespaces: to list; empty: all.
        wake: called with every key that appeared, changed or vanished since the last list, and its version, if any.
        every_s: seconds between lists that succeed.
        clock: monotonic time.
        backoff: between lists that fail.
    """

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        namespaces: tuple[str, ...] = (),
        *,
        wake: Callable[[Key, str], None],
        every_s: float = 60.0,
        clock: Clock = MONOTONIC,
        backoff: Backoff = RETRY,
    ) -> None:
        self._api = api
        self._resource = resource
        self._found: dict[str, dict[Key, str]] = {namespace: {} for namespace in namespaces or ("",)}
        self._wake = wake
        self._every_s = every_s
        self._heartbeat = Heartbeat(clock)
        self._backoff = backoff
        self._listed = asyncio.Event()
        self._log = logging.getLogger(__name__)
        self.problem: str | None = None

    async def wait_listed(self) -> None:
        """Return when every namespace has been listed once: the kind is installed, and we may read it."""
        await self._listed.wait()

    @property
    def plural(self) -> str:
        """What is listed."""
        return self._resource.plural

    def stalled_s(self) -> float:
        """Return the seconds since a list should have ended or begun."""
        return self._heartbeat.late_s()

    def add_known(self, key: Key) -> None:
        """Note that the object exists: if the next list does not have it, its key is woken."""
        found = self._found.get(key.namespace, self._found.get(""))
        if found is not None:
            found.setdefault(key, "")

    async def run(self) -> None:
        """List until cancelled."""
        failures = 0
        while True:
            try:
                await self._list_all()
            except ZkOperatorError as error:
                failures += 1
                self._report_problem(str(error))
                retry_after_s = error.retry_after_s if isinstance(error, TransientError) else None
                delay_s = max(self._backoff.delay_s(failures), retry_after_s or 0.0)
            else:
                failures = 0
                self._report_problem(None)
                self._listed.set()
                delay_s = spread_s(self._every_s)
            await self._heartbeat.sleep(delay_s)

    async def _list_all(self) -> None:
        """List every namespace; the failure of one does not stop the others."""
        first: ZkOperatorError | None = None
        for namespace in self._found:
            self._heartbeat.beat()
            try:
                await self._list_namespace(namespace)
            except ZkOperatorError as error:
                first = first or error
        if first is not None:
            raise first

    async def _list_namespace(self, namespace: str) -> None:
        listing = await self._api.list(self._resource, namespace)
        before, now = self._found[namespace], dict(_version(item) for item in listing.items)
        self._found[namespace] = now
        for key in now.keys() | before.keys():
            if now.get(key) != before.get(key):
                self._wake(key, now.get(key, ""))

    def _report_problem(self, problem: str | None) -> None:
        before, self.problem = self.problem, problem
        if problem is None and before is not None:
            self._log.info("listing %s again", self._resource.plural)
        elif problem is not None and before is None:
            self._log.warning("cannot list %s: %s", self._resource.plural, problem)


def _version(item: Manifest) -> tuple[Key, str]:
    meta = item["metadata"]
    return Key(meta.get("namespace", ""), meta["name"]), meta.get("resourceVersion", "")
