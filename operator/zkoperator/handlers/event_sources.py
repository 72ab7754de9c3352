"""Everything that wakes the loops for custom resources: kopf's events at once, a slow list whatever becomes of kopf."""

import asyncio
from collections.abc import Callable

from zkoperator.handlers.registration import Wake
from zkoperator.handlers.supervisor import Supervisor
from zkoperator.handlers.watchdog import Watchdog
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS, KubeApi, Resource
from zkoperator.kube.slow_list import SlowList
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key


class EventSources:
    """Wakes every key of both kinds: at the start, at each event, and about once a minute.

    Args:
        api: lists both kinds.
        source: of kopf's credentials.
        namespaces: to serve; empty: all.
        wake_cluster: called on the event loop of `run` with keys of ZooKeeperClusters, vanished ones included.
        wake_sync: the same for ConfigSyncs.
        every_s: seconds between lists, give or take a tenth.
        patience_s: kopf is replaced when it has not told of a change so long after a list found it.
        clock: monotonic time.
    """

    def __init__(
        self,
        api: KubeApi,
        source: CredentialSource,
        namespaces: tuple[str, ...] = (),
        *,
        wake_cluster: Wake,
        wake_sync: Wake,
        every_s: float = 60.0,
        patience_s: float = 5.0,
        clock: Clock = MONOTONIC,
    ) -> None:
        clusters = self._kind(api, ZOOKEEPER_CLUSTERS, namespaces, wake_cluster, every_s, patience_s, clock)
        syncs = self._kind(api, CONFIG_SYNCS, namespaces, wake_sync, every_s, patience_s, clock)
        self._censuses = (clusters[0], syncs[0])
        self.supervisor = Supervisor(source, namespaces, wake_cluster=clusters[1], wake_sync=syncs[1], clock=clock)

    def _kind(
        self,
        api: KubeApi,
        resource: Resource,
        namespaces: tuple[str, ...],
        wake: Wake,
        every_s: float,
        patience_s: float,
        clock: Clock,
    ) -> tuple[SlowList, Wake]:
        """Return the slow list of one kind, and what kopf calls for its events."""
        watchdog = Watchdog(self._blind, age_s=self._age_s, horizon_s=1.2 * every_s, patience_s=patience_s, clock=clock)

        def found(key: Key, version: str) -> None:
            watchdog.found(key)
            wake(key, version)

        census = SlowList(api, resource, namespaces, wake=found, every_s=every_s, clock=clock)

        def told(key: Key, version: str) -> None:
            watchdog.told(key)
            census.note(key)
            wake(key, version)

        return census, told

    def _blind(self) -> None:
        self.supervisor.replace()

    def _age_s(self) -> float:
        return self.supervisor.age_s()

    @property
    def problem(self) -> str | None:
        """Why custom resources cannot be listed, in words for a user; None while all is well."""
        return next((census.problem for census in self._censuses if census.problem is not None), None)

    def loops(self) -> dict[str, Callable[[], float]]:
        """Return for how many seconds each loop in here has not moved, by its name."""
        lists = {f"the slow list of {census.plural}": census.stalled_s for census in self._censuses}
        return {**lists, "kopf": self.supervisor.stalled_s}

    async def wait_listed(self) -> None:
        """Return when both kinds have been listed once."""
        for census in self._censuses:
            await census.wait_listed()

    async def run(self) -> None:
        """Wake until cancelled."""
        async with asyncio.TaskGroup() as group:
            for census in self._censuses:
                group.create_task(census.run())
            group.create_task(self._run_kopf())

    async def _run_kopf(self) -> None:
        # With the scan of definitions off, kopf sees only kinds that are installed when it starts.
        await self.wait_listed()
        await self.supervisor.run()
