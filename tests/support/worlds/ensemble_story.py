"""What tests of ensembles do and look at: a story with a writer running, told in the words of Kubernetes."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from tests.support.machines.api_client import ApiClient
from tests.support.waiting import eventually
from tests.support.worlds.doors import PLAIN, PLAIN_PORT, TLS_PORT, Door, tls_door
from tests.support.worlds.ensemble_writer import PATIENCE_S, Writer, lost_writes

Manifest = dict[str, Any]
CLUSTERS = "zookeeperclusters"
_LINE = re.compile(r"^\S*\.dynamic\.(?P<version>[0-9a-f]+):server\.(?P<id>\d+)=[^;]*?(?P<role>:observer)?;")


class Place(Protocol):
    """A namespace on a whole cluster, with an operator that looks after it."""

    api: ApiClient
    name: str

    def path(self, plural: str, name: str = "") -> str: ...
    async def get(self, plural: str, name: str) -> Manifest | None: ...
    async def items(self, plural: str) -> list[Manifest]: ...
    async def apply(self, *objects: Manifest) -> None: ...
    async def run(self, pod: str, script: str) -> str: ...
    def tell(self, figure: str, /) -> None: ...


class Ensemble:
    """One ZooKeeperCluster and what Kubernetes shows of it."""

    def __init__(self, space: Place, name: str = "main") -> None:
        self.space = space
        self.name = name
        self._writers = 0
        self._context: ssl.SSLContext | None = None

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

    async def ready(self, replicas: int | None = None, *, within_s: float = 900) -> Manifest:
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
        self, kind: str, *, status: str = "True", reason: str = "", text: str = "", within_s: float = 180
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

    async def restarts(self) -> dict[str, int]:
        """How often the container of each pod was started again."""
        return {
            name: pod["status"]["containerStatuses"][0]["restartCount"] for name, pod in (await self.pods()).items()
        }

    async def mode(self, pod: Manifest) -> str:
        """What a member itself says that it does: leader, follower, observer; none while it serves nobody; or ''."""
        answer = await self._srvr(pod)
        found = re.search("^Mode: (.*)$", answer, re.MULTILINE)
        return found[1] if found else "none" if "not currently serving" in answer else ""

    async def epoch_led(self, pod: Manifest) -> int:
        """The epoch in which a member says that it leads, 0 when it does not: each election begins a new one."""
        answer = await self._srvr(pod)
        zxid = re.search("^Zxid: (0x[0-9a-f]+)$", answer, re.MULTILINE)
        return int(zxid[1], 16) >> 32 if zxid and "Mode: leader" in answer else 0

    async def _srvr(self, pod: Manifest) -> str:
        name, address = pod["metadata"]["name"], pod["status"].get("podIP")
        if address is None:
            return ""
        tls: Manifest = {}
        if "ClientTLS" in (pod["metadata"].get("annotations") or {}).get("zkoperator.dev/tls", ""):
            tls = {"ssl": await self.context(), "server_hostname": self.host(name)}
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection(address, TLS_PORT if tls else PLAIN_PORT, **tls)
                writer.write(b"srvr")
                answer = (await reader.read()).decode()
                writer.close()
        except (OSError, TimeoutError):
            return ""
        return answer

    async def context(self) -> ssl.SSLContext:
        """What verifies members, and their names, by the CAs that the operator has published first."""
        if self._context is None:
            self._context = ssl.create_default_context(cadata=await self._published())
        return self._context

    async def _published(self) -> str:
        async def bundle() -> str:
            found = await self.space.get("configmaps", f"{self.name}-zk-ca")
            return str(found["data"]["ca.crt"]) if found is not None else ""

        return await eventually(bundle, within_s=60)

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
    def service(self) -> str:
        """The host name of the client Service."""
        return f"{self.name}-zk.{self.space.name}.svc.cluster.local"

    @property
    def hosts(self) -> str:
        return f"{self.service}:2181"

    def host(self, pod: str) -> str:
        """The host name of a member."""
        return f"{pod}.{self.name}-zk-members.{self.space.name}.svc.cluster.local"

    @asynccontextmanager
    async def door(self, *, secure: bool | None = None) -> AsyncIterator[Door]:
        """The way in: that which the spec leaves open, unless the port of TLS or the other one is asked for."""
        client = ((await self.get())["spec"].get("tls") or {}).get("client") or {}
        if not (client.get("plaintext") == "Refused" if secure is None else secure):
            yield PLAIN
            return
        with tls_door(await self._published()) as door:
            yield door

    async def configurations(self, ordinal: int = 0) -> list[set[int]]:
        """The voters of each configuration that was committed while this member was one, oldest first.

        A member keeps a file for every version, so that none is missed as it might be by looking now and then.
        """
        told = await self.space.run(f"{self.name}-zk-{ordinal}", "cd /data/conf && grep -H ^server. zoo.cfg.dynamic.*")
        found: dict[int, set[int]] = {}
        for line in filter(None, map(_LINE.match, told.splitlines())):
            voters = found.setdefault(int(line["version"], 16), set())
            voters |= set() if line["role"] else {int(line["id"])}
        return [found[version] for version in sorted(found)]

    async def lead_from(self, wanted: Callable[[int], bool]) -> str:
        """Restart leaders until the ordinal of the leader is one that is wanted; returns its pod."""
        for _ in range(10):
            leader = str((await self.ready())["leader"])
            if wanted(int(leader.rpartition("-")[2])):
                return leader
            await self.delete("pods", leader)
            await self.says("Ready", status="False")
        raise AssertionError("the wanted members never lead")

    @asynccontextmanager
    async def written(self, *, patience_s: float = PATIENCE_S, secure: bool | None = None) -> AsyncIterator[Writer]:
        """Write all the while; at the end every acknowledged write is read back from every member.

        No two acknowledgements may be further apart than the patience. The writer comes in by `door`.
        """
        self._writers += 1
        root = f"/written-{self._writers}"
        async with self.door(secure=secure) as door:
            hosts = f"{self.service}:{door.port}"
            writer = Writer(hosts, root, patience_s=patience_s, options=door.options)
            await asyncio.to_thread(writer.__enter__)
            try:
                yield writer
            finally:
                report = await asyncio.to_thread(writer.stop)
            self.space.tell(str(report))
            assert report.failed == 0, f"{report.failed} writes were never acknowledged"
            assert report.created, "the writer wrote nothing"
            assert report.longest_gap_s < patience_s
            await self.read_back(writer, door)

    async def read_back(self, writer: Writer, door: Door = PLAIN) -> None:
        """Find every acknowledged write on every member."""

        async def members() -> list[str]:
            addresses = {name: pod["status"].get("podIP") for name, pod in (await self.pods()).items()}
            assert None not in addresses.values(), "a pod that was just made has no address yet"
            # By a name that can be looked at in the certificate, or without the name service.
            named = door.port == TLS_PORT
            return [f"{self.host(name) if named else address}:{door.port}" for name, address in addresses.items()]

        lost = await asyncio.to_thread(lost_writes, writer, await eventually(members, within_s=180))
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


async def restart_order(ensemble: Ensemble, change: Callable[[], Any], *, within_s: float = 300) -> list[str]:
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
