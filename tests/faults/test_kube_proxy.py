"""What the Kubernetes proxy does, seen by an ordinary client in front of a real API server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from testbed.api import ApiServer
from tests.support.faults.proxies.credentials import Upstream
from tests.support.faults.proxies.journal import Phase, Trap
from tests.support.faults.proxies.kube import KubeProxy
from tests.support.faults.proxies.rules import (
    Action,
    Answer,
    CutLine,
    CutReply,
    CutWatch,
    Delay,
    Discard,
    DropReply,
    DropRequest,
    Duplicate,
    ErrorEvent,
    FreezeWatch,
    Hold,
    Kube,
    KubeEvent,
    Nth,
    Rule,
    ServeSnapshot,
    Swap,
)
from tests.support.machines.api_client import ApiClient
from tests.support.waiting import eventually

LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


@pytest.fixture
async def proxy(api_server: ApiServer) -> AsyncIterator[KubeProxy]:
    async with KubeProxy(Upstream.from_kubeconfig(api_server.kubeconfig)) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: KubeProxy, tmp_path: Path) -> AsyncIterator[ApiClient]:
    async with ApiClient(proxy.write_kubeconfig(tmp_path / "proxy.kubeconfig")) as client:
        yield client


@pytest.fixture
async def direct(api_server: ApiServer) -> AsyncIterator[ApiClient]:
    async with ApiClient(api_server.kubeconfig) as client:
        yield client


@pytest.fixture
async def config_maps(namespace: str, direct: ApiClient) -> str:
    """Of a namespace that has its own ConfigMap already: rules would count that one's event too."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    await eventually(lambda: direct.find(f"{path}/kube-root-ca.crt"), within_s=60)
    return path


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def watched(client: ApiClient, path: str, version: str, seen: list[str]) -> None:
    """Append `TYPE name` of every event of the test's own objects, and how the stream ended."""
    try:
        async for event in client.watch(path, version):
            if event["object"].get("metadata", {}).get("name") == "kube-root-ca.crt":
                continue
            seen.append(
                f"{event['type']} {event['object'].get('metadata', {}).get('name', event['object'].get('code'))}"
            )
        seen.append("end")
    except (*LOST, ValueError) as error:
        seen.append(type(error).__name__)


async def test_without_rules_everything_passes_and_writes_are_counted(
    proxy: KubeProxy, client: ApiClient, config_maps: str, namespace: str
) -> None:
    made = await client.create(config_maps, config_map("a", key="x" * 900_000))
    await client.apply(f"{config_maps}/a", config_map("a", other="2"))
    await client.apply(f"{config_maps}/a?dryRun=All", config_map("a", other="3"))
    await client.delete(f"{config_maps}/a")
    assert [(write.verb, write.target, write.outcome) for write in proxy.journal.writes] == [
        ("create", f"configmaps/{namespace}", 201),
        ("apply", f"configmaps/{namespace}/a", 200),
        ("delete", f"configmaps/{namespace}/a", 200),
    ]
    assert proxy.journal.writes[0].revision == made["metadata"]["resourceVersion"]
    assert [write.deleted for write in proxy.journal.writes] == ["", "", made["metadata"]["uid"]]


async def test_a_deletion_that_a_finalizer_holds_up_is_none_yet(
    proxy: KubeProxy, client: ApiClient, config_maps: str
) -> None:
    held = config_map("a") | {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}}
    await client.create(config_maps, held)
    await client.delete(f"{config_maps}/a")
    assert proxy.journal.writes[-1].verb == "delete"
    assert proxy.journal.writes[-1].deleted == ""
    await client.merge(f"{config_maps}/a", {"metadata": {"finalizers": None}})


async def test_a_dropped_request_never_reaches_the_server(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str
) -> None:
    proxy.rules.add(Rule(Kube("create", "configmaps"), DropRequest(), Nth(1)))
    with pytest.raises(LOST):
        await client.create(config_maps, config_map("a"))
    assert await direct.find(f"{config_maps}/a") is None
    await client.create(config_maps, config_map("a"))


@pytest.mark.parametrize("action", [DropReply(), CutReply()])
async def test_a_lost_reply_is_a_write_that_happened(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str, action: Action
) -> None:
    rule = Rule(Kube("create", "configmaps"), action, Nth(1))
    proxy.rules.add(rule)
    with pytest.raises(LOST):
        await client.create(config_maps, config_map("a"))
    assert await direct.find(f"{config_maps}/a") is not None
    assert proxy.rules.fired(rule) == 1


@pytest.mark.parametrize("status", [403, 409, 410, 422, 429, 500, 503, 504])
async def test_an_injected_status_is_answered_in_place_of_the_server(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str, status: int
) -> None:
    proxy.rules.add(Rule(Kube("create", "configmaps"), Answer(status, retry_after_s=7)))
    with pytest.raises(aiohttp.ClientResponseError) as refused:
        await client.create(config_maps, config_map("a"))
    assert refused.value.status == status
    assert refused.value.headers is not None
    assert refused.value.headers["Retry-After"] == "7"
    assert await direct.find(f"{config_maps}/a") is None


async def test_a_held_write_lands_after_its_client_is_gone(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str
) -> None:
    proxy.rules.add(Rule(Kube("create", "configmaps"), Hold("late")))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.create(config_maps, config_map("a")), 0.3)
    assert proxy.gates.waiting("late") == 1
    proxy.gates.release("late")

    async def landed() -> bool:
        return await direct.find(f"{config_maps}/a") is not None

    await eventually(landed)


async def test_a_delay_slows_one_request(proxy: KubeProxy, client: ApiClient, config_maps: str) -> None:
    loop = asyncio.get_running_loop()
    proxy.rules.add(Rule(Kube("list", "configmaps"), Delay(0.4), Nth(1)))
    began = loop.time()
    await client.get(config_maps)
    assert loop.time() - began >= 0.4


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (CutWatch(after=1), ["ADDED a", "end"]),
        (CutWatch(after=1, clean=False), ["ADDED a", "ClientPayloadError"]),
        (CutLine(after=1), ["ADDED a", "ClientPayloadError"]),
        (CutLine(after=1, clean=True), ["ADDED a", "end"]),
        (ErrorEvent(410, after=1), ["ADDED a", "ERROR 410", "end"]),
        (ErrorEvent(500, "InternalError"), ["ERROR 500", "end"]),
    ],
    ids=repr,
)
async def test_a_watch_ends_as_the_rule_says(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str, action: Action, expected: list[str]
) -> None:
    version = (await direct.get(config_maps))["metadata"]["resourceVersion"]
    proxy.rules.add(Rule(Kube("watch", "configmaps"), action, Nth(1)))
    seen: list[str] = []
    task = asyncio.create_task(watched(client, config_maps, version, seen))
    await direct.create(config_maps, config_map("a"))
    await direct.create(config_maps, config_map("b"))
    await asyncio.wait_for(task, 20)
    assert seen == expected


@pytest.mark.parametrize("action", [DropRequest(), DropReply(), CutReply()], ids=repr)
async def test_a_watch_whose_request_or_reply_is_lost_never_opens(
    proxy: KubeProxy, client: ApiClient, config_maps: str, action: Action
) -> None:
    proxy.rules.add(Rule(Kube("watch", "configmaps"), action))
    with pytest.raises(LOST):
        await anext(client.watch(config_maps, "1"))


async def test_the_reply_to_a_watch_is_held_until_it_is_released(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str
) -> None:
    await direct.create(config_maps, config_map("a"))
    proxy.rules.add(Rule(Kube("watch", "configmaps"), Hold("open", reply=True), Nth(1)))
    seen: list[str] = []
    task = asyncio.create_task(watched(client, config_maps, "", seen))
    await eventually(lambda: proxy.gates.waiting("open") == 1)
    assert seen == []
    proxy.gates.release("open")
    await eventually(lambda: seen == ["ADDED a"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_only_the_watch_with_the_named_selector_is_frozen(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str
) -> None:
    frozen = Rule(Kube("watch", "configmaps", labels="side=left"), FreezeWatch())
    proxy.rules.add(frozen)
    lists = {side: await direct.get(f"{config_maps}?labelSelector=side%3D{side}") for side in ("left", "right")}
    seen: dict[str, list[str]] = {"left": [], "right": []}

    async def follow(side: str) -> None:
        path = f"{config_maps}?{urlencode({'labelSelector': f'side={side}'})}"
        async for event in client.watch(path, lists[side]["metadata"]["resourceVersion"]):
            seen[side].append(event["object"]["metadata"]["name"])

    tasks = [asyncio.create_task(follow(side)) for side in seen]
    await eventually(lambda: sum(request.verb == "watch" for request in proxy.requests) == 2)
    for side in seen:
        labelled = config_map(side) | {"metadata": {"name": side, "labels": {"side": side}}}
        await direct.create(config_maps, labelled)
    await eventually(lambda: seen["right"] == ["right"])
    assert seen["left"] == []
    assert proxy.rules.fired(frozen) == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_frozen_watch_stays_open_and_says_nothing(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str
) -> None:
    version = (await direct.get(config_maps))["metadata"]["resourceVersion"]
    proxy.rules.add(Rule(Kube("watch", "configmaps"), FreezeWatch(after=1), Nth(1)))
    frozen: list[str] = []
    following: list[str] = []
    task = asyncio.create_task(watched(client, config_maps, version, frozen))
    await eventually(lambda: any(request.verb == "watch" for request in proxy.requests))
    other = asyncio.create_task(watched(client, config_maps, version, following))
    await direct.create(config_maps, config_map("a"))
    await direct.create(config_maps, config_map("b"))
    await eventually(lambda: following == ["ADDED a", "ADDED b"])
    assert frozen == ["ADDED a"]
    assert not task.done()
    for one in (task, other):
        one.cancel()
    await asyncio.gather(task, other, return_exceptions=True)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(KubeEvent("ADDED", name="a"), Discard()), ["ADDED b", "ADDED c"]),
        (Rule(KubeEvent("ADDED", name="a"), Swap()), ["ADDED b", "ADDED a", "ADDED c"]),
        (Rule(KubeEvent("ADDED", name="a"), Duplicate()), ["ADDED a", "ADDED a", "ADDED b", "ADDED c"]),
    ],
    ids=repr,
)
async def test_single_events_are_lost_swapped_or_doubled(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str, rule: Rule, expected: list[str]
) -> None:
    version = (await direct.get(config_maps))["metadata"]["resourceVersion"]
    proxy.rules.add(rule)
    seen: list[str] = []
    task = asyncio.create_task(watched(client, config_maps, version, seen))
    for name in "abc":
        await direct.create(config_maps, config_map(name))
    await eventually(lambda: len(seen) >= len(expected))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert seen == expected


async def test_a_held_event_arrives_when_it_is_released(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str
) -> None:
    version = (await direct.get(config_maps))["metadata"]["resourceVersion"]
    proxy.rules.add(Rule(KubeEvent("MODIFIED"), Hold("update")))
    seen: list[str] = []
    task = asyncio.create_task(watched(client, config_maps, version, seen))
    await direct.create(config_maps, config_map("a"))
    await direct.apply(f"{config_maps}/a", config_map("a", k="2"))
    await eventually(lambda: proxy.gates.waiting("update") == 1)
    assert seen == ["ADDED a"]
    proxy.gates.release("update")
    await eventually(lambda: seen == ["ADDED a", "MODIFIED a"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_snapshot_answers_reads_with_the_past_and_lets_writes_through(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str
) -> None:
    await direct.create(config_maps, config_map("old", k="1"))
    stale = Rule(
        Kube("get|list|watch", "configmaps"),
        ServeSnapshot(await proxy.take_snapshot("/api/v1/configmaps")),
    )
    seen: list[str] = []
    with proxy.rules.active(stale):
        task = asyncio.create_task(watched(client, config_maps, "1", seen))
        await direct.merge(f"{config_maps}/old", {"data": {"k": "2"}})
        await client.create(config_maps, config_map("new"))
        assert (await client.get(f"{config_maps}/old"))["data"] == {"k": "1"}
        assert await client.find(f"{config_maps}/new") is None
        listed = [item["metadata"]["name"] for item in (await client.get(config_maps))["items"]]
        assert "new" not in listed
    await asyncio.wait_for(task, 20)
    assert seen == ["end"]
    assert (await client.get(f"{config_maps}/old"))["data"] == {"k": "2"}
    assert await client.find(f"{config_maps}/new") is not None


async def test_a_proxy_that_is_down_refuses_and_comes_back_on_its_port(
    proxy: KubeProxy, client: ApiClient, config_maps: str
) -> None:
    seen: list[str] = []
    await client.create(config_maps, config_map("a"))
    task = asyncio.create_task(watched(client, config_maps, "", seen))
    await eventually(lambda: seen)
    await proxy.down()
    await asyncio.wait_for(task, 20)
    with pytest.raises(LOST):
        await client.get(config_maps)
    await proxy.up()
    await client.get(config_maps)


@pytest.mark.parametrize(("phase", "exists"), [(Phase.BEFORE, False), (Phase.AFTER, True)])
async def test_a_trap_springs_at_the_chosen_side_of_the_commit(
    proxy: KubeProxy, client: ApiClient, direct: ApiClient, config_maps: str, phase: Phase, exists: bool
) -> None:
    sprung: list[bool] = []
    proxy.journal.set_trap(Trap(2, phase, lambda: sprung.append(True)))
    await client.create(config_maps, config_map("a"))
    with pytest.raises(LOST):
        await client.create(config_maps, config_map("b"))
    assert sprung == [True]
    assert (await direct.find(f"{config_maps}/b") is not None) is exists
