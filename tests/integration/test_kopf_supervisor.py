"""Reconciliation is woken whatever becomes of kopf, and kopf comes back."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from testbed.api import ApiServer
from tests.support.faults.proxies.credentials import Upstream
from tests.support.faults.proxies.kube import KubeProxy
from tests.support.faults.proxies.rules import Action, Answer, CutLine, ErrorEvent, First, FreezeWatch, Kube, Rule
from tests.support.machines.api_client import ApiClient
from tests.support.waiting import eventually
from tests.support.worlds.kube_contract import install
from zkoperator.handlers.event_sources import EventSources
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS, Manifest, Resource
from zkoperator.kube.transport import Transport
from zkoperator.runtime.keys import Key

KINDS = f"{ZOOKEEPER_CLUSTERS.plural}|{CONFIG_SYNCS.plural}"


def definition(resource: Resource) -> Manifest:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced",
            "names": {"kind": resource.kind, "plural": resource.plural, "singular": resource.kind.lower()},
            "versions": [version],
        },
    }


class Scene:
    """The sources behind a proxy, and a hand that makes objects past it."""

    def __init__(self, sources: EventSources, proxy: KubeProxy, hand: KubeClient, wakes: Counter[Key]) -> None:
        self.sources = sources
        self.proxy = proxy
        self.hand = hand
        self.wakes = wakes
        self.numbers = count()

    async def make(self, resource: Resource, name: str) -> Key:
        await self.hand.create(resource, "default", {"metadata": {"name": name}, "spec": {}})
        return Key("default", name)

    async def kopf_is_replaced(self) -> None:
        """Return when kopf was started again. The world goes on changing, as it would."""
        lives = self.sources.supervisor.starts
        for number in range(60):
            await self.make(ZOOKEEPER_CLUSTERS, f"bait-{number}")
            await self.make(CONFIG_SYNCS, f"bait-{number}")
            await asyncio.sleep(1)
            if self.sources.supervisor.starts > lives:
                return
        raise AssertionError("the same kopf runs on")

    async def kopf_wakes(self) -> None:
        """Return when a new object is woken by its event, before any list can have found it."""

        async def told_at_once() -> bool:
            lists = sum(each.verb == "list" for each in self.proxy.requests)
            key = await self.make(CONFIG_SYNCS, f"probe-{next(self.numbers)}")
            await asyncio.sleep(0.5)
            listed = sum(each.verb == "list" for each in self.proxy.requests) > lists
            return self.wakes[key] > 0 and not listed

        await eventually(told_at_once, within_s=60, every_s=0.3)

    async def is_woken(self, key: Key, *, more_than: int = 0) -> None:
        await eventually(lambda: self.wakes[key] > more_than)

    async def kopf_follows(self) -> None:
        """Return when kopf has both watches open, so that an event comes through it."""
        lives = self.sources.supervisor.starts

        def watching() -> bool:
            seen = {each.resource for each in self.proxy.requests if each.verb == "watch"}
            return {ZOOKEEPER_CLUSTERS.plural, CONFIG_SYNCS.plural} <= seen

        await eventually(watching)
        assert self.sources.supervisor.starts >= lives


@asynccontextmanager
async def scene(server: ApiServer, tmp_path: Path, *, every_s: float) -> AsyncIterator[Scene]:
    async with KubeProxy(Upstream.from_kubeconfig(server.kubeconfig)) as proxy:
        source = CredentialSource(str(proxy.write_kubeconfig(tmp_path / "kubeconfig")))
        wired, direct = Transport(source), Transport(CredentialSource(str(server.kubeconfig)))
        wakes: Counter[Key] = Counter()

        def wake(key: Key, _: str) -> None:
            assert threading.current_thread() is threading.main_thread()
            wakes[key] += 1

        sources = EventSources(
            KubeClient(wired),
            source,
            wakes={ZOOKEEPER_CLUSTERS: wake, CONFIG_SYNCS: wake},
            every_s=every_s,
            missed_after_s=1,
        )
        task = asyncio.create_task(sources.run())
        try:
            yield Scene(sources, proxy, KubeClient(direct), wakes)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await wired.close()
            await direct.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with ApiServer() as found:  # of its own: the definitions here are not the shipped ones
        yield found.start()


@pytest.fixture
async def installed(server: ApiServer) -> ApiServer:
    async with ApiClient(server.kubeconfig) as client:
        for resource in (ZOOKEEPER_CLUSTERS, CONFIG_SYNCS):
            await install(client, definition(resource))
            listing = await client.get(f"/apis/{resource.group}/{resource.version}/{resource.plural}")
            for item in listing["items"]:
                path = f"/apis/{resource.group}/{resource.version}/namespaces/default/{resource.plural}"
                await client.delete(f"{path}/{item['metadata']['name']}")
    return server


@pytest.fixture
async def quiet(installed: ApiServer, tmp_path: Path) -> AsyncIterator[Scene]:
    """A slow list that is too slow to matter: every wake after the first is kopf's."""
    async with scene(installed, tmp_path, every_s=3600) as found:
        yield found


async def test_events_of_both_kinds_wake_at_once(quiet: Scene) -> None:
    await quiet.kopf_follows()
    for resource, name in ((ZOOKEEPER_CLUSTERS, "main"), (CONFIG_SYNCS, "shop")):
        key = await quiet.make(resource, name)
        await quiet.is_woken(key)
        woken = quiet.wakes[key]
        await quiet.hand.delete(resource, "default", name)
        await quiet.is_woken(key, more_than=woken)


async def test_kopf_writes_nothing(quiet: Scene) -> None:
    await quiet.kopf_follows()
    key = await quiet.make(ZOOKEEPER_CLUSTERS, "main")
    await quiet.is_woken(key)
    await quiet.hand.patch(ZOOKEEPER_CLUSTERS, "default", "main", {"spec": {"replicas": 3}})
    await quiet.is_woken(key, more_than=1)
    found = await quiet.hand.get(ZOOKEEPER_CLUSTERS, "default", "main")
    assert found is not None
    assert "annotations" not in found["metadata"]
    assert "finalizers" not in found["metadata"]
    assert [request for request in quiet.proxy.requests if request.mutates] == []


async def test_only_our_kinds_are_read(quiet: Scene) -> None:
    await quiet.kopf_follows()
    read = {request.resource for request in quiet.proxy.requests if request.verb in {"get", "list", "watch"}}
    assert read - {""} <= {ZOOKEEPER_CLUSTERS.plural, CONFIG_SYNCS.plural}


@pytest.mark.parametrize(
    ("match", "fault"),
    [
        (Kube(verb="list", resource=KINDS), Answer(410)),
        (Kube(verb="watch", resource=KINDS), Answer(410)),
        (Kube(verb="watch", resource=KINDS), ErrorEvent(500, "InternalError")),
        (Kube(verb="watch", resource=KINDS), CutLine(clean=True)),
        (Kube(verb="watch", resource=CONFIG_SYNCS.plural), CutLine(clean=True)),
    ],
    ids=str,
)
async def test_kopf_comes_back_after_a_fault_that_ends_it(quiet: Scene, match: Kube, fault: Action) -> None:
    await quiet.kopf_follows()
    expired = Rule(Kube(verb="watch", resource=KINDS), ErrorEvent(410), First(2))
    faults = (Rule(match, fault, First(2)), expired) if match.verb == "list" else (Rule(match, fault, First(2)),)
    with quiet.proxy.rules.active(*faults):
        quiet.proxy.cut()
        await quiet.kopf_is_replaced()
    await quiet.kopf_wakes()


async def test_a_kopf_that_has_gone_blind_is_replaced(installed: ApiServer, tmp_path: Path) -> None:
    async with scene(installed, tmp_path, every_s=2) as found:
        await found.kopf_follows()
        with found.proxy.rules.active(Rule(Kube(verb="watch", resource=KINDS), FreezeWatch(), First(2))):
            found.proxy.cut()
            await found.kopf_is_replaced()
        await found.kopf_wakes()


async def test_wakes_go_on_while_kopf_cannot_live(installed: ApiServer, tmp_path: Path) -> None:
    async with scene(installed, tmp_path, every_s=1) as found:
        await found.kopf_follows()
        deadly = Rule(Kube(verb="watch", resource=KINDS), Answer(410))
        with found.proxy.rules.active(deadly):
            found.proxy.cut()
            await found.kopf_is_replaced()
            made = await found.make(ZOOKEEPER_CLUSTERS, "main")
            await found.is_woken(made)
            woken = found.wakes[made]
            await found.hand.delete(ZOOKEEPER_CLUSTERS, "default", "main")
            await found.is_woken(made, more_than=woken)


async def test_a_server_that_answers_503_for_long_does_not_end_kopf(quiet: Scene) -> None:
    await quiet.kopf_follows()
    lives = quiet.sources.supervisor.starts
    away = Rule(Kube(resource=KINDS), Answer(503))
    with quiet.proxy.rules.active(away):
        quiet.proxy.cut()
        await eventually(lambda: quiet.proxy.rules.fired(away) >= 10, within_s=60)
    await quiet.is_woken(await quiet.make(ZOOKEEPER_CLUSTERS, "main"))
    assert quiet.sources.supervisor.starts == lives


async def test_kinds_that_are_installed_later_are_found(server: ApiServer, tmp_path: Path) -> None:
    async with ApiClient(server.kubeconfig) as client:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        names = [f"{resource.plural}.{resource.group}" for resource in (ZOOKEEPER_CLUSTERS, CONFIG_SYNCS)]
        for name in names:
            await client.delete(f"{path}/{name}")
        for name in names:
            await eventually_gone(client, f"{path}/{name}")
        async with scene(server, tmp_path, every_s=3600) as found:
            await eventually(lambda: "does not serve" in (found.sources.problem or ""))
            for resource in (ZOOKEEPER_CLUSTERS, CONFIG_SYNCS):
                await install(client, definition(resource))
            await asyncio.wait_for(found.sources.wait_listed(), 60)
            await found.kopf_follows()
            await found.is_woken(await found.make(ZOOKEEPER_CLUSTERS, "main"))


async def eventually_gone(client: ApiClient, path: str) -> None:
    async def gone() -> bool:
        return await client.find(path) is None

    await eventually(gone)


async def test_a_stop_ends_the_thread(installed: ApiServer, tmp_path: Path) -> None:
    async with scene(installed, tmp_path, every_s=3600) as found:
        await found.kopf_follows()
        assert "kopf" in {thread.name for thread in threading.enumerate()}
    await eventually(lambda: "kopf" not in {thread.name for thread in threading.enumerate()}, within_s=20)
