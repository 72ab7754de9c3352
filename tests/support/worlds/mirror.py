"""A whole world for ConfigSyncs in memory: API server, ensemble, informer, loop and the real reconciler."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.support.fakes.kube import FakeKube
from tests.support.fakes.kube_secrets import KubeWithSecrets
from tests.support.fakes.renderer import InlineRenderer
from tests.support.fakes.zk import FakeZkConnector, FakeZkServer
from tests.support.fakes.zk_tree import Principal
from tests.support.waiting import eventually
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.informer import Informer
from zkoperator.kube.port import (
    CONFIG_MAPS,
    CONFIG_SYNCS,
    EVENTS,
    SECRETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
    Resource,
)
from zkoperator.mirror.model.config_map import fold_managers
from zkoperator.mirror.model.keys import decode_binary
from zkoperator.mirror.model.meter import UNMETERED, Meter
from zkoperator.mirror.model.names import SYNC_LABEL
from zkoperator.mirror.observe.hash_key import HashKey
from zkoperator.mirror.observe.targets import GrantedSecrets
from zkoperator.mirror.reconcile import MirrorReconciler
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.templates.port import Renderer
from zkoperator.zk.pool import SessionPool
from zkoperator.zk.port import Create, Delete, Operation, Set, ZkConnector

NAMESPACE = "demo"
ROOT = "/apps/shop"
HASH_KEY = "zkoperator-system", "zkoperator-hash-key"
"""The Secret with the key of the installation."""
FAST = MirrorSettings(
    quiet_s=0.005,
    longest_burst_s=0.05,
    status_lag_s=0.02,
    settle_s=0.02,
    rollout_interval_s=0.02,
    retry_s=0.1,
    failing_s=0.2,
    recreate_s=0.1,
    deletion_quiet_s=0.02,
)
QUICK_RETRY = Backoff(first_s=0.01, limit_s=0.1)


class World:
    """One operator process, its API server and its ensemble. `restart` is a crash and another process."""

    def __init__(self, settings: MirrorSettings = FAST) -> None:
        self.kube = FakeKube()
        self.zk = FakeZkServer(request_timeout_s=1.0)
        self.settings = settings
        self._tasks: list[asyncio.Task[None]] = []
        self.grants_secrets = isinstance(self.kube, KubeWithSecrets)
        """Whether the installation lets ConfigSyncs keep Secrets."""
        self.reconciler: MirrorReconciler
        self.clock: Clock = MONOTONIC
        self.meter: Meter = UNMETERED
        self.renderer: Renderer = InlineRenderer()
        self.kube.put(ZOOKEEPER_CLUSTERS, cluster())
        self.zk.write(Create("/apps", b""))

    async def start(self) -> None:
        self.pool = SessionPool(self.connector())
        self.store = self._follow_targets(CONFIG_MAPS)
        secrets = self._follow_targets(SECRETS) if self.grants_secrets else None
        granted = GrantedSecrets(secrets, HashKey(self.kube, *HASH_KEY)) if secrets is not None else None
        self.reconciler = MirrorReconciler(
            self.kube, self.pool, self.store, self.settings, self.clock, self.meter, self.renderer, granted
        )
        self.loop = KeyedLoop(
            "ConfigSync",
            self.reconciler.reconcile,
            backoff=QUICK_RETRY,
            slow_backoff=QUICK_RETRY,
            clock=self.clock,
        )
        self.reconciler.bind(self.loop.wake, self.loop.forget)
        self._tasks = [asyncio.create_task(self.store.run()), asyncio.create_task(self._follow_syncs())]
        self._tasks += [asyncio.create_task(secrets.run())] if secrets is not None else []
        await self.store.wait_synced()
        self._tasks.append(asyncio.create_task(self.loop.run()))

    def _follow_targets(self, resource: Resource) -> Informer:
        informer = Informer(
            self.kube,
            resource,
            labels=SYNC_LABEL,
            on_change=lambda key: self.reconciler.target_changed(resource, key, is_gone=informer.get(key) is None),
            reduce=fold_managers,
            backoff=QUICK_RETRY,
            slow_backoff=QUICK_RETRY,
            clock=self.clock,
        )
        return informer

    def connector(self) -> ZkConnector:
        """Return what opens sessions: all of them lead to the one ensemble."""
        return FakeZkConnector(self.zk)

    async def _follow_syncs(self) -> None:
        informer = Informer(
            self.kube,
            CONFIG_SYNCS,
            on_change=lambda key: self.reconciler.resource_changed(key, version_of(informer.get(key))),
            reduce=_reference,  # the slow list keeps no objects either
            backoff=QUICK_RETRY,
            clock=self.clock,
        )
        await informer.run()

    async def stop(self) -> None:
        """End the process: memory and sessions are gone, whatever was under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.reconciler.close()
        await self.pool.close()

    async def abandon(self) -> None:
        """End the process without a word: its sessions stay open, with whatever they have sent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    # What users do.

    def sync(self, name: str = "shop", /, **spec: Any) -> Key:
        zookeeper = spec.pop("zookeeper", {"clusterRef": {"name": "main"}})
        where = {"sources": spec.pop("sources")} if "sources" in spec else {"path": spec.pop("path", ROOT)}
        self.kube.put(CONFIG_SYNCS, config_sync(name, {"zookeeper": {**zookeeper, **where}, **spec}))
        return Key(NAMESPACE, name)

    def spec(self, name: str = "shop", /, **spec: Any) -> None:
        self.kube.edit(CONFIG_SYNCS, NAMESPACE, name, {"spec": spec})

    def annotate(self, name: str = "shop", /, **annotations: str | None) -> None:
        names = {f"zkoperator.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.kube.edit(CONFIG_SYNCS, NAMESPACE, name, {"metadata": {"annotations": names}})

    def tree(self, **values: bytes | str) -> None:
        """Create the root and these znodes; `__` in a name stands for a level."""
        self.write(Create(ROOT, b""))
        for name, value in values.items():
            self.node(name.replace("__", "/"), value)

    def node(self, path: str, value: bytes | str) -> None:
        """Set or create a znode below the root, with its parents."""
        data = value.encode() if isinstance(value, str) else value
        segments = path.split("/")
        for depth in range(1, len(segments)):
            parent = f"{ROOT}/" + "/".join(segments[:depth])
            if self.znode(parent) is None:
                self.write(Create(parent, b""))
        full = f"{ROOT}/{path}"
        self.write(Create(full, data) if self.znode(full) is None else Set(full, data, -1))

    def drop(self, path: str) -> None:
        self.write(Delete(f"{ROOT}/{path}", -1))

    def write(self, *ops: Operation) -> None:
        self.zk.write(*ops)

    def config_map(self, name: str = "shop", *, label: str | None = "shop", **data: str) -> None:
        meta: Manifest = {"name": name, "namespace": NAMESPACE, "labels": {SYNC_LABEL: label} if label else {}}
        self.kube.put(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})

    def edit(self, name: str = "shop", /, **data: str | None) -> None:
        self.kube.edit(CONFIG_MAPS, NAMESPACE, name, {"data": data})

    # What they see.

    def znode(self, path: str) -> bytes | None:
        """Return the data at an absolute path."""
        try:
            return self.zk.tree.get(path, SUPER).data
        except ZkOperatorError:
            return None

    def at(self, path: str) -> bytes | None:
        """Return the data at a path below the root."""
        return self.znode(f"{ROOT}/{path}" if path else ROOT)

    def data(self, name: str = "shop") -> dict[str, bytes] | None:
        found = self.kube.peek(CONFIG_MAPS, NAMESPACE, name)
        if found is None:
            return None
        values = {key: text.encode() for key, text in (found.get("data") or {}).items()}
        return values | {key: decode_binary(text) for key, text in (found.get("binaryData") or {}).items()}

    def status(self, name: str = "shop") -> dict[str, Any]:
        found = self.kube.peek(CONFIG_SYNCS, NAMESPACE, name)
        assert found is not None
        return dict(found.get("status") or {})

    def condition(self, type_: str, name: str = "shop") -> tuple[str, str]:
        for item in self.status(name).get("conditions", []):
            if item["type"] == type_:
                return item["status"], item["reason"]
        return "", ""

    def message(self, name: str = "shop") -> str:
        return next(str(item["message"]) for item in self.status(name)["conditions"] if item["type"] == "Ready")

    def ready(self, name: str = "shop") -> tuple[str, str]:
        return self.condition("Ready", name)

    async def until(self, probe: Callable[[], Any], *, within_s: float = 10) -> None:
        await eventually(probe, within_s=within_s, every_s=0.005)

    async def until_in_sync(self, name: str = "shop") -> None:
        await self.until(lambda: self.ready(name) == ("True", "InSync"))

    async def until_reason(self, reason: str, name: str = "shop") -> None:
        await self.until(lambda: self.ready(name) == ("False", reason))

    async def quiet(self, passes: int = 30) -> None:
        """Let everything that is under way finish: many turns of the loop and a few of its short timers."""
        for _ in range(passes):
            await asyncio.sleep(0.004)


class SecretWorld(World):
    """A world whose ConfigSyncs keep Secrets; people act as on ConfigMaps."""

    def __init__(self, settings: MirrorSettings = FAST) -> None:
        super().__init__(settings)
        self.kube = KubeWithSecrets()
        self.kube.put(ZOOKEEPER_CLUSTERS, cluster())
        self.grants_secrets = True

    def secret(self, name: str = "shop") -> Manifest:
        """Return the Secret as it is."""
        return self.kube.peek(SECRETS, NAMESPACE, name) or {}


SUPER = Principal(is_super=True)


@asynccontextmanager
async def running(settings: MirrorSettings = FAST, *, kind: type[World] = World) -> AsyncIterator[World]:
    world = kind(settings)
    await world.start()
    try:
        yield world
    finally:
        await world.stop()


def _reference(manifest: Manifest) -> Manifest:
    return {"metadata": {name: manifest["metadata"][name] for name in ("namespace", "name", "resourceVersion")}}


def version_of(manifest: Manifest | None) -> str:
    """The version with which a change is told, empty when the object is gone."""
    return str(manifest["metadata"]["resourceVersion"]) if manifest is not None else ""


def cluster(name: str = "main") -> Manifest:
    return {
        "apiVersion": "zkoperator.dev/v1alpha1",
        "kind": "ZooKeeperCluster",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": 1},
        "status": {"hosts": f"{name}:2181"},
    }


def config_sync(name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "zkoperator.dev/v1alpha1",
        "kind": "ConfigSync",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def sync_is_gone(world: World) -> bool:
    return world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None


def znodes_left(world: World) -> list[str]:
    return [event["note"] for event in world.kube.every(EVENTS) if event["reason"] == "ZnodesLeft"]
