"""One face for the API server in memory and the real one, so that a contract test reads the same for both."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from testbed.api import ApiServer
from tests.support.fakes.kube import FakeKube
from tests.support.machines.api_client import ApiClient
from tests.support.waiting import eventually
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import CONFIG_MAPS, KubeApi, Manifest, Resource
from zkoperator.kube.transport import Transport

WIDGETS = Resource("contract.zkoperator.dev", "v1", "Widget", "widgets")
"""A kind of our own with a status subresource and nothing else."""

_WIDGET_DEFINITION: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{WIDGETS.plural}.{WIDGETS.group}"},
    "spec": {
        "group": WIDGETS.group,
        "scope": "Namespaced",
        "names": {"kind": WIDGETS.kind, "plural": WIDGETS.plural, "singular": "widget"},
        "versions": [
            {
                "name": WIDGETS.version,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            part: {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                            for part in ("spec", "status")
                        },
                    }
                },
            }
        ],
    },
}


@dataclass(frozen=True, slots=True)
class KubeWorld:
    """The API as the operator sees it, a namespace, and the hand of somebody else."""

    api: KubeApi
    namespace: str
    edit: Callable[[Resource, str, Manifest], Awaitable[None]]
    collect_garbage: Callable[[], None]
    count_budgets: Callable[[], None]


@asynccontextmanager
async def client_of(server: ApiServer, **options: float) -> AsyncIterator[KubeClient]:
    """A client of a real API server, as administrator."""
    transport = Transport(CredentialSource(str(server.kubeconfig)))
    try:
        yield KubeClient(transport, **options)  # type: ignore[arg-type]
    finally:
        await transport.close()


@asynccontextmanager
async def real_world(server: ApiServer, namespace: str) -> AsyncIterator[KubeWorld]:
    """The contract's world on a real API server."""
    async with client_of(server) as api, ApiClient(server.kubeconfig, manager="kubectl-edit") as outsider:
        await install(outsider, _WIDGET_DEFINITION)

        async def edit(resource: Resource, name: str, patch: Manifest) -> None:
            await outsider.merge(f"{collection(resource, namespace)}/{name}", patch)

        yield KubeWorld(api, namespace, edit, lambda: None, lambda: None)


@asynccontextmanager
async def fake_world() -> AsyncIterator[KubeWorld]:
    """The contract's world in memory."""
    fake = FakeKube()
    fake.missing_kinds.add("gadgets")

    async def edit(resource: Resource, name: str, patch: Manifest) -> None:
        await asyncio.sleep(0)
        fake.edit(resource, "contract", name, patch)

    yield KubeWorld(fake, "contract", edit, fake.collect_garbage, fake.count_budgets)


async def install(client: ApiClient, definition: Manifest) -> None:
    """Install a CustomResourceDefinition and return when its objects can be listed."""
    spec = definition["spec"]
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await client.apply(f"{path}/{definition['metadata']['name']}", definition)

    async def served() -> bool:
        try:
            await client.get(f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}")
        except aiohttp.ClientResponseError:
            return False
        return True

    await eventually(served)


def collection(resource: Resource, namespace: str) -> str:
    """The path of the objects of a kind in a namespace."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}/namespaces/{namespace}/{resource.plural}"


def config_map(name: str = "shop", data: dict[str, str] | None = None, **metadata: Any) -> Manifest:
    return {"metadata": {"name": name, **metadata}, "data": {"colour": "red"} if data is None else data}


def widget(name: str = "one", **spec: object) -> Manifest:
    return {"metadata": {"name": name}, "spec": spec}


async def data_of(world: KubeWorld, name: str = "shop") -> dict[str, str] | None:
    found = await world.api.get(CONFIG_MAPS, world.namespace, name)
    return None if found is None else found.get("data", {})
