"""ConfigSyncs against the installed operator: an independent client on one side, kubectl and pods on the other."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from kazoo.client import KazooClient

from tests.e2e.conftest import BOTH_WIRES, Client, Space, kubectl, sync
from tests.support.machines.api_client import Recorder
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Shop:
    """One name in the shared namespace: of a subtree, a ConfigSync, its ConfigMap and the workloads that use it."""

    space: Space
    name: str

    @property
    def root(self) -> str:
        return f"/apps/{self.name}"

    def sync(self, **spec: Any) -> dict[str, Any]:
        return sync(self.root, self.name, **spec)

    async def data(self) -> dict[str, Any]:
        found = await self.space.get("configmaps", self.name)
        return dict(found.get("data") or {}) if found is not None else {}

    async def shows(self, expected: dict[str, str]) -> None:
        async def equal() -> bool:
            data = await self.data()
            assert data == expected
            return True

        await eventually(equal, within_s=60)

    async def edit(self, **data: str) -> None:
        await self.space.api.merge(self.space.path("configmaps", self.name), {"data": data})

    async def is_ready(self) -> None:
        await self.space.until("configsyncs", self.name, "Ready", "True")

    async def is_refused(self) -> None:
        async def holds() -> bool:
            return bool((await self.space.condition("configsyncs", self.name, "Ready"))["reason"] == "NotGranted")

        await eventually(holds, within_s=120)


@pytest.fixture
async def shop(shared: Space) -> AsyncIterator[Shop]:
    made = Shop(shared, f"shop-{secrets.token_hex(3)}")
    try:
        yield made
    finally:
        kinds = "zksync,deployment,daemonset,statefulset,configmap,secret"
        await asyncio.to_thread(
            kubectl, "-n", shared.name, "delete", kinds, made.name, "--ignore-not-found", "--wait=false"
        )


def put(client: KazooClient, path: str, data: bytes) -> None:
    client.ensure_path(path.rpartition("/")[0])
    client.create(path, data)


async def test_a_secret_follows_its_znodes_is_followed_and_goes_with_its_config_sync(shop: Shop) -> None:
    """With the rights of the component alone."""
    secret = shop.space.path("secrets", shop.name)

    async def has(**values: bytes) -> bool:
        found = await shop.space.get("secrets", shop.name) or {}
        assert {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()} == values
        return True

    async with Client(shop.space) as zk:
        await asyncio.to_thread(put, zk, f"{shop.root}/password", b"\xff1")
        await shop.space.apply(shop.sync(secret={}, onDelete="DeleteConfigMap"))
        await eventually(partial(has, password=b"\xff1"), within_s=60)
        await asyncio.to_thread(zk.set, f"{shop.root}/password", b"2")
        await eventually(partial(has, password=b"2"), within_s=60)
        await shop.space.api.merge(secret, {"data": {"more": base64.b64encode(b"3").decode()}})
        await eventually(lambda: asyncio.to_thread(zk.exists, f"{shop.root}/more"), within_s=60)
        await shop.is_ready()
        await asyncio.to_thread(kubectl, "-n", shop.space.name, "delete", "zksync", shop.name)
        assert await shop.space.get("secrets", shop.name) is None


async def test_znodes_that_are_set_created_and_deleted_appear_in_the_config_map(shop: Shop) -> None:
    async with Client(shop.space) as zk:
        await asyncio.to_thread(put, zk, f"{shop.root}/db/pool_size", b"10")
        await shop.space.apply(shop.sync(direction="ZooKeeperToConfigMap"))
        await shop.shows({"db__pool_size": "10"})
        stat = await asyncio.to_thread(zk.set, f"{shop.root}/db/pool_size", b"20")
        await asyncio.to_thread(put, zk, f"{shop.root}/LOG_LEVEL", b"debug")
        await shop.shows({"db__pool_size": "20", "LOG_LEVEL": "debug"})
        await asyncio.to_thread(zk.delete, f"{shop.root}/LOG_LEVEL")
        await shop.shows({"db__pool_size": "20"})
    found = await shop.space.get("configmaps", shop.name)
    assert found is not None
    assert int(found["metadata"]["annotations"]["zkoperator.dev/zxid"], 16) > stat.mzxid
    await shop.is_ready()


@BOTH_WIRES
async def test_a_multi_of_50_znodes_is_never_seen_in_part(shop: Shop) -> None:
    async with Client(shop.space) as zk:
        await asyncio.to_thread(zk.ensure_path, shop.root)
        for name in range(50):
            await asyncio.to_thread(zk.create, f"{shop.root}/k{name}", b"0")
        await shop.space.apply(shop.sync(direction="ZooKeeperToConfigMap"))
        await shop.shows({f"k{name}": "0" for name in range(50)})
        async with Recorder(shop.space.api, shop.space.path("configmaps")) as recorder:
            # A machine that is slow enough shows each burst as one version.
            for burst in range(3):
                for generation in range(burst * 10 + 1, burst * 10 + 11):
                    transaction = zk.transaction()
                    for name in range(50):
                        transaction.set_data(f"{shop.root}/k{name}", str(generation).encode())
                    await asyncio.to_thread(transaction.commit)
                await shop.shows({f"k{name}": str(burst * 10 + 10) for name in range(50)})
            await eventually(lambda: len(recorder.of(shop.name)) >= 3)
            versions = [event["object"]["data"] for event in recorder.of(shop.name)]
    assert all(len(set(version.values())) == 1 for version in versions), "a transaction was seen in part"


async def test_another_namespace_uses_what_the_owner_grants_to_its_label_and_nothing_after(shop: Shop) -> None:
    space, main = shop.space, shop.space.path("zookeeperclusters", "main")
    other = Space(space.api, f"{space.name}-guest", space.tell)
    grant = {
        "name": shop.name,
        "namespaces": {"selector": {"matchLabels": {"guest": shop.name}}},
        "paths": ["/apps/{namespace}"],
        "access": "ReadWrite",
    }
    guest, wanted = Shop(other, shop.name), sync(f"/apps/{other.name}", shop.name)
    wanted["spec"]["zookeeper"]["clusterRef"]["namespace"] = space.name
    await asyncio.to_thread(kubectl, "create", "namespace", other.name)
    try:
        async with Client(space) as zk:
            await asyncio.to_thread(put, zk, f"/apps/{other.name}/colour", b"red")
            await other.apply(wanted)
            await guest.is_refused()
            await asyncio.to_thread(kubectl, "label", "namespace", other.name, f"guest={shop.name}")
            await space.api.merge(main, {"spec": {"grants": [grant]}})
            await guest.shows({"colour": "red"})
            await guest.edit(colour="blue")
            await eventually(lambda: zk.get(f"/apps/{other.name}/colour")[0] == b"blue", within_s=60)
            await space.api.merge(main, {"spec": {"grants": None}})
            await guest.is_refused()
    finally:
        await asyncio.to_thread(kubectl, "delete", "namespace", other.name, "--wait=false", "--ignore-not-found")


@BOTH_WIRES
async def test_an_edit_of_the_config_map_becomes_a_znode(shop: Shop) -> None:
    async with Client(shop.space) as zk:
        await asyncio.to_thread(put, zk, f"{shop.root}/colour", b"red")
        await shop.space.apply(shop.sync())
        await shop.shows({"colour": "red"})
        await shop.edit(colour="blue", db__host="a")
        await eventually(lambda: asyncio.to_thread(lambda: zk.exists(f"{shop.root}/db/host")), within_s=60)
        assert (await asyncio.to_thread(zk.get, f"{shop.root}/colour"))[0] == b"blue"
        assert (await asyncio.to_thread(zk.get, f"{shop.root}/db/host"))[0] == b"a"
    await shop.is_ready()


WAITER = {
    "name": "app",
    "image": "docker.io/library/zookeeper:3.9.5",
    "command": ["sleep", "3600"],
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "volumeMounts": [{"name": "config", "mountPath": "/config"}],
}


def application(name: str) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [WAITER],
                    "volumes": [{"name": "config", "configMap": {"name": name}}],
                },
            },
        },
    }


async def test_an_application_is_restarted_once_for_a_settled_content(shop: Shop) -> None:
    async with Client(shop.space) as zk:
        await asyncio.to_thread(put, zk, f"{shop.root}/colour", b"red\n")
        await shop.space.apply(application(shop.name))
        rollout = [{"kind": "Deployment", "name": shop.name}]
        await shop.space.apply(shop.sync(direction="ZooKeeperToConfigMap", rollout=rollout))
        await eventually(lambda: available(shop), within_s=90)
        before = await settled_generation(shop)
        await asyncio.to_thread(zk.set, f"{shop.root}/colour", b"blue\n")
        after = await eventually(lambda: newer(shop, before), within_s=60)
        assert await settled_generation(shop) == after, "restarted more than once"


async def test_workloads_of_every_kind_are_restarted(shop: Shop) -> None:
    deployment = application(shop.name)
    common = {name: deployment["spec"][name] for name in ("selector", "template")}
    pod = common["template"]
    meta = {"apiVersion": "apps/v1", "metadata": {"name": shop.name}}
    nowhere = {**pod, "spec": {**pod["spec"], "nodeSelector": {"no": "node"}}}
    daemons = {**meta, "kind": "DaemonSet", "spec": {**common, "template": nowhere}}
    stateful = {**meta, "kind": "StatefulSet", "spec": {**common, "serviceName": shop.name, "replicas": 0}}
    async with Client(shop.space) as zk:
        await asyncio.to_thread(put, zk, f"{shop.root}/colour", b"red")
        await shop.space.apply(daemons, stateful)
        rollout = [{"kind": kind, "name": shop.name} for kind in ("DaemonSet", "StatefulSet")]
        await shop.space.apply(shop.sync(rollout=rollout))
        for plural in ("daemonsets", "statefulsets"):
            await eventually(partial(restarted, shop, plural), within_s=60)


ARGO_ROLLOUTS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"kind": "Rollout", "plural": "rollouts"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
"""As much of Argo Rollouts as a restart needs: its controller replaces pods when their template changes."""


@pytest.fixture
def argo_rollouts() -> Iterator[None]:
    name = "rollouts.argoproj.io"
    is_there = kubectl("get", "crd", name, "--ignore-not-found", "-o", "name")
    if not is_there:
        kubectl("apply", "-f", "-", given=ARGO_ROLLOUTS)
        kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
    yield
    if not is_there:
        kubectl("delete", "crd", name, "--wait=false")


async def test_a_rollout_of_argo_is_restarted(shop: Shop, argo_rollouts: None) -> None:
    template = {"metadata": {"labels": {"app": shop.name}}, "spec": {"containers": [{"name": "app", "image": "none"}]}}
    meta = {"name": shop.name, "namespace": shop.space.name}
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": meta,
        "spec": {"template": template},
    }
    async with Client(shop.space) as zk:
        await asyncio.to_thread(put, zk, f"{shop.root}/colour", b"red")
        await asyncio.to_thread(kubectl, "apply", "-f", "-", given=rollout)
        await shop.space.apply(shop.sync(rollout=[{"kind": "Rollout", "name": shop.name}]))
        await shop.shows({"colour": "red"})
        await asyncio.to_thread(zk.set, f"{shop.root}/colour", b"blue")

        async def is_marked() -> bool:
            field = "jsonpath={.spec.template.metadata.annotations}"
            return "rollout.zkoperator.dev" in await asyncio.to_thread(
                kubectl, "-n", shop.space.name, "get", "rollouts.argoproj.io", shop.name, "-o", field
            )

        await eventually(is_marked, within_s=60, every_s=0.5)


async def restarted(shop: Shop, plural: str) -> bool:
    found = await shop.space.get(plural, shop.name)
    assert found is not None
    return bool(found["spec"]["template"]["metadata"].get("annotations"))


async def test_a_config_map_is_deleted_with_its_config_sync_when_that_was_asked_for(shop: Shop) -> None:
    async with Client(shop.space) as zk:
        await asyncio.to_thread(put, zk, f"{shop.root}/colour", b"red")
        await shop.space.apply(shop.sync(onDelete="DeleteConfigMap"))
        await shop.shows({"colour": "red"})
        delete = ("-n", shop.space.name, "delete", "zksync", shop.name, "--timeout=60s")
        await asyncio.to_thread(kubectl, *delete)
        assert await shop.space.get("configmaps", shop.name) is None
        assert await asyncio.to_thread(zk.exists, f"{shop.root}/colour") is not None


async def available(shop: Shop) -> bool:
    found = await shop.space.get("deployments", shop.name)
    return found is not None and found.get("status", {}).get("availableReplicas") == 1


async def generation(shop: Shop) -> int:
    found = await shop.space.get("deployments", shop.name)
    assert found is not None
    return int(found["metadata"]["generation"])


async def newer(shop: Shop, than: int) -> int:
    now = await generation(shop)
    return now if now > than else 0


async def settled_generation(shop: Shop) -> int:
    """The generation once it has stayed the same for longer than the operator waits between two restarts."""
    seen: list[int] = []

    async def stays() -> bool:
        seen.append(await generation(shop))
        return len(seen) > 26 and len(set(seen[-26:])) == 1

    await eventually(stays, within_s=90, every_s=0.5)
    return seen[-1]


async def test_values_arrive_as_they_are(shop: Shop) -> None:
    values = {"lines": "with\nnewline", "unicode": "ünïcode ✓", "empty": ""}
    async with Client(shop.space) as zk:
        for name, value in values.items():
            await asyncio.to_thread(put, zk, f"{shop.root}/{name}", value.encode())
        await shop.space.apply(shop.sync())
        await shop.shows(values)
