"""ConfigSyncs against the installed operator: an independent client on one side, kubectl and pods on the other."""

import asyncio
from functools import partial
from typing import Any

from kazoo.client import KazooClient

from tests.e2e.conftest import Client, Space, cluster, kubectl, sync
from tests.support.machines.api_client import Recorder
from tests.support.waiting import eventually


async def serving(space: Space) -> None:
    await space.apply(cluster(1))
    await space.until("zookeeperclusters", "main", "Ready", "True")


async def data_of(space: Space, name: str = "shop") -> dict[str, Any]:
    found = await space.get("configmaps", name)
    return dict(found.get("data") or {}) if found is not None else {}


async def shows(space: Space, expected: dict[str, str]) -> None:
    async def equal() -> bool:
        data = await data_of(space)
        assert data == expected
        return True

    await eventually(equal, within_s=60)


def put(client: KazooClient, path: str, data: bytes) -> None:
    client.ensure_path(path.rpartition("/")[0])
    client.create(path, data)


async def test_znodes_that_are_set_created_and_deleted_appear_in_the_config_map(space: Space) -> None:
    await serving(space)
    async with Client(space) as zk:
        await asyncio.to_thread(put, zk, "/apps/shop/db/pool_size", b"10")
        await space.apply(sync("/apps/shop", direction="ZooKeeperToConfigMap"))
        await shows(space, {"db__pool_size": "10"})
        stat = await asyncio.to_thread(zk.set, "/apps/shop/db/pool_size", b"20")
        await asyncio.to_thread(put, zk, "/apps/shop/LOG_LEVEL", b"debug")
        await shows(space, {"db__pool_size": "20", "LOG_LEVEL": "debug"})
        await asyncio.to_thread(zk.delete, "/apps/shop/LOG_LEVEL")
        await shows(space, {"db__pool_size": "20"})
    found = await space.get("configmaps", "shop")
    assert found is not None
    assert int(found["metadata"]["annotations"]["zkoperator.dev/zxid"], 16) > stat.mzxid
    await space.until("configsyncs", "shop", "Ready", "True")


async def test_a_multi_of_50_znodes_is_never_seen_in_part(space: Space) -> None:
    await serving(space)
    async with Client(space) as zk:
        await asyncio.to_thread(zk.ensure_path, "/apps/shop")
        for name in range(50):
            await asyncio.to_thread(zk.create, f"/apps/shop/k{name}", b"0")
        await space.apply(sync("/apps/shop", direction="ZooKeeperToConfigMap"))
        await shows(space, {f"k{name}": "0" for name in range(50)})
        async with Recorder(space.api, space.path("configmaps")) as recorder:
            # A machine that is slow enough shows each burst as one version.
            for burst in range(3):
                for generation in range(burst * 10 + 1, burst * 10 + 11):
                    transaction = zk.transaction()
                    for name in range(50):
                        transaction.set_data(f"/apps/shop/k{name}", str(generation).encode())
                    await asyncio.to_thread(transaction.commit)
                await shows(space, {f"k{name}": str(burst * 10 + 10) for name in range(50)})
            await eventually(lambda: len(recorder.of("shop")) >= 3)
            versions = [event["object"]["data"] for event in recorder.of("shop")]
    assert all(len(set(version.values())) == 1 for version in versions), "a transaction was seen in part"


async def test_an_edit_of_the_config_map_becomes_a_znode(space: Space) -> None:
    await serving(space)
    async with Client(space) as zk:
        await asyncio.to_thread(put, zk, "/apps/shop/colour", b"red")
        await space.apply(sync("/apps/shop"))
        await shows(space, {"colour": "red"})
        await space.api.merge(space.path("configmaps", "shop"), {"data": {"colour": "blue", "db__host": "a"}})
        await eventually(lambda: asyncio.to_thread(lambda: zk.exists("/apps/shop/db/host")), within_s=60)
        assert (await asyncio.to_thread(zk.get, "/apps/shop/colour"))[0] == b"blue"
        assert (await asyncio.to_thread(zk.get, "/apps/shop/db/host"))[0] == b"a"
    await space.until("configsyncs", "shop", "Ready", "True")


WATCHER = {
    "name": "app",
    "image": "docker.io/library/zookeeper:3.9.4",
    "command": ["sh", "-c", "until grep -qx blue /config/colour; do sleep 0.1; done; touch /tmp/seen; exec sleep 3600"],
    "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/seen"]}, "periodSeconds": 1},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "volumeMounts": [{"name": "config", "mountPath": "/config"}],
}


def application(**template: Any) -> dict[str, Any]:
    labels = {"app": "shop"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{**WATCHER, **template}],
                    "volumes": [{"name": "config", "configMap": {"name": "shop"}}],
                },
            },
        },
    }


async def test_an_application_picks_a_change_up_from_its_mounted_file(space: Space) -> None:
    await serving(space)
    async with Client(space) as zk:
        await asyncio.to_thread(put, zk, "/apps/shop/colour", b"red\n")
        await space.apply(sync("/apps/shop", direction="ZooKeeperToConfigMap"))
        await shows(space, {"colour": "red\n"})
        await space.apply(application())
        await eventually(lambda: running(space), within_s=60)
        await asyncio.to_thread(zk.set, "/apps/shop/colour", b"blue\n")
        await eventually(lambda: available(space), within_s=150)


async def test_an_application_is_restarted_once_for_a_settled_content(space: Space) -> None:
    await serving(space)
    async with Client(space) as zk:
        await asyncio.to_thread(put, zk, "/apps/shop/colour", b"red\n")
        await space.apply(application(readinessProbe=None))
        rollout = [{"kind": "Deployment", "name": "shop"}]
        await space.apply(sync("/apps/shop", direction="ZooKeeperToConfigMap", rollout=rollout))
        await eventually(lambda: available(space), within_s=90)
        before = await settled_generation(space)
        await asyncio.to_thread(zk.set, "/apps/shop/colour", b"blue\n")
        after = await eventually(lambda: newer(space, before), within_s=60)
        assert await settled_generation(space) == after, "restarted more than once"


async def test_workloads_of_every_kind_are_restarted(space: Space) -> None:
    await serving(space)
    labels = {"app": "shop"}
    pod = application(readinessProbe=None)["spec"]["template"]
    common = {"selector": {"matchLabels": labels}, "template": pod}
    daemons = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "shop"}, "spec": common}
    stateful = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "shop"},
        "spec": {**common, "serviceName": "shop", "replicas": 0},
    }
    daemons["spec"] = {**common, "template": {**pod, "spec": {**pod["spec"], "nodeSelector": {"no": "node"}}}}
    async with Client(space) as zk:
        await asyncio.to_thread(put, zk, "/apps/shop/colour", b"red")
        await space.apply(daemons, stateful)
        rollout = [{"kind": kind, "name": "shop"} for kind in ("DaemonSet", "StatefulSet")]
        await space.apply(sync("/apps/shop", rollout=rollout))
        for plural in ("daemonsets", "statefulsets"):
            await eventually(partial(restarted, space, plural), within_s=60)


async def restarted(space: Space, plural: str) -> bool:
    found = await space.get(plural, "shop")
    assert found is not None
    return bool(found["spec"]["template"]["metadata"].get("annotations"))


async def test_a_config_map_is_deleted_with_its_config_sync_when_that_was_asked_for(space: Space) -> None:
    await serving(space)
    async with Client(space) as zk:
        await asyncio.to_thread(put, zk, "/apps/shop/colour", b"red")
        await space.apply(sync("/apps/shop", onDelete="DeleteConfigMap"))
        await shows(space, {"colour": "red"})
        await asyncio.to_thread(kubectl, "-n", space.name, "delete", "zksync", "shop", "--timeout=60s")
        assert await space.get("configmaps", "shop") is None
        assert await asyncio.to_thread(zk.exists, "/apps/shop/colour") is not None


async def running(space: Space) -> bool:
    pods = await space.items("pods")
    return any(pod["metadata"]["labels"].get("app") == "shop" and pod["status"]["phase"] == "Running" for pod in pods)


async def available(space: Space) -> bool:
    found = await space.get("deployments", "shop")
    return found is not None and found.get("status", {}).get("availableReplicas") == 1


async def generation(space: Space) -> int:
    found = await space.get("deployments", "shop")
    assert found is not None
    return int(found["metadata"]["generation"])


async def newer(space: Space, than: int) -> int:
    now = await generation(space)
    return now if now > than else 0


async def settled_generation(space: Space) -> int:
    """The generation once it has stayed the same for longer than the operator waits between two restarts."""
    seen: list[int] = []

    async def stays() -> bool:
        seen.append(await generation(space))
        return len(seen) > 26 and len(set(seen[-26:])) == 1

    await eventually(stays, within_s=90, every_s=0.5)
    return seen[-1]


async def test_values_arrive_as_they_are(space: Space) -> None:
    await serving(space)
    values = {"lines": "with\nnewline", "unicode": "ünïcode ✓", "empty": ""}
    async with Client(space) as zk:
        for name, value in values.items():
            await asyncio.to_thread(put, zk, f"/apps/shop/{name}", value.encode())
        await space.apply(sync("/apps/shop"))
        await shows(space, values)
