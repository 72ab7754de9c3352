"""Everything that wakes the loops for custom resources: kopf's events at once, a slow list whatever becomes of kopf."""

import asyncio

from zkoperator.handlers.registration import Wake
from zkoperator.handlers.supervisor import Supervisor
from zkoperator.kube.census import Census
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS, KubeApi


class Intake:
    """Wakes every key of both kinds: at the start, at each event, and about once a minute.

    Args:
        api: lists both kinds.
        source: of kopf's credentials.
        namespaces: to serve; empty: all.
        wake_cluster: called on the event loop of `run` with keys of ZooKeeperClusters, vanished ones included.
        wake_sync: the same for ConfigSyncs.
        every_s: seconds between lists, give or take a tenth.
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
    ) -> None:
        self._censuses = (
            Census(api, ZOOKEEPER_CLUSTERS, namespaces, wake=wake_cluster, every_s=every_s),
            Census(api, CONFIG_SYNCS, namespaces, wake=wake_sync, every_s=every_s),
        )
        self.supervisor = Supervisor(source, namespaces, wake_cluster=wake_cluster, wake_sync=wake_sync)

    @property
    def problem(self) -> str | None:
        """Why custom resources cannot be listed, in words for a user; None while all is well."""
        return next((census.problem for census in self._censuses if census.problem is not None), None)

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
