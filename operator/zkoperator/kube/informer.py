"""Keeps the current objects of one kind by list and watch, and calls back for each change.

Deletions that happened while no watch was open are found by comparing the store with every new list. While the API
server fails, the store gets older but never smaller: a key leaves it by a DELETED event or by a list without it.

A namespace that may not be listed does not delay the others. It is not known which objects it has, so `get` raises
for it. A namespace that was listed before its permission was revoked keeps its last list; that may be outdated like
the list of an unreachable server, which is safe because writes are conditional.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

from zkoperator.errors import ForbiddenError, InvalidError, TransientError, ZkOperatorError
from zkoperator.kube.port import GoneError, KubeApi, Manifest, NoSuchKindError, Resource, WatchEvent
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.heartbeat import Heartbeat
from zkoperator.runtime.keys import Key

RECONNECT = Backoff(first_s=0.2, limit_s=10.0)
SLOW_RECONNECT = Backoff(first_s=10.0, limit_s=60.0)

_SHORT_WATCH_S = 1.0
_SETTLED_WATCH_S = 20.0
"""A watch that has not failed for so long is open and healthy. Opening one takes less time."""
_EMPTY_WATCHES_BEFORE_LIST = 3
_FAILURES_BEFORE_WARNING = 3


def identity(manifest: Manifest) -> Manifest:
    """Keep the whole object."""
    return manifest


class Informer:
    """Follows one kind in some namespaces, or in all of them.

    Args:
        api: the Kubernetes API.
        resource: the kind.
        namespaces: to follow, each by a watch of its own; empty: all namespaces by one watch.
        labels: selector that the server evaluates. An object that stops matching is a deleted one.
        on_change: called with the key of every object that appeared, changed or vanished, after the store has it, and
            of every one that may not be followed any more.
        reduce: keeps of an object what `get` must return; whatever it drops needs no memory.
        clock: monotonic time.
        backoff: between attempts to reach the API server.
        slow_backoff: between attempts while the kind is forbidden or not installed.
    """

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        namespaces: tuple[str, ...] = (),
        *,
        labels: str = "",
        on_change: Callable[[Key], None],
        reduce: Callable[[Manifest], Manifest] = identity,
        clock: Clock = MONOTONIC,
        backoff: Backoff = RECONNECT,
        slow_backoff: Backoff = SLOW_RECONNECT,
    ) -> None:
        self._resource = resource
        self._synced = asyncio.Event()
        self._streams = {
            namespace: _Stream(
                api,
                resource,
                namespace,
                labels,
                on_change=on_change,
                on_settled=self._settled,
                reduce=reduce,
                clock=clock,
                backoff=backoff,
                slow_backoff=slow_backoff,
            )
            for namespace in namespaces or ("",)
        }

    @property
    def synced(self) -> bool:
        """Whether `wait_synced` returns at once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return when every namespace has been listed once, or may not be listed while another one has been."""
        await self._synced.wait()

    @property
    def problem(self) -> str | None:
        """Why the store may be outdated, as a text for users; None while every watch works."""
        return next((stream.problem for stream in self._streams.values() if stream.problem is not None), None)

    def stalled_s(self) -> float:
        """Return the seconds for which a list or watch has brought neither an event nor a bookmark nor a failure."""
        return max(stream.stalled_s() for stream in self._streams.values())

    def get(self, key: Key) -> Manifest | None:
        """Return the object as last seen (reduced), or None. Shared with the store: not to be modified.

        Raises `ForbiddenError` when the namespace was never listed because that is not permitted.
        """
        stream = self._streams.get(key.namespace) or self._streams.get("")
        if stream is None:
            return None
        found = stream.get(key)
        if found is None and stream.is_refused:
            where = key.namespace or "all namespaces"
            raise ForbiddenError(f"{self._resource.plural} in {where} were never listed: {stream.problem}")
        return found

    def refusal(self, namespace: str) -> str | None:
        """Return why this namespace may not be listed or watched, None while it may or while nothing is known."""
        stream = self._streams.get(namespace) or self._streams.get("")
        return stream.refusal if stream is not None else None

    def keys(self) -> tuple[Key, ...]:
        """Return the keys of all objects."""
        return tuple(key for stream in self._streams.values() for key in stream.known())

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            for namespace, stream in self._streams.items():
                group.create_task(stream.run(), name=f"informer {self._resource.plural} {namespace}")

    def _settled(self) -> None:
        streams = self._streams.values()
        if all(stream.listed or stream.is_refused for stream in streams) and any(stream.listed for stream in streams):
            self._synced.set()


class _Stream:
    """List and watch of one namespace (or of all, as one), and its part of the store."""

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        namespace: str,
        labels: str,
        *,
        on_change: Callable[[Key], None],
        on_settled: Callable[[], None],
        reduce: Callable[[Manifest], Manifest],
        clock: Clock,
        backoff: Backoff,
        slow_backoff: Backoff,
    ) -> None:
        self.listed = False
        self.is_refused = False
        self.refusal: str | None = None
        self.problem: str | None = None
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._on_change = on_change
        self._on_settled = on_settled
        self._reduce = reduce
        self._clock = clock
        self._backoff = backoff
        self._slow_backoff = slow_backoff
        self._store: dict[Key, tuple[str, Manifest]] = {}
        self._version: str | None = None
        self._failures = 0
        self._empty_watches = 0
        self._heartbeat = Heartbeat(clock)
        self._log = logging.getLogger(__name__)

    def get(self, key: Key) -> Manifest | None:
        found = self._store.get(key)
        return None if found is None else found[1]

    def stalled_s(self) -> float:
        return self._heartbeat.late_s()

    def known(self) -> tuple[Key, ...]:
        return tuple(self._store)

    async def run(self) -> None:
        while True:
            self._heartbeat.beat()
            try:
                if self._version is None:
                    self._version = await self._list()
                await self._watch(self._version)
            except ZkOperatorError as error:
                await self._heartbeat.sleep(self._failed(error))

    async def _list(self) -> str:
        listing = await self._api.list(self._resource, self._namespace, labels=self._labels)
        vanished = set(self._store)
        for manifest in listing.items:
            vanished.discard(_key(manifest))
            self._put(manifest)
        for key in vanished:
            self._drop(key)
        self.listed, self.is_refused = True, False
        self._on_settled()
        self._recovered()
        return listing.resource_version

    async def _watch(self, version: str) -> None:
        started_s = self._clock.now_s()
        self._empty_watches += 1
        events = self._api.watch(self._resource, self._namespace, labels=self._labels, resource_version=version)
        settled = self._clock.call_later(_SETTLED_WATCH_S, self._recovered)
        try:
            async with aclosing(events):
                async for event in events:
                    self._take(event)
        finally:
            settled.cancel()
        if self._clock.now_s() - started_s > _SHORT_WATCH_S:
            self._empty_watches = 0
            self._recovered()
        elif self._empty_watches:
            raise TransientError(f"the watch of {self._resource.plural} was closed at once")

    def _take(self, event: WatchEvent) -> None:
        self._heartbeat.beat()
        if event.type == "DELETED":
            self._drop(_key(event.object))
        elif event.type != "BOOKMARK":
            self._put(event.object)
        self._version = event.object["metadata"]["resourceVersion"]
        if self._empty_watches:
            self._empty_watches = 0
            self._recovered()

    def _put(self, manifest: Manifest) -> None:
        key, version = _key(manifest), manifest["metadata"]["resourceVersion"]
        known = self._store.get(key)
        if known is not None and known[0] == version:
            return  # the same event twice, or a list that found nothing new
        self._store[key] = (version, self._reduce(manifest))
        self._on_change(key)

    def _drop(self, key: Key) -> None:
        if self._store.pop(key, None) is not None:
            self._on_change(key)

    def _failed(self, error: ZkOperatorError) -> float:
        """Note the failure; return the seconds to wait."""
        self._failures += 1
        if isinstance(error, GoneError) or self._empty_watches >= _EMPTY_WATCHES_BEFORE_LIST:
            # After several empty watches the version itself may be invalid, as after a restore of etcd.
            self._version, self._empty_watches = None, 0
        slow = isinstance(error, (ForbiddenError, InvalidError, NoSuchKindError))
        if slow or self._failures >= _FAILURES_BEFORE_WARNING:
            self._report_problem(str(error))
        if isinstance(error, ForbiddenError):
            self._refused(str(error))
        retry_after_s = error.retry_after_s if isinstance(error, TransientError) else None
        delay_s = (self._slow_backoff if slow else self._backoff).delay_s(self._failures)
        return max(delay_s, retry_after_s or 0.0)

    def _refused(self, refusal: str) -> None:
        was, self.refusal = self.refusal, refusal
        if not self.listed:
            self.is_refused = True
            self._on_settled()
        elif was is None:
            for key in self.known():
                self._on_change(key)

    def _recovered(self) -> None:
        self._failures, self.refusal = 0, None
        self._report_problem(None)

    def _report_problem(self, problem: str | None) -> None:
        before, self.problem = self.problem, problem
        where = self._namespace or "all namespaces"
        if problem is None and before is not None:
            self._log.info("following %s in %s again", self._resource.plural, where)
        elif problem is not None and before is None:
            self._log.warning("cannot follow %s in %s: %s", self._resource.plural, where, problem)


def _key(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])
