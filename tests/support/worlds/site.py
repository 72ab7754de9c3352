"""A place to run the operator as a subprocess behind both proxies, each run in a namespace and subtree of its own."""

import asyncio
import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from testbed.api import ApiServer
from testbed.processes import wait_for
from testbed.rest import Rest
from testbed.zookeepers import Ensemble
from tests.support.faults.proxies.credentials import Upstream
from tests.support.faults.proxies.journal import Journal
from tests.support.faults.proxies.kube import KubeProxy
from tests.support.faults.proxies.zk import ZkProxy
from tests.support.machines.api_client import ApiClient, Manifest
from tests.support.machines.namespaces import Network
from tests.support.machines.operator import OperatorProcess

CRDS = Path(__file__).parents[3] / "crds"
API = "/apis/zkoperator.dev/v1alpha1"
LEDGERS = "/zkoperator"


@dataclass
class Site:
    """Servers and proxies that outlive single runs; both proxies write into one journal."""

    kube: ApiClient
    zookeeper: Any
    """A kazoo client with the rights of the superuser, connected past the proxy; its calls block."""
    kube_proxy: KubeProxy
    zk_proxy: ZkProxy
    journal: Journal
    directory: Path
    kubeconfig: Path
    data_directory: Path
    settings: dict[str, str] = field(default_factory=dict)
    network: Network | None = None
    """Where the operator is a host of its own, `operator`, beside the proxies `api` and `zookeeper`."""

    async def ask(self, call: str, *arguments: Any, **options: Any) -> Any:
        """A blocking call of the kazoo client, off the loop that the proxies run on."""
        return await asyncio.to_thread(getattr(self.zookeeper, call), *arguments, **options)

    def operator(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        wrapped: Callable[[Sequence[str]], Sequence[str]] = list,
    ) -> OperatorProcess:
        """An operator behind the proxies, not started yet; its log is a file of its own."""
        log = self.directory / f"operator-{secrets.token_hex(4)}.log"
        allowed = {"ZKOPERATOR_ALLOWED_HOSTS": self.zk_proxy.hosts}
        return OperatorProcess(
            self.kubeconfig,
            log,
            allowed | self.settings | dict(settings or {}),
            wrapped=wrapped,
            netns=self.network.netns("operator") if self.network is not None else "",
        )

    @contextlib.asynccontextmanager
    async def plot(self) -> AsyncIterator["Plot"]:
        """A new namespace and a new root, both removed afterwards."""
        name = f"f-{secrets.token_hex(4)}"
        await self.kube.create("/api/v1/namespaces", {"metadata": {"name": name}})
        await self.ask("create", f"/{name}", b"")
        try:
            yield Plot(self, name, f"/{name}")
        finally:
            with contextlib.suppress(NoNodeError):
                await self.ask("delete", f"/{name}", recursive=True)
            await self.release(name)

    async def release(self, namespace: str) -> None:
        """Delete a namespace without waiting for it, finalizers of ours taken off first (no operator runs now)."""
        if await self.kube.find(f"/api/v1/namespaces/{namespace}") is None:
            return
        for kind in ("configsyncs", "zookeeperclusters"):
            collection = f"{API}/namespaces/{namespace}/{kind}"
            for item in (await self.kube.get(collection))["items"]:
                if item["metadata"].get("finalizers"):
                    path = f"{collection}/{item['metadata']['name']}"
                    await self.kube.merge(path, {"metadata": {"finalizers": None}})
        await self.kube.delete(f"/api/v1/namespaces/{namespace}")


@dataclass(frozen=True)
class Plot:
    """One run's namespace and subtree."""

    site: Site
    namespace: str
    root: str

    @property
    def core(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def custom(self) -> str:
        return f"{API}/namespaces/{self.namespace}"

    @property
    def settings(self) -> dict[str, str]:
        return {"ZKOPERATOR_NAMESPACES": self.namespace}

    async def sync(self, name: str = "shop", **spec: Any) -> Manifest:
        """Create a ConfigSync on the root, through the ZooKeeper proxy."""
        spec = {"direction": "ZooKeeperToConfigMap"} | spec
        spec["zookeeper"] = {"hosts": self.site.zk_proxy.hosts, "path": self.root} | spec.get("zookeeper", {})
        manifest = {
            "apiVersion": "zkoperator.dev/v1alpha1",
            "kind": "ConfigSync",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        made: Manifest = await self.site.kube.create(f"{self.custom}/configsyncs", manifest)
        return made

    async def edit_sync(self, body: Manifest, name: str = "shop") -> Manifest:
        edited: Manifest = await self.site.kube.merge(f"{self.custom}/configsyncs/{name}", body)
        return edited

    async def config_map(self, name: str = "shop") -> Manifest | None:
        found: Manifest | None = await self.site.kube.find(f"{self.core}/configmaps/{name}")
        return found

    async def data(self, name: str = "shop") -> dict[str, str]:
        """The text values of a ConfigMap; none while there is no ConfigMap."""
        found = await self.config_map(name)
        return dict((found or {}).get("data") or {})

    async def put(self, **children: str | None) -> None:
        """Create, set or (None) delete children of the root, in one transaction; `a__b` is the path `a/b`."""
        known = {name for name in children if await self.site.ask("exists", self._path(name))}
        transaction = self.site.zookeeper.transaction()
        for name, value in children.items():
            if value is None:
                transaction.delete(self._path(name))
            elif name in known:
                transaction.set_data(self._path(name), value.encode())
            else:
                transaction.create(self._path(name), value.encode())
        results = await asyncio.to_thread(transaction.commit)
        failed = [result for result in results if isinstance(result, Exception)]
        assert not failed, failed

    async def znodes(self) -> dict[str, str]:
        """Relative path to text, for every znode below the root."""
        return {
            path.removeprefix(f"{self.root}/"): (data or b"").decode(errors="replace")
            for path, data in (await self.tree(self.root)).items()
            if path != self.root
        }

    async def tree(self, path: str) -> dict[str, bytes]:
        """Path to data of a subtree as it is now; empty when it is not there."""
        return await asyncio.to_thread(_tree, self.site.zookeeper, path)

    async def condition(self, kind: str = "Ready", name: str = "shop") -> tuple[str, str]:
        """Status and reason of a condition of the ConfigSync; empty while it has none."""
        found = await self.site.kube.find(f"{self.custom}/configsyncs/{name}")
        conditions = ((found or {}).get("status") or {}).get("conditions") or []
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == kind), ("", ""))

    def _path(self, name: str) -> str:
        return f"{self.root}/{name.replace('__', '/')}"


def _tree(zookeeper: Any, path: str) -> dict[str, bytes]:
    try:
        found = {path: zookeeper.get(path)[0]}
        for child in zookeeper.get_children(path):
            found |= _tree(zookeeper, f"{path.rstrip('/')}/{child}")
    except NoNodeError:
        return {}
    return found


def definitions() -> Iterator[Manifest]:
    """The documents of crds/."""
    for file in sorted(CRDS.glob("*.yaml")):
        yield from filter(None, yaml.safe_load_all(file.read_text()))


def install_crds_with(rest: Rest) -> None:
    """Apply crds/ and wait until both kinds are served."""
    for document in definitions():
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{document['metadata']['name']}"
        rest.apply(path, document)
    for kind in ("configsyncs", "zookeeperclusters"):
        wait_for(f"the API of {kind}", functools.partial(rest.ready, f"{API}/{kind}"), limit_s=60)


def _install(api_server: ApiServer) -> None:
    rest = api_server.rest()
    install_crds_with(rest)
    rest.close()


@contextlib.asynccontextmanager
async def site(
    api_server: ApiServer,
    zookeeper: Ensemble,
    directory: Path,
    network: Network | None = None,
    *,
    install: bool = True,
) -> AsyncIterator[Site]:
    """A site on one API server and the first server of an ensemble, on loopback or on hosts of a network.

    `install` false leaves the definitions of our kinds as they are on the server.
    """
    journal = Journal()
    upstream = Upstream.from_kubeconfig(api_server.kubeconfig)
    client = KazooClient(
        zookeeper.hosts,
        auth_data=[("digest", f"super:{zookeeper.password}")],
        timeout=20,
        command_retry={"max_tries": 5},
    )
    async with (
        KubeProxy(upstream, journal=journal, **_place(network, "api")) as kube_proxy,
        ZkProxy(zookeeper.servers[0].hosts, journal=journal, **_place(network, "zookeeper")) as zk_proxy,
        ApiClient(api_server.kubeconfig) as kube,
    ):
        if install:
            await asyncio.to_thread(_install, api_server)
        await asyncio.to_thread(client.start, 30)
        try:
            yield Site(
                kube=kube,
                zookeeper=client,
                kube_proxy=kube_proxy,
                zk_proxy=zk_proxy,
                journal=journal,
                directory=directory,
                kubeconfig=kube_proxy.write_kubeconfig(directory / "proxy.kubeconfig"),
                data_directory=zookeeper.servers[0].directory / "data",
                network=network,
            )
        finally:
            await asyncio.to_thread(client.stop)
            client.close()


def _place(network: Network | None, host: str) -> dict[str, str]:
    return {} if network is None else {"address": network.address(host), "netns": network.netns(host)}
