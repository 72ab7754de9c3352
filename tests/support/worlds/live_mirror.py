"""One ConfigSync on a real API server and a real ensemble, with other clients' hands on both sides."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from tests.support.machines.api_client import ApiClient
from tests.support.models.histories import values
from tests.support.waiting import eventually
from tests.support.worlds.mirror_servers import RealOperator, config_sync

CRDS = Path(__file__).parents[3] / "crds"
API = "/apis/zkoperator.dev/v1alpha1"
MERGE = "application/merge-patch+json"


class LiveWorld:
    """What users do and see. `operator` is started by the test, once its world is laid out."""

    def __init__(self, kubeconfig: Path, hosts: str, namespace: str, kube: ApiClient, zk: KazooClient) -> None:
        self.kube = kube
        self.zk = zk
        self.namespace = namespace
        self.hosts = hosts
        self.root = f"/m-{secrets.token_hex(4)}"
        self._kubeconfig = kubeconfig
        self._operator: RealOperator | None = None
        self.targets: dict[str, dict[str, Any]] = {}
        """ConfigSync -> what its spec says of the Secret, where that is not just its name."""

    async def start(self) -> None:
        self._operator = await RealOperator(self._kubeconfig, self.namespace, self.hosts, retry_s=1.0).start()

    async def stop(self) -> None:
        if self._operator is not None:
            await self._operator.stop()
        self._operator = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    # The Kubernetes side.

    def maps(self, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps{'/' + name if name else ''}"

    def syncs(self, name: str = "") -> str:
        return f"{API}/namespaces/{self.namespace}/configsyncs{'/' + name if name else ''}"

    def target_of(self, name: str) -> dict[str, Any]:
        """Return what the spec of a ConfigSync says of its target beside what the test says."""
        return {}

    async def sync(self, name: str = "shop", *, path: str = "", secret: str | None = None, **spec: Any) -> None:
        manifest = config_sync(self.namespace, self.hosts, path or self.root, name, **spec)
        manifest["spec"] |= self.target_of(name)
        if secret is not None:
            manifest["spec"]["zookeeper"]["credentialsSecret"] = secret
        await self.kube.create(self.syncs(), manifest)

    async def patch_sync(self, patch: dict[str, Any], name: str = "shop") -> None:
        await self.kube.request("PATCH", self.syncs(name), patch, MERGE)

    async def annotate(self, name: str = "shop", /, **annotations: str | None) -> None:
        names = {f"zkoperator.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        await self.patch_sync({"metadata": {"annotations": names}}, name)

    async def config_map(self, data: dict[str, str], name: str = "shop", label: str | None = "shop") -> None:
        labels = {"zkoperator.dev/sync": label} if label is not None else {}
        meta = {"name": name, "namespace": self.namespace, "labels": labels}
        await self.kube.create(self.maps(), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})

    async def edit(self, name: str = "shop", /, **data: str | None) -> None:
        await self.kube.request("PATCH", self.maps(name), {"data": data}, MERGE)

    async def delete(self, path: str) -> None:
        await self.kube.request("DELETE", path)

    async def data(self, name: str = "shop") -> dict[str, bytes] | None:
        found = await self.kube.find(self.maps(name))
        return None if found is None else values(found)

    async def status(self, name: str = "shop") -> dict[str, Any]:
        return dict((await self.kube.get(self.syncs(name))).get("status") or {})

    async def ready(self, name: str = "shop") -> tuple[str, str]:
        conditions = (await self.status(name)).get("conditions", [])
        return next(((item["reason"], item["message"]) for item in conditions if item["type"] == "Ready"), ("", ""))

    # The ensemble's side.

    def node(self, path: str, value: bytes | str) -> None:
        """Set or create a znode below the root, with its parents."""
        data = value.encode() if isinstance(value, str) else value
        full = f"{self.root}/{path}"
        if self.zk.exists(full):
            self.zk.set(full, data)
        else:
            self.zk.create(full, data, makepath=True)

    def tree(self, **nodes: bytes | str) -> None:
        self.zk.ensure_path(self.root)
        for name, value in nodes.items():
            self.node(name.replace("__", "/"), value)

    def at(self, path: str) -> bytes | None:
        try:
            return bytes(self.zk.get(f"{self.root}/{path}" if path else self.root)[0])
        except NoNodeError:
            return None

    # Waiting.

    async def until(self, probe: Callable[[], Any], *, within_s: float = 60) -> None:
        await eventually(probe, within_s=within_s)

    async def until_data(self, expected: dict[str, bytes] | None, name: str = "shop") -> None:
        async def equal() -> bool:
            assert await self.data(name) == expected
            return True

        await eventually(equal, within_s=60)

    async def until_ready(self, reason: str, name: str = "shop") -> str:
        """Wait for the reason of Ready; return its message."""

        async def told() -> str:
            found, message = await self.ready(name)
            assert found == reason, message
            return message or reason

        return await eventually(told, within_s=60)

    async def until_in_sync(self, name: str = "shop") -> None:
        await self.until_ready("InSync", name)

    async def until_at(self, path: str, value: bytes | None) -> None:
        await self.until(lambda: self.at(path) == value)

    async def settle(self) -> None:
        """Give whatever would be wrong the time to happen."""
        await asyncio.sleep(1.0)


class LiveSecrets(LiveWorld):
    """The same with a Secret in place of the ConfigMap, beside the Secret with the key of the installation."""

    def maps(self, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets{'/' + name if name else ''}"

    def target_of(self, name: str) -> dict[str, Any]:
        return {"secret": self.targets.get(name, {})}

    async def config_map(
        self, data: dict[str, str], name: str = "shop", label: str | None = "shop", **fields: Any
    ) -> None:
        await self.kube.create(self.maps(), self.whole(data, name, label, **fields))

    def whole(
        self, data: dict[str, str], name: str = "shop", label: str | None = "shop", **fields: Any
    ) -> dict[str, Any]:
        """Return the Secret as somebody writes it who knows nothing of annotations."""
        labels = {"zkoperator.dev/sync": label} if label is not None else {}
        meta = {"name": name, "namespace": self.namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data, **fields}

    async def edit(self, name: str = "shop", /, **data: str | None) -> None:
        encoded = {key: base64.b64encode(text.encode()).decode() if text else text for key, text in data.items()}
        await self.kube.request("PATCH", self.maps(name), {"data": encoded}, MERGE)

    async def data(self, name: str = "shop") -> dict[str, bytes] | None:
        found = await self.kube.find(self.maps(name))
        if found is None:
            return None
        return {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}


@asynccontextmanager
async def live_world(
    kubeconfig: Path, hosts: str, namespace: str, kind: type[LiveWorld] = LiveWorld
) -> AsyncIterator[LiveWorld]:
    zk = KazooClient(hosts=hosts)
    zk.start(timeout=60)
    try:
        async with ApiClient(kubeconfig) as kube:
            await install(kube)
            world = kind(kubeconfig, hosts, namespace, kube, zk)
            try:
                yield world
            finally:
                await world.stop()
    finally:
        zk.stop()
        zk.close()


async def install(kube: ApiClient) -> None:
    """Apply crds/ and wait until ConfigSyncs are served."""
    for file in sorted(CRDS.glob("*.yaml")):
        manifest = yaml.safe_load(file.read_text())
        name = manifest["metadata"]["name"]
        await kube.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?", manifest)

    async def served() -> bool:
        try:
            return await kube.find(f"{API}/namespaces/default/configsyncs") is not None
        except aiohttp.ClientResponseError:
            return False  # 429 while the storage of a new kind is being made

    await eventually(served, within_s=60)
