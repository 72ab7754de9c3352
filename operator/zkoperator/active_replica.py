"""What a replica runs while it holds the Lease: the event sources, the reconcile loops and what they share.

`app.py` decides when it runs; this module wires events to loops, and loops to reconcilers.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from zkoperator.backup.model.names import schedule_of
from zkoperator.backup.observe.image import ImageFinder
from zkoperator.backup.reconcile import BackupReconciler, OperatorPod
from zkoperator.backup.schedule.reconcile import ScheduleReconciler
from zkoperator.controller.other_operators import OtherOperators
from zkoperator.controller.other_operators_reporter import OtherOperatorsReporter
from zkoperator.controller.signature import SignedApi, operator_name
from zkoperator.ensemble.build.children import FOLLOWED, SELECTOR, cluster_of
from zkoperator.ensemble.observe.store import InformedStore
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.validate import Defaults
from zkoperator.handlers.event_sources import EventSources
from zkoperator.handlers.registration import Wake
from zkoperator.health import STALLED_S
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.informer import Informer
from zkoperator.kube.port import (
    CONFIG_MAPS,
    CONFIG_SYNCS,
    SECRETS,
    ZNODES,
    ZOOKEEPER_BACKUP_SCHEDULES,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    KubeApi,
    Manifest,
    Resource,
    without_managers,
)
from zkoperator.metrics import Metrics
from zkoperator.mirror.model.config_map import fold_managers
from zkoperator.mirror.model.names import SYNC_LABEL
from zkoperator.mirror.observe.hash_key import HashKey, hash_key_name
from zkoperator.mirror.observe.targets import GrantedSecrets
from zkoperator.mirror.reconcile import MirrorReconciler
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain, Pass
from zkoperator.settings import Settings
from zkoperator.templates.pool import WorkerPool
from zkoperator.tenant.reconcile import ZNodeReconciler
from zkoperator.zk.admin import SocketProbe
from zkoperator.zk.pool import SessionConnector, SessionPool
from zkoperator.zk.session import SessionSettings

CLUSTERS, SYNCS, BACKUPS, SCHEDULES = "ZooKeeperCluster", "ConfigSync", "ZooKeeperBackup", "ZooKeeperBackupSchedule"
TENANTS = "ZNode"

_PROBE_S = 2.0
"""A member answers within a millisecond; after this time it counts as one that does not answer."""

_GRACE_S = 1.5
"""A pass that still runs so long after a stop is cancelled, because a standby waits for the Lease meanwhile."""


class ActiveReplica:
    """Everything that reads and writes while the Lease is held. `run` ends by being cancelled and leaves nothing open.

    Args:
        settings: of the process.
        api: the Kubernetes API; its writes are fenced by the Lease.
        source: of kopf's credentials.
        metrics: of the process.
        clock: monotonic time.
        before_write: runs before each write to ZooKeeper leaves, and raises when the Lease is lost.
    """

    def __init__(
        self,
        settings: Settings,
        api: KubeApi,
        source: CredentialSource,
        metrics: Metrics,
        clock: Clock = MONOTONIC,
        *,
        before_write: Callable[[], object] = lambda: None,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        others = OtherOperators(operator_name(settings), clock)
        self._others_reporter = OtherOperatorsReporter(api, others.name, clock)
        api = SignedApi(api, others, self._others_reporter.add)
        session = SessionSettings(before_write=before_write, report=metrics.count_zookeeper_request)
        connector = SessionConnector(settings=session)
        self._sessions = SessionPool(connector)
        follow = partial(Informer, api, namespaces=settings.namespaces, clock=clock)
        lean = partial(follow, reduce=without_managers)
        child = partial(lean, labels=SELECTOR)
        self._children = {kind: child(kind, on_change=partial(self._child_changed, kind)) for kind in FOLLOWED}
        self._children[ZOOKEEPER_CLUSTERS] = lean(ZOOKEEPER_CLUSTERS, on_change=self._cluster_changed)
        # Nothing waits for them: where their definition is not installed yet, nothing is known of schedules.
        self._schedules_seen = lean(ZOOKEEPER_BACKUP_SCHEDULES, on_change=lambda _: None)
        target = partial(follow, labels=SYNC_LABEL, reduce=fold_managers)
        self._targets = target(CONFIG_MAPS, on_change=self._config_map_changed)
        # Nothing waits for them either: where they may not be listed, only ConfigSyncs that keep Secrets are told.
        self._secrets = target(SECRETS, on_change=self._secret_changed) if settings.sync_secrets else None
        self._ensemble = self._ensemble_reconciler(api, connector, settings)
        self._renderer = WorkerPool(clock=clock)
        self._mirror = self._mirror_reconciler(api, settings)
        self._clusters = self._loop(CLUSTERS, self._reconcile_cluster, settings)
        self._syncs = self._loop(SYNCS, self._mirror.reconcile, settings)
        self._mirror.bind(self._syncs.wake, self._syncs.forget)
        pod = OperatorPod(settings.namespace, settings.identity, settings.backup_image, settings.default_image)
        self._backup = BackupReconciler(api, pod, metrics.backups)
        self._backups = self._loop(BACKUPS, self._backup.reconcile, settings)
        schedule = ScheduleReconciler(api, metrics.schedules)
        self._schedules = self._loop(SCHEDULES, schedule.reconcile, settings)
        self._tenant = ZNodeReconciler(api, self._sessions, settings.cluster_domain, metrics.tenants, clock)
        self._tenants = self._loop(TENANTS, self._tenant.reconcile, settings)
        self._event_sources = EventSources(api, source, settings.namespaces, wakes=self._wakes, clock=clock)
        metrics.watch_kopf(lambda: self._event_sources.supervisor.starts)
        metrics.watch_others(others.count)
        metrics.watch_queues({kind: partial(_depth_of, loop) for kind, loop in self._loops.items()})

    async def run(self) -> None:
        """Act until cancelled. Running passes may finish; then the sessions are closed."""
        informers = self._informers
        try:
            async with asyncio.TaskGroup() as group:
                for informer in (*informers.values(), *self._others.values()):
                    group.create_task(informer.run())
                # Before the first list, a pass would take objects that are not listed yet for absent ones.
                await asyncio.gather(*(informer.wait_synced() for informer in informers.values()))
                for part in self._parts():
                    group.create_task(part)
        finally:
            await self._mirror.close()
            await self._renderer.close()
            await self._sessions.close()

    def stuck(self) -> str | None:
        """Return which loops do not move, or None."""
        late = {name: seconds for name, stalled_s in self.loops().items() if (seconds := stalled_s()) > STALLED_S}
        return "; ".join(f"{name} has not moved for {seconds:.0f} s" for name, seconds in late.items()) or None

    def loops(self) -> dict[str, Callable[[], float]]:
        """Return for how many seconds each loop has not moved although it should have, by its name."""
        kinds = {f"the loop of {kind}": loop.stalled_s for kind, loop in self._loops.items()}
        followed = {**self._informers, **self._others}
        informers = {f"the informer of {name}": informer.stalled_s for name, informer in followed.items()}
        others = {"the watch for other operators": self._others_reporter.stalled_s}
        return kinds | informers | self._event_sources.loops() | others

    def unready(self) -> str | None:
        """Return what cannot be followed and why, or has not been listed yet; None when all is well."""
        for informer in self._informers.values():
            if informer.problem is not None or not informer.synced:
                return informer.problem or "listing"
        return self._event_sources.problem

    @property
    def _loops(self) -> dict[str, KeyedLoop]:
        loops = {CLUSTERS: self._clusters, SYNCS: self._syncs, BACKUPS: self._backups}
        return {**loops, SCHEDULES: self._schedules, TENANTS: self._tenants}

    @property
    def _wakes(self) -> dict[Resource, Wake]:
        return {
            ZOOKEEPER_CLUSTERS: lambda key, _: self._clusters.wake(key),
            CONFIG_SYNCS: self._mirror.resource_changed,
            ZOOKEEPER_BACKUPS: lambda key, _: self._backup_changed(key),
            ZOOKEEPER_BACKUP_SCHEDULES: lambda key, _: self._schedules.wake(key),
            ZNODES: lambda key, _: self._tenants.wake(key),
        }

    @property
    def _informers(self) -> dict[str, Informer]:
        return {kind.plural: informer for kind, informer in self._children.items()} | {
            "mirrored configmaps": self._targets
        }

    @property
    def _others(self) -> dict[str, Informer]:
        """Informers for which nothing waits, neither the first pass nor readiness."""
        mirrored = {"mirrored secrets": self._secrets} if self._secrets is not None else {}
        return {"zookeeperbackupschedules": self._schedules_seen, **mirrored}

    def _parts(self) -> tuple[Coroutine[Any, Any, None], ...]:
        loops = (loop.run() for loop in self._loops.values())
        return *loops, self._event_sources.run(), self._others_reporter.run()

    def _ensemble_reconciler(self, api: KubeApi, connector: SessionConnector, settings: Settings) -> EnsembleReconciler:
        return EnsembleReconciler(
            api,
            InformedStore(self._children),
            SocketProbe(timeout_s=_PROBE_S, report=self._metrics.count_zookeeper_request),
            connector,
            Defaults(settings.default_image, settings.cluster_domain, reads_nodes=settings.read_nodes),
            self._clock,
            meter=self._metrics.clusters,
            schedules=self._schedules_in,
            images=ImageFinder(api, settings.backup_image, settings.namespace, settings.identity),
        )

    def _mirror_reconciler(self, api: KubeApi, settings: Settings) -> MirrorReconciler:
        key = HashKey(api, settings.namespace, hash_key_name(settings.lease_name))
        return MirrorReconciler(
            api,
            self._sessions,
            self._targets,
            _mirror_settings(settings),
            self._clock,
            meter=self._metrics.syncs,
            renderer=self._renderer,
            secrets=GrantedSecrets(self._secrets, key) if self._secrets is not None else None,
        )

    def _loop(
        self, kind: str, reconcile: Callable[[Key], Coroutine[Any, Any, LookAgain]], settings: Settings
    ) -> KeyedLoop:
        return KeyedLoop(
            kind,
            reconcile,
            concurrency=settings.workers,
            resync_s=float(settings.resync_seconds),
            grace_s=_GRACE_S,
            clock=self._clock,
            report=lambda done: self._count(kind, done),
        )

    async def _reconcile_cluster(self, key: Key) -> LookAgain:
        again = await self._ensemble.reconcile(key)
        if again == WHEN_WOKEN and self._children[ZOOKEEPER_CLUSTERS].get(key) is None:
            self._clusters.forget(key)
        return again

    def _count(self, kind: str, done: Pass) -> None:
        self._metrics.count_pass(kind, done.outcome, done.duration_s)

    def _child_changed(self, kind: Resource, key: Key) -> None:
        if (cluster := cluster_of(kind, key.name)) is not None:
            self._clusters.wake(Key(key.namespace, cluster))

    def _config_map_changed(self, key: Key) -> None:
        self._mirror.target_changed(CONFIG_MAPS, key, is_gone=self._targets.get(key) is None)

    def _secret_changed(self, key: Key) -> None:
        is_gone = self._secrets is not None and self._secrets.get(key) is None
        self._mirror.target_changed(SECRETS, key, is_gone=is_gone)

    def _schedules_in(self, namespace: str) -> list[Manifest] | None:
        """Return the schedules of a namespace as last seen, None while none have been listed."""
        seen = self._schedules_seen
        if not seen.synced or seen.problem is not None:
            return None
        found = (seen.get(key) for key in seen.keys() if key.namespace == namespace)  # noqa: SIM118 - no dict
        return [manifest for manifest in found if manifest is not None]

    def _backup_changed(self, key: Key) -> None:
        self._backups.wake(key)
        if (schedule := schedule_of(key.name)) is not None:
            self._schedules.wake(Key(key.namespace, schedule))

    def _cluster_changed(self, key: Key) -> None:
        self._clusters.wake(key)
        self._mirror.cluster_changed(key)
        for tenant in self._tenant.naming(key):
            self._tenants.wake(tenant)


def _depth_of(loop: KeyedLoop) -> int:
    return loop.depth


def _mirror_settings(settings: Settings) -> MirrorSettings:
    return MirrorSettings(
        allowed_hosts=settings.allowed_hosts,
        cluster_domain=settings.cluster_domain,
        protected_addresses=_api_addresses(os.environ),
    )


def _api_addresses(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the address of the API server as pods see it; no ConfigSync may connect to it."""
    return frozenset(filter(None, (environ.get("KUBERNETES_SERVICE_HOST"),)))
