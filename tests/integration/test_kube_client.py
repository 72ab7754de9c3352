"""The client against a real API server that is slow, away, restarted, or reached through a faulty network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from testbed.api import ApiServer
from tests.support.faults.proxies.credentials import Upstream
from tests.support.faults.proxies.kube import KubeProxy
from tests.support.faults.proxies.rules import (
    Answer,
    CutReply,
    Delay,
    DropReply,
    DropRequest,
    First,
    Kube,
    Nth,
    Rule,
)
from tests.support.machines.testbed import ApiServerFactory
from tests.support.waiting import eventually
from zkoperator.errors import (
    ForbiddenError,
    InvalidError,
    TransientError,
    UnknownOutcomeError,
)
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import CONFIG_MAPS, SECRETS, GoneError, Manifest
from zkoperator.kube.transport import Exchange, Transport


class Wired:
    """A client whose requests go through a proxy."""

    def __init__(self, client: KubeClient, proxy: KubeProxy, exchanges: list[Exchange]) -> None:
        self.client = client
        self.proxy = proxy
        self.exchanges = exchanges


@asynccontextmanager
async def wired(server: ApiServer, tmp_path: Path, *, concurrency: int = 32, **options: float) -> AsyncIterator[Wired]:
    async with KubeProxy(Upstream.from_kubeconfig(server.kubeconfig)) as proxy:
        source = CredentialSource(str(proxy.write_kubeconfig(tmp_path / "kubeconfig")))
        exchanges: list[Exchange] = []
        transport = Transport(source, concurrency=concurrency, report=exchanges.append)
        try:
            yield Wired(KubeClient(transport, **options), proxy, exchanges)  # type: ignore[arg-type]
        finally:
            await transport.close()


@pytest.fixture
async def line(api_server: ApiServer, tmp_path: Path) -> AsyncIterator[Wired]:
    async with wired(api_server, tmp_path) as found:
        yield found


def shop(colour: str = "red") -> Manifest:
    return {"metadata": {"name": "shop"}, "data": {"colour": colour}}


@pytest.mark.parametrize("fault", [DropReply(), CutReply(0.5), Answer(504), Answer(500)])
async def test_a_write_without_an_answer_has_an_unknown_outcome(line: Wired, namespace: str, fault: DropReply) -> None:
    with (
        line.proxy.rules.active(Rule(Kube(verb="apply"), fault)),
        pytest.raises(UnknownOutcomeError),
    ):
        await line.client.apply(CONFIG_MAPS, namespace, shop())


@pytest.mark.parametrize("fault", [DropReply(), CutReply(0.5), Answer(504), DropRequest()])
async def test_a_read_without_an_answer_has_no_outcome_to_wonder_about(
    line: Wired, namespace: str, fault: DropReply
) -> None:
    await line.client.apply(CONFIG_MAPS, namespace, shop())
    with (
        line.proxy.rules.active(Rule(Kube(verb="get", resource="configmaps"), fault)),
        pytest.raises(TransientError) as raised,
    ):
        await line.client.get(CONFIG_MAPS, namespace, "shop")
    assert not isinstance(raised.value, UnknownOutcomeError)


async def test_a_refused_connection_is_transient_even_for_a_write(line: Wired, namespace: str) -> None:
    await line.proxy.down()
    with pytest.raises(TransientError) as raised:
        await line.client.apply(CONFIG_MAPS, namespace, shop())
    assert not isinstance(raised.value, UnknownOutcomeError)
    await line.proxy.up()
    await line.client.apply(CONFIG_MAPS, namespace, shop())


async def test_every_request_has_a_deadline(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    async with wired(api_server, tmp_path, deadline_s=0.5) as line:
        await line.client.get(CONFIG_MAPS, namespace, "shop")
        slow = Rule(Kube(resource="configmaps"), Delay(30, reply=True))
        with line.proxy.rules.active(slow):
            async with asyncio.timeout(20):
                with pytest.raises(TransientError, match=r"0\.5 s"):
                    await line.client.get(CONFIG_MAPS, namespace, "shop")
                with pytest.raises(UnknownOutcomeError):
                    await line.client.apply(CONFIG_MAPS, namespace, shop())


async def test_a_write_that_never_got_its_turn_has_not_happened(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    async with wired(api_server, tmp_path, concurrency=1, deadline_s=1) as line:
        await line.client.get(CONFIG_MAPS, namespace, "shop")
        with line.proxy.rules.active(Rule(Kube(verb="list", resource="configmaps"), Delay(30, reply=True))):
            slow = asyncio.create_task(line.client.list(CONFIG_MAPS, namespace))
            await eventually(lambda: any(each.verb == "list" for each in line.proxy.requests))
            with pytest.raises(TransientError) as raised:
                await line.client.apply(CONFIG_MAPS, namespace, shop())
            slow.cancel()
        assert not isinstance(raised.value, UnknownOutcomeError)
        assert [each for each in line.proxy.requests if each.mutates] == []


async def test_a_server_that_asks_for_time_says_how_much(line: Wired, namespace: str) -> None:
    busy = Rule(Kube(resource="configmaps"), Answer(429, retry_after_s=7))
    with line.proxy.rules.active(busy), pytest.raises(TransientError) as raised:
        await line.client.list(CONFIG_MAPS, namespace)
    assert raised.value.retry_after_s == 7


async def test_a_401_is_repeated_once_with_renewed_credentials(line: Wired, namespace: str) -> None:
    expired = Rule(Kube(resource="configmaps"), Answer(401), First(1))
    with line.proxy.rules.active(expired):
        await line.client.apply(CONFIG_MAPS, namespace, shop())
    assert line.proxy.rules.fired(expired) == 1
    assert await line.client.get(CONFIG_MAPS, namespace, "shop") is not None


async def test_a_401_that_stays_is_transient_and_not_hammered(line: Wired, namespace: str) -> None:
    expired = Rule(Kube(resource="configmaps"), Answer(401))
    with line.proxy.rules.active(expired):
        with pytest.raises(TransientError, match="401"):
            await line.client.get(CONFIG_MAPS, namespace, "shop")
        assert line.proxy.rules.fired(expired) == 2


async def test_a_rotated_token_is_read_again(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    rest = api_server.rest()
    rest("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "bot"}})
    rest.close()
    valid = yaml.safe_load(api_server.account_kubeconfig(namespace, "bot").read_text())
    kubeconfig = tmp_path / "bot.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(valid | {"users": [valid["users"][0] | {"user": {"token": "expired"}}]}))
    transport = Transport(CredentialSource(str(kubeconfig)))
    client = KubeClient(transport)
    try:
        with pytest.raises(TransientError, match="401"):
            await client.get(CONFIG_MAPS, namespace, "shop")
        kubeconfig.write_text(yaml.safe_dump(valid))
        with pytest.raises(ForbiddenError, match=r"serviceaccount:.*:bot"):
            await client.get(CONFIG_MAPS, namespace, "shop")
    finally:
        await transport.close()


async def test_a_missing_permission_is_named(api_server: ApiServer, namespace: str) -> None:
    transport = Transport(CredentialSource(str(api_server.user_kubeconfig("nobody"))))
    try:
        with pytest.raises(ForbiddenError, match=r"may not patch configmaps shop in namespace"):
            await KubeClient(transport).apply(CONFIG_MAPS, namespace, shop())
        with pytest.raises(ForbiddenError, match=r"may not list secrets"):
            await KubeClient(transport).list(SECRETS)
    finally:
        await transport.close()


async def test_an_error_never_quotes_what_was_sent(line: Wired, namespace: str) -> None:
    await line.client.apply(CONFIG_MAPS, namespace, shop() | {"immutable": True})
    bad: list[Manifest] = [
        {"metadata": {"name": "shop"}, "data": {"colour": "hunter2"}},
        {"metadata": {"name": "odd"}, "data": {"colour": ["hunter2"]}},
        {"metadata": {"name": "odd"}, "data": "hunter2"},
    ]
    for manifest in bad:
        with pytest.raises(InvalidError) as raised:
            await line.client.apply(CONFIG_MAPS, namespace, manifest)
        assert "hunter2" not in str(raised.value)


async def test_a_long_list_comes_in_pages_and_whole(line: Wired, namespace: str) -> None:
    await fill(line.client, namespace, 620)
    listing = await line.client.list(CONFIG_MAPS, namespace, labels="lot=yes")
    assert len({item["metadata"]["name"] for item in listing.items}) == 620
    pages = [each for each in line.exchanges if each.verb == "list"]
    assert len(pages) == 2


async def test_a_continue_token_that_expires_starts_the_list_again(line: Wired, namespace: str) -> None:
    await fill(line.client, namespace, 620)
    expired = Rule(Kube(verb="list", resource="configmaps"), Answer(410), Nth(2))
    with line.proxy.rules.active(expired):
        listing = await line.client.list(CONFIG_MAPS, namespace, labels="lot=yes")
    assert len(listing.items) == 620
    assert line.proxy.rules.fired(expired) == 1


async def test_a_list_whose_pages_always_expire_is_read_in_one_answer(line: Wired, namespace: str) -> None:
    await fill(line.client, namespace, 620)
    requests = line.exchanges
    rules = [Rule(Kube(verb="list", resource="configmaps"), Answer(410), Nth(page)) for page in (2, 4, 6)]
    with line.proxy.rules.active(*rules):
        listing = await line.client.list(CONFIG_MAPS, namespace, labels="lot=yes")
    assert len(listing.items) == 620
    assert sum(each.verb == "list" for each in requests) == 7


async def test_a_watch_from_a_forgotten_version_is_gone(api_servers: ApiServerFactory, tmp_path: Path) -> None:
    server = api_servers("--watch-cache=false")
    async with wired(server, tmp_path) as line:
        await line.client.apply(CONFIG_MAPS, "default", shop())
        listing = await line.client.list(CONFIG_MAPS, "default")
        for colour in ("blue", "green"):
            await line.client.apply(CONFIG_MAPS, "default", shop(colour))
        server.compact()
        events = line.client.watch(CONFIG_MAPS, "default", resource_version=listing.resource_version)
        with pytest.raises(GoneError):
            await asyncio.wait_for(anext(events), 30)


async def test_a_write_that_is_fenced_does_not_leave(line: Wired, namespace: str) -> None:
    def refuse() -> None:
        raise TransientError("not the leader")

    fenced = KubeClient(line.client._transport, before_write=refuse)
    for write in (
        fenced.apply(CONFIG_MAPS, namespace, shop()),
        fenced.create(CONFIG_MAPS, namespace, shop()),
        fenced.patch(CONFIG_MAPS, namespace, "shop", {"data": {}}),
        fenced.delete(CONFIG_MAPS, namespace, "shop"),
    ):
        with pytest.raises(TransientError, match="not the leader"):
            await write
    assert await fenced.get(CONFIG_MAPS, namespace, "shop") is None
    assert [request.verb for request in line.proxy.requests if request.mutates] == []


async def test_a_restarted_server_is_found_again(api_servers: ApiServerFactory, tmp_path: Path) -> None:
    server = api_servers()
    transport = Transport(CredentialSource(str(server.kubeconfig)))
    client = KubeClient(transport)
    try:
        await client.apply(CONFIG_MAPS, "default", shop())
        server.kill()
        with pytest.raises(TransientError):
            await client.get(CONFIG_MAPS, "default", "shop")
        await asyncio.to_thread(server.restart)

        async def found() -> bool:
            try:
                return await client.get(CONFIG_MAPS, "default", "shop") is not None
            except TransientError:
                return False

        await eventually(found)
    finally:
        await transport.close()


async def fill(client: KubeClient, namespace: str, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            manifest = {"metadata": {"name": f"lot-{number}", "labels": {"lot": "yes"}}}
            group.create_task(client.create(CONFIG_MAPS, namespace, manifest))
