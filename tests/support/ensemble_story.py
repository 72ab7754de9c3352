"""What tests of ensembles do and look at: a story with a writer running, told in the words of Kubernetes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from tests.support.api_client import ApiClient
from tests.support.ensemble_writer import Writer, lost_writes
from tests.support.waiting import eventually

Manifest = dict[str, Any]
CLUSTERS = "zookeeperclusters"


class Place(Protocol):
    """A namespace on a whole cluster, with an operator that looks after it."""

    api: ApiClient
    name: str

    def path(self, plural: str, name: str = "") -> str: ...
    async def get(self, plural: str, name: str) -> Manifest | None: ...
    async def items(self, plural: str) -> list[Manifest]: ...


class Ensemble:
    """One ZooKeeperCluster and what Kubernetes shows of it."""

    def __init__(self, space: Place, name: str = "main") -> None:
        self.space = space
        self.name = name

    async def get(self) -> Manifest:
        found = await self.space.get(CLUSTERS, self.name)
        assert found is not None
        return found

    async def status(self) -> Manifest:
        return dict((await self.get()).get("status", {}))

    async def condition(self, kind: str) -> Manifest:
        conditions = (await self.status()).get("conditions", [])
        return next((item for item in conditions if item["type"] == kind), {"status": "", "reason": "", "message": ""})

    async def edit(self, **spec: Any) -> None:
        await self.space.api.merge(self.space.path(CLUSTERS, self.name), {"spec": spec})

    async def annotate(self, **annotations: str) -> None:
        patch = {"metadata": {"annotations": {f"zkoperator.dev/{key}": text for key, text in annotations.items()}}}
        await self.space.api.merge(self.space.path(CLUSTERS, self.name), patch)

    async def ready(self, replicas: int | None = None, *, within_s: float = 120) -> Manifest:
        """Wait until the newest generation is Ready; returns the status."""

        async def holds() -> Manifest:
            found = await self.get()
            status, generation = found.get("status", {}), found["metadata"]["generation"]
            ready: Manifest = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
            assert ready.get("status") == "True", status.get("conditions")
            assert ready["observedGeneration"] == generation
            assert replicas is None or status["replicas"] == replicas
            return dict(status)

        return await eventually(holds, within_s=within_s, every_s=0.1)

    async def says(
        self, kind: str, *, status: str = "True", reason: str = "", text: str = "", within_s: float = 90
    ) -> str:
        """Wait until a condition says so; returns its message."""

        async def holds() -> str:
            found = await self.condition(kind)
            assert found["status"] == status, await self.status()
            assert reason in ("", found["reason"]), found
            assert text in found["message"], found
            return str(found["message"]) or "said"

        return await eventually(holds, within_s=within_s, every_s=0.1)

    async def pods(self) -> dict[str, Manifest]:
        """Every pod of the cluster that is not being deleted, by name."""
        prefix = f"{self.name}-zk-"
        found = await self.space.items("pods")
        return {
            pod["metadata"]["name"]: pod
            for pod in found
            if pod["metadata"]["name"].startswith(prefix) and "deletionTimestamp" not in pod["metadata"]
        }

    async def uids(self, plural: str = "pods") -> dict[str, str]:
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in await self.space.items(plural)}

    async def delete(self, plural: str, name: str) -> None:
        await self.space.api.delete(self.space.path(plural, name))

    async def wipe(self, member: int) -> None:
        """Take a member's volume away for good, and its pod, so that both come back empty."""
        name = f"{self.name}-zk-{member - 1}"
        before = await self.uids("persistentvolumeclaims")
        await self.delete("persistentvolumeclaims", f"data-{name}")
        await self.delete("pods", name)

        async def new() -> bool:
            claims = await self.uids("persistentvolumeclaims")
            return claims.get(f"data-{name}", before[f"data-{name}"]) != before[f"data-{name}"]

        await eventually(new, within_s=60)

    @property
    def hosts(self) -> str:
        return f"{self.name}-zk.{self.space.name}.svc.cluster.local:2181"

    @asynccontextmanager
    async def written(self) -> AsyncIterator[Writer]:
        """Write all the while; at the end every acknowledged write is read back from every member."""
        writer = Writer(self.hosts, "/written")
        await asyncio.to_thread(writer.__enter__)
        try:
            yield writer
        finally:
            report = await asyncio.to_thread(writer.stop)
        assert report.failed == 0, f"{report.failed} writes were never acknowledged"
        assert report.created, "the writer wrote nothing"
        members = [f"{pod['status']['podIP']}:2181" for pod in (await self.pods()).values()]
        assert members
        lost = await asyncio.to_thread(lost_writes, report, "/written", members)
        assert lost == []


class Watchman:
    """Looks at the pods all the while and remembers the worst: how many members were away or restarting at once."""

    def __init__(self, ensemble: Ensemble, see: Callable[[dict[str, Manifest]], None]) -> None:
        self._ensemble = ensemble
        self._see = see

    async def __aenter__(self) -> "Watchman":
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            self._see(await self._ensemble.pods())
            await asyncio.sleep(0.05)


async def restart_order(ensemble: Ensemble, change: Callable[[], Any], *, within_s: float = 120) -> list[str]:
    """Make a change and return the pods in the order in which they were replaced, until the cluster is Ready again."""
    first = await ensemble.uids()
    order: list[str] = []

    def see(pods: dict[str, Manifest]) -> None:
        for name, pod in pods.items():
            if first.get(name) not in (None, pod["metadata"]["uid"]) and name not in order:
                order.append(name)

    async with Watchman(ensemble, see):
        await change()
        await ensemble.ready(within_s=within_s)
        see(await ensemble.pods())
    return order
