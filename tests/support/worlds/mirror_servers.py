"""The ConfigSync half of the operator in this process, on a real API server and a real ensemble."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.worlds.mirror import version_of
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.informer import Informer
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, SECRETS, KubeApi, Manifest, Resource
from zkoperator.kube.transport import Transport
from zkoperator.mirror.model.names import SYNC_LABEL
from zkoperator.mirror.observe.hash_key import HashKey
from zkoperator.mirror.observe.targets import GrantedSecrets
from zkoperator.mirror.reconcile import MirrorReconciler
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.runtime.outcome import LookAgain
from zkoperator.zk.pool import SessionConnector, SessionPool

Wrap = Callable[[KubeApi], KubeApi]


class RealOperator:
    """Informers, loop and reconciler; `stop` ends it as a crash does: nothing is finished or told."""

    def __init__(
        self, kubeconfig: Path, namespace: str, hosts: str, wrap: Wrap = lambda api: api, **tuning: Any
    ) -> None:
        self.namespace = namespace
        self.pool = SessionPool(SessionConnector())
        self._transport = Transport(CredentialSource(str(kubeconfig)))
        self.api = wrap(KubeClient(self._transport))
        self.sessions: set[int] = set()
        self._hosts = tuple(hosts.split(","))
        self._tuning = tuning
        self._tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> "RealOperator":
        self.store, secrets = self._follow_targets(CONFIG_MAPS), self._follow_targets(SECRETS)
        allowed = tuple(host.rpartition(":")[0] for host in self._hosts)
        self.reconciler = MirrorReconciler(
            self.api,
            self.pool,
            self.store,
            MirrorSettings(allowed_hosts=allowed, **self._tuning),
            secrets=GrantedSecrets(secrets, HashKey(self.api, self.namespace, "zkoperator-hash-key")),
        )
        self.loop = KeyedLoop("ConfigSync", self._pass)
        self.reconciler.bind(self.loop.wake, self.loop.forget)
        syncs = Informer(
            self.api,
            CONFIG_SYNCS,
            (self.namespace,),
            on_change=lambda key: self.reconciler.resource_changed(key, version_of(syncs.get(key))),
        )
        self._tasks = [asyncio.create_task(self.store.run()), asyncio.create_task(secrets.run())]
        await self.store.wait_synced()
        self._tasks += [asyncio.create_task(self.loop.run()), asyncio.create_task(syncs.run())]
        return self

    def _follow_targets(self, resource: Resource) -> Informer:
        informer = Informer(
            self.api,
            resource,
            (self.namespace,),
            labels=SYNC_LABEL,
            on_change=lambda key: self.reconciler.target_changed(resource, key, is_gone=informer.get(key) is None),
        )
        return informer

    async def _pass(self, key: Any) -> LookAgain:
        self.sessions |= {shared.zk.session_id for shared in self.pool._shared.values()}
        again = await self.reconciler.reconcile(key)
        self.sessions |= {shared.zk.session_id for shared in self.pool._shared.values()}
        return again

    async def stop(self) -> None:
        for task in asyncio.all_tasks():
            if task.get_name().startswith(f"ConfigSync {self.namespace}/"):
                task.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.reconciler.close()
        await self.pool.close()
        await self._transport.close()


@asynccontextmanager
async def operator(kubeconfig: Path, namespace: str, hosts: str) -> AsyncIterator[RealOperator]:
    running = await RealOperator(kubeconfig, namespace, hosts).start()
    try:
        yield running
    finally:
        await running.stop()


def config_sync(namespace: str, hosts: str, path: str, name: str = "shop", **spec: Any) -> Manifest:
    where = {"sources": spec.pop("sources")} if "sources" in spec else {"path": path}
    return {
        "apiVersion": "zkoperator.dev/v1alpha1",
        "kind": "ConfigSync",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"zookeeper": {"hosts": hosts, **where}, **spec},
    }
