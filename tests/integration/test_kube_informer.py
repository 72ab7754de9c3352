"""The informer against a real API server through a faulty network: its store always comes to equal the truth."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from testbed.api import ApiServer
from tests.support.faults.proxies.credentials import Upstream
from tests.support.faults.proxies.kube import KubeProxy
from tests.support.faults.proxies.rules import (
    Answer,
    CutLine,
    CutReply,
    CutWatch,
    Discard,
    Duplicate,
    ErrorEvent,
    First,
    FreezeWatch,
    Kube,
    KubeEvent,
    Nth,
    Rule,
    WatchAction,
)
from tests.support.waiting import eventually
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.informer import Informer
from zkoperator.kube.port import CONFIG_MAPS, KubeApi, Manifest
from zkoperator.kube.transport import Transport
from zkoperator.runtime.backoff import Backoff
from zkoperator.runtime.keys import Key

LABELS = "app=shop"
QUICK = Backoff(first_s=0.05, limit_s=0.5)


class Scene:
    """An informer behind a proxy, and a hand that changes the world past the proxy."""

    def __init__(
        self, informer: Informer, proxy: KubeProxy, hand: KubeApi, namespace: str, wakes: Counter[Key]
    ) -> None:
        self.informer = informer
        self.proxy = proxy
        self.wakes = wakes
        self._hand = hand
        self._namespace = namespace

    def key(self, name: str) -> Key:
        return Key(self._namespace, name)

    async def put(self, name: str, colour: str) -> None:
        manifest = {"metadata": {"name": name, "labels": {"app": "shop"}}, "data": {"colour": colour}}
        await self._hand.apply(CONFIG_MAPS, self._namespace, manifest)

    async def remove(self, name: str) -> None:
        await self._hand.delete(CONFIG_MAPS, self._namespace, name)

    def colours(self) -> dict[str, str]:
        found = {key.name: self.informer.get(key) for key in self.informer.keys()}  # noqa: SIM118
        return {name: manifest["data"]["colour"] for name, manifest in found.items() if manifest is not None}

    async def sees(self, **colours: str) -> None:
        def seen() -> bool:
            assert self.colours() == colours
            return True

        await eventually(seen)


@asynccontextmanager
async def scene(server: ApiServer, namespace: str, tmp_path: Path, *, inactivity_s: float = 90) -> AsyncIterator[Scene]:
    async with KubeProxy(Upstream.from_kubeconfig(server.kubeconfig)) as proxy:
        wired = Transport(CredentialSource(str(proxy.write_kubeconfig(tmp_path / "kubeconfig"))))
        direct = Transport(CredentialSource(str(server.kubeconfig)))
        wakes: Counter[Key] = Counter()

        def wake(key: Key) -> None:
            wakes[key] += 1

        informer = Informer(
            KubeClient(wired, inactivity_s=inactivity_s, deadline_s=5),
            CONFIG_MAPS,
            (namespace,),
            labels=LABELS,
            on_change=wake,
            backoff=QUICK,
            slow_backoff=QUICK,
        )
        made = Scene(informer, proxy, KubeClient(direct), namespace, wakes)
        await made.put("first", "red")
        task = asyncio.create_task(informer.run())
        try:
            await asyncio.wait_for(informer.wait_synced(), 30)
            await made.put("marker", "white")
            await made.sees(first="red", marker="white")
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await wired.close()
            await direct.close()


@pytest.fixture
async def shop(api_server: ApiServer, namespace: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(api_server, namespace, tmp_path) as found:
        yield found


async def test_each_change_is_stored_before_its_wake(shop: Scene) -> None:
    await shop.put("first", "blue")
    await shop.sees(first="blue", marker="white")
    await shop.remove("first")
    await shop.sees(marker="white")
    assert shop.wakes[shop.key("first")] == 3


async def test_objects_without_the_label_are_not_followed(shop: Scene) -> None:
    await shop._hand.create(CONFIG_MAPS, shop._namespace, {"metadata": {"name": "other"}})
    await shop.put("second", "green")
    await shop.sees(first="red", marker="white", second="green")


@pytest.mark.parametrize(
    "fault",
    [
        ErrorEvent(410),
        ErrorEvent(500, "InternalError"),
        ErrorEvent(504, "Timeout"),
        CutWatch(clean=True),
        CutWatch(clean=False),
        CutLine(clean=False),
        CutLine(clean=True),
        Answer(410),
        Answer(429, retry_after_s=1),
        Answer(503),
        Answer(500),
    ],
    ids=str,
)
async def test_changes_during_a_fault_of_the_watch_are_found(shop: Scene, fault: WatchAction | Answer) -> None:
    rule = Rule(Kube(verb="watch", resource="configmaps"), fault, First(3))
    with shop.proxy.rules.active(rule):
        shop.proxy.cut()
        await shop.put("first", "blue")
        await shop.put("second", "green")
        await shop.remove("marker")
        await shop.sees(first="blue", second="green")
        await eventually(lambda: shop.proxy.rules.fired(rule) == 3)
    await shop.put("third", "pink")
    await shop.sees(first="blue", second="green", third="pink")
    assert shop.wakes[shop.key("marker")] == 2


async def test_a_deletion_that_no_watch_showed_is_found_by_the_next_list(shop: Scene) -> None:
    lost = Rule(KubeEvent("DELETED", name="first"), Discard())
    expired = Rule(Kube(verb="watch", resource="configmaps"), Answer(410), First(1))
    with shop.proxy.rules.active(lost, expired):
        await shop.remove("first")
        await shop.put("second", "green")
        await shop.sees(first="red", marker="white", second="green")
        shop.proxy.cut()
        await shop.sees(marker="white", second="green")
    assert shop.wakes[shop.key("first")] == 2


async def test_an_object_that_was_made_again_in_a_gap_is_the_new_one(shop: Scene) -> None:
    await shop.proxy.down()
    await shop.remove("first")
    await shop.put("first", "black")
    await shop.proxy.up()
    await shop.sees(first="black", marker="white")


async def test_an_event_that_comes_twice_wakes_once(shop: Scene) -> None:
    with shop.proxy.rules.active(Rule(KubeEvent(name="first"), Duplicate())):
        await shop.put("first", "blue")
        await shop.put("second", "green")
        await shop.sees(first="blue", marker="white", second="green")
    assert shop.wakes[shop.key("first")] == 2


@pytest.mark.parametrize("answer", [Answer(503), Answer(500), Answer(429, retry_after_s=0)], ids=str)
async def test_a_server_that_refuses_everything_for_a_while_costs_nothing_but_time(shop: Scene, answer: Answer) -> None:
    down = Rule(Kube(resource="configmaps"), answer)
    with shop.proxy.rules.active(down):
        shop.proxy.cut()
        await shop.put("first", "blue")
        await eventually(lambda: shop.proxy.rules.fired(down) >= 6)
        assert shop.colours() == {"first": "red", "marker": "white"}
        assert shop.informer.problem is not None
    await shop.sees(first="blue", marker="white")
    await eventually(lambda: shop.informer.problem is None)


async def test_a_server_that_is_away_for_long_is_found_again(shop: Scene) -> None:
    await shop.proxy.down()
    await shop.put("first", "blue")
    await shop.remove("marker")
    await asyncio.sleep(3)
    assert shop.colours() == {"first": "red", "marker": "white"}
    await shop.proxy.up()
    await shop.sees(first="blue")


async def test_a_list_that_is_cut_in_the_middle_deletes_nothing(shop: Scene) -> None:
    rules = (
        Rule(Kube(verb="watch", resource="configmaps"), Answer(410), First(1)),
        Rule(Kube(verb="list", resource="configmaps"), CutReply(0.5), First(3)),
    )
    with shop.proxy.rules.active(*rules):
        shop.proxy.cut()
        await eventually(lambda: shop.proxy.rules.fired(rules[1]) == 3)
        await shop.put("second", "green")
        await shop.sees(first="red", marker="white", second="green")
    assert shop.wakes[shop.key("first")] == 1


async def test_a_silent_connection_is_given_up(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    async with scene(api_server, namespace, tmp_path, inactivity_s=2) as shop:
        with shop.proxy.rules.active(Rule(Kube(verb="watch", resource="configmaps"), FreezeWatch(), Nth(1))):
            shop.proxy.cut()
            await asyncio.sleep(1)
            await shop.put("first", "blue")
            await shop.sees(first="blue", marker="white")


async def test_a_missing_permission_is_a_problem_until_it_is_granted(shop: Scene) -> None:
    forbidden = Rule(Kube(resource="configmaps"), Answer(403, message="no"))
    with shop.proxy.rules.active(forbidden):
        shop.proxy.cut()
        await eventually(lambda: shop.informer.problem is not None)
        assert "may not" in (shop.informer.problem or "")
        await shop.put("first", "blue")
        assert shop.colours() == {"first": "red", "marker": "white"}
    await shop.sees(first="blue", marker="white")
    await eventually(lambda: shop.informer.problem is None)


async def test_several_namespaces_are_followed_and_synced_together(api_server: ApiServer, namespace: str) -> None:
    transport = Transport(CredentialSource(str(api_server.kubeconfig)))
    api = KubeClient(transport)
    seen: list[Key] = []
    informer = Informer(api, CONFIG_MAPS, (namespace, "default"), labels=LABELS, on_change=seen.append, reduce=names)
    task = asyncio.create_task(informer.run())
    try:
        await asyncio.wait_for(informer.wait_synced(), 30)
        for where in (namespace, "default"):
            await api.apply(CONFIG_MAPS, where, {"metadata": {"name": "both", "labels": {"app": "shop"}}})
        wanted = {Key(namespace, "both"), Key("default", "both")}
        await eventually(lambda: set(informer.keys()) == wanted)
        assert informer.get(Key("default", "both")) == {"name": "both"}
        assert informer.get(Key("elsewhere", "both")) is None
        assert set(seen) == wanted
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await api.delete(CONFIG_MAPS, "default", "both")
        await transport.close()


def names(manifest: Manifest) -> Manifest:
    return {"name": manifest["metadata"]["name"]}
