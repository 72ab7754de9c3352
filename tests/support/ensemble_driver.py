"""The reconciler of ensembles in this process: informers, loop and adapters, without the rest of the operator."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.store import InformedStore
from zkoperator.ensemble.validate import Defaults
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.informer import Informer
from zkoperator.kube.port import (
    CONFIG_MAPS,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Resource,
)
from zkoperator.kube.transport import Exchange, Transport
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.zk.admin import SocketProbe
from zkoperator.zk.pool import SessionConnector

OURS = "app.kubernetes.io/managed-by=zkoperator,app.kubernetes.io/name=zookeeper"
CHILDREN = (
    CONFIG_MAPS,
    SERVICES,
    STATEFUL_SETS,
    PODS,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
)


class Driver:
    """A running reconciler. `requests` counts (verb, plural) of everything it asks of the API server."""

    def __init__(self, requests: Counter[tuple[str, str]], loop: KeyedLoop) -> None:
        self.requests = requests
        self.loop = loop


@asynccontextmanager
async def driven(
    kubeconfig: Path,
    image: str,
    namespaces: tuple[str, ...] = (),
    before_write: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Driver, None]:
    requests: Counter[tuple[str, str]] = Counter()

    def report(exchange: Exchange) -> None:
        requests[exchange.verb, exchange.resource] += 1

    transport = Transport(CredentialSource(str(kubeconfig)), report=report)
    api = KubeClient(transport, before_write=before_write)
    informers: dict[Resource, Informer] = {}
    loop: KeyedLoop

    def wake_cluster(key: Key) -> None:
        loop.wake(key)

    def wake_owner(resource: Resource) -> Callable[[Key], None]:
        def wake(key: Key) -> None:
            name = key.name.removeprefix("data-")
            if "-zk" in name:
                loop.wake(Key(key.namespace, name.rpartition("-zk")[0]))

        return wake

    for resource in CHILDREN:
        informers[resource] = Informer(api, resource, namespaces, labels=OURS, on_change=wake_owner(resource))
    informers[ZOOKEEPER_CLUSTERS] = Informer(api, ZOOKEEPER_CLUSTERS, namespaces, on_change=wake_cluster)
    reconciler = EnsembleReconciler(
        api, InformedStore(informers), SocketProbe(timeout_s=2.0), SessionConnector(), Defaults(image)
    )
    loop = KeyedLoop("ensembles", reconciler.reconcile, backoff=Backoff(first_s=0.2, limit_s=5.0))
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(informer.run()) for informer in informers.values()]
        await asyncio.gather(*(informer.wait_synced() for informer in informers.values()))
        running.append(group.create_task(loop.run()))
        loop.wake_all(informers[ZOOKEEPER_CLUSTERS].keys())
        try:
            yield Driver(requests, loop)
        finally:
            for task in running:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*running, return_exceptions=True)
            await transport.close()
