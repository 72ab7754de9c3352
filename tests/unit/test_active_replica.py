"""What the composition root adds to its parts: what may not be reached, and that no loop can stop unnoticed."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import kopf
import pytest

from tests.support.fakes.clock import FakeClock, settle
from tests.support.fakes.kube import FakeKube, Hook, Operation
from tests.support.models.ensemble_simulation import raw_cluster
from tests.support.waiting import eventually
from tests.support.worlds.mirror import config_sync
from zkoperator.active_replica import ActiveReplica, _api_addresses
from zkoperator.app import _Replica
from zkoperator.ensemble.build.children import FOLLOWED
from zkoperator.errors import ForbiddenError
from zkoperator.handlers import kopf_thread as life
from zkoperator.health import HealthServer
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.lease import Elector
from zkoperator.kube.port import (
    CONFIG_MAPS,
    CONFIG_SYNCS,
    ZNODES,
    ZOOKEEPER_BACKUP_SCHEDULES,
    ZOOKEEPER_CLUSTERS,
    Manifest,
    NoSuchKindError,
    Resource,
)
from zkoperator.metrics import Metrics
from zkoperator.settings import Settings


def test_the_address_of_the_api_server_is_protected_in_a_pod() -> None:
    assert _api_addresses({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "OTHER": "10.0.0.2"}) == {"10.0.0.1"}


def test_outside_of_a_pod_there_is_nothing_to_protect() -> None:
    assert _api_addresses({}) == frozenset()


class HangingKube(FakeKube):
    """An API server that never answers one sort of request, once it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs: tuple[str, str] | None = None
        self.released = asyncio.Event()

    async def _enter(self, operation: Operation) -> None:
        if (operation.verb, operation.resource.plural) == self.hangs:
            await self.released.wait()
        await super()._enter(operation)


class Stage:
    """An acting replica in fake time, with kopf in a thread that a test can block, and its /livez."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, namespaces: tuple[str, ...] = ()) -> None:
        self.clock = FakeClock()
        self.kube = HangingKube()
        self.kopf_may_go_on = threading.Event()
        self.kopf_may_go_on.set()
        monkeypatch.setattr(kopf, "operator", self._kopf)
        monkeypatch.setattr(life, "_BEAT_S", 0.05)
        self.acting = ActiveReplica(
            Settings(namespaces=namespaces), self.kube, CredentialSource(None), Metrics(), self.clock
        )
        self.health = HealthServer(Metrics().registry, live={"loops": self.acting.stuck}, ready={})

    async def _kopf(self, **_: Any) -> None:
        asyncio.current_task().set_name(life.ROOT)  # type: ignore[union-attr] # by which it is seen to live
        while True:
            await asyncio.sleep(0.05)
            self.kopf_may_go_on.wait()

    async def pass_time(self, seconds: float) -> None:
        """A minute at a time, each with the bookmarks that a server sends on the watches that still listen."""
        for _ in range(int(seconds / 60)):
            await self.clock.advance(60)
            self.kube.send_bookmarks()
            await settle()

    async def livez(self) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.health.port}/livez"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            return answer.status, await answer.text()

    async def names(self, loop: str) -> bool:
        """Whether /livez fails with this loop, and with no other."""
        status, text = await self.livez()
        return status == 503 and text.startswith(f"loops: {loop} has not moved for ") and ";" not in text


@asynccontextmanager
async def acting(
    monkeypatch: pytest.MonkeyPatch, namespaces: tuple[str, ...] = (), before: Hook = lambda _: None
) -> AsyncIterator[Stage]:
    stage = Stage(monkeypatch, namespaces)
    stage.kube.before = before
    await stage.health.start("127.0.0.1", 0)
    running = asyncio.create_task(stage.acting.run())
    try:
        await settle()
        yield stage
    finally:
        stage.kopf_may_go_on.set()
        stage.kube.released.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await stage.health.stop()


async def test_livez_is_well_while_every_loop_moves_although_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    async with acting(monkeypatch) as stage:
        await stage.pass_time(1800)

        async def well() -> bool:
            return await stage.livez() == (200, "ok\n")

        await eventually(well)


async def test_schedules_are_unknown_until_they_are_listed_and_hold_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(operation: Operation) -> None:
        if operation.resource == ZOOKEEPER_BACKUP_SCHEDULES and operation.verb == "list":
            raise NoSuchKindError("the API server does not serve zookeeperbackupschedules")

    async with acting(monkeypatch, before=missing) as stage:
        await stage.pass_time(60)
        assert stage.acting._schedules_in("demo") is None
        assert all(informer.synced for informer in stage.acting._informers.values())
        stage.kube.before = lambda _: None
        for namespace in ("demo", "other"):
            stage.kube.put(ZOOKEEPER_BACKUP_SCHEDULES, {"metadata": {"name": "a", "namespace": namespace}, "spec": {}})
        await stage.pass_time(180)
        found = stage.acting._schedules_in("demo")
        assert found is not None and [each["metadata"]["namespace"] for each in found] == ["demo"]


PLURALS = (
    *(kind.plural for kind in FOLLOWED if kind is not CONFIG_MAPS),
    ZOOKEEPER_CLUSTERS.plural,
    ZOOKEEPER_BACKUP_SCHEDULES.plural,
)
OF_CONFIG_MAPS = ("the informer of configmaps", "the informer of mirrored configmaps")


@pytest.mark.parametrize("plural", PLURALS)
async def test_livez_names_an_informer_that_does_not_move(monkeypatch: pytest.MonkeyPatch, plural: str) -> None:
    async with acting(monkeypatch) as stage:
        stage.kube.hangs = ("watch", plural)
        stage.kube.cut_watches()
        await stage.pass_time(420)
        await eventually(lambda: stage.names(f"the informer of {plural}"))


async def test_livez_names_both_informers_of_config_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    async with acting(monkeypatch) as stage:
        stage.kube.hangs = ("watch", "configmaps")
        stage.kube.cut_watches()
        await stage.pass_time(420)

        async def named() -> bool:
            status, text = await stage.livez()
            return status == 503 and [part.partition(" has ")[0] for part in text.split("; ")] == [
                f"loops: {OF_CONFIG_MAPS[0]}",
                OF_CONFIG_MAPS[1],
            ]

        await eventually(named)


@pytest.mark.parametrize("plural", ["zookeeperclusters", "configsyncs", "znodes"])
async def test_livez_names_a_slow_list_that_does_not_move(monkeypatch: pytest.MonkeyPatch, plural: str) -> None:
    async with acting(monkeypatch) as stage:
        stage.kube.hangs = ("list", plural)
        await stage.pass_time(540)
        await eventually(lambda: stage.names(f"the slow list of {plural}"))


ORDERS: Manifest = {"metadata": {"name": "orders", "namespace": "demo"}, "spec": {"clusterRef": {"name": "main"}}}
SHOP = config_sync("shop", {"zookeeper": {"clusterRef": {"name": "main"}, "path": "/apps/shop"}})


@pytest.mark.parametrize(
    ("resource", "manifest", "hangs"),
    [
        (ZOOKEEPER_CLUSTERS, raw_cluster(), ("get", "secrets")),
        (CONFIG_SYNCS, SHOP, ("get", "configsyncs")),
        (ZNODES, ORDERS, ("get", "znodes")),
    ],
    ids=["ZooKeeperCluster", "ConfigSync", "ZNode"],
)
async def test_livez_names_a_loop_whose_pass_never_ends(
    monkeypatch: pytest.MonkeyPatch, resource: Resource, manifest: Manifest, hangs: tuple[str, str]
) -> None:
    async with acting(monkeypatch) as stage:
        stage.kube.hangs = hangs
        stage.kube.put(resource, manifest)
        await stage.pass_time(540)
        await eventually(lambda: stage.names(f"the loop of {resource.kind}"))


async def test_livez_names_kopf_when_its_thread_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with acting(monkeypatch) as stage:
        await eventually(
            lambda: stage.acting.loops()["kopf"]() == 0 and stage.acting._event_sources.supervisor.starts == 1
        )
        stage.kopf_may_go_on.clear()

        async def blocked() -> bool:
            await stage.pass_time(60)
            return await stage.names("kopf")

        await eventually(blocked)


async def test_livez_names_the_watch_for_other_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    async with acting(monkeypatch) as stage:
        stage.kube.put(CONFIG_SYNCS, {**SHOP, "spec": {}})
        await stage.pass_time(120)
        stage.kube.hangs = ("create", "events")
        stage.kube.edit(CONFIG_SYNCS, "demo", "shop", {"status": {"operator": "b/zkoperator"}}, subresource="status")
        await stage.pass_time(540)
        await eventually(lambda: stage.names("the watch for other operators"))


async def test_every_loop_has_a_test_that_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with acting(monkeypatch) as stage:
        tested = {f"the informer of {plural}" for plural in PLURALS} | {
            *OF_CONFIG_MAPS,
            "the slow list of zookeeperclusters",
            "the slow list of configsyncs",
            "the slow list of zookeeperbackups",
            "the slow list of zookeeperbackupschedules",
            "the slow list of znodes",
            "the loop of ZooKeeperCluster",
            "the loop of ConfigSync",
            "the loop of ZooKeeperBackup",
            "the loop of ZooKeeperBackupSchedule",
            "the loop of ZNode",
            "the watch for other operators",
            "kopf",
        }
        assert set(stage.acting.loops()) == tested


async def test_livez_names_an_election_that_does_not_move() -> None:
    clock = FakeClock()
    replica = _Replica(Settings())
    replica._elector = Elector(FakeKube(), "home", "zkoperator", "a", clock=clock)
    assert replica._stalled() is None
    clock.jump(400)
    assert replica._stalled() == "the election has not moved for minutes"


async def test_a_deleted_cluster_is_not_looked_at_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def count(operation: Operation) -> None:
        nonlocal looks
        looks += (operation.verb, operation.resource) == ("get", ZOOKEEPER_CLUSTERS)

    async with acting(monkeypatch) as stage:
        stage.kube.put(ZOOKEEPER_CLUSTERS, raw_cluster() | {"spec": {"replicas": -1}})
        await stage.pass_time(60)
        await stage.kube.delete(ZOOKEEPER_CLUSTERS, "demo", "main")
        await stage.pass_time(120)
        stage.kube.before = count
        await stage.pass_time(3600)
    assert looks == 0


async def test_a_cluster_that_appears_wakes_the_znodes_in_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with acting(monkeypatch) as stage:

        def reason() -> str:
            found = stage.kube.peek(ZNODES, "demo", "orders") or {}
            conditions = (found.get("status") or {}).get("conditions") or ({"reason": ""},)
            return str(conditions[0]["reason"])

        async def listed() -> bool:
            await stage.pass_time(60)
            return reason() == "ClusterNotFound"

        stage.kube.put(ZNODES, ORDERS)
        await eventually(listed)
        stage.kube.put(ZOOKEEPER_CLUSTERS, raw_cluster())
        await eventually(lambda: reason() == "ClusterNotReady")


async def test_a_namespace_without_permission_is_told_and_the_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbid(operation: Operation) -> None:
        if operation.namespace == "lost":
            raise ForbiddenError("may not list in namespace lost")

    async with acting(monkeypatch, ("lost", "demo"), forbid) as stage:
        stage.kube.put(CONFIG_SYNCS, {**SHOP, "spec": {}})
        await stage.pass_time(120)
        assert stage.kube.every(CONFIG_SYNCS)[0]["status"]["conditions"]
        assert stage.acting.unready() == "may not list in namespace lost"
