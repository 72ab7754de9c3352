"""ConfigSync on a real API server and a real ZooKeeper, changed by independent clients, judged by both histories."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import ApiClient, Recorder
from tests.support.models.checkers import ONE_WAY, TWO_WAY, Run, check, l1_silence
from tests.support.models.histories import config_map_history, values, zookeeper_history
from tests.support.models.zk_log import read_log
from tests.support.waiting import eventually
from tests.support.worlds.live_mirror import install
from tests.support.worlds.mirror_servers import RealOperator, config_sync, operator
from zkoperator.kube.port import CONFIG_MAPS, KubeApi, Manifest
from zkoperator.mirror.model.keys import key_of

API = "/apis/zkoperator.dev/v1alpha1"


@pytest.fixture
def client(zookeeper: Ensemble) -> Iterator[KazooClient]:
    kazoo = KazooClient(hosts=zookeeper.hosts)
    kazoo.start(timeout=60)
    yield kazoo
    kazoo.stop()
    kazoo.close()


@pytest.fixture
async def kube(api_server: ApiServer) -> AsyncIterator[ApiClient]:
    async with ApiClient(api_server.kubeconfig) as opened:
        yield opened


@pytest.fixture
async def installed(api_server: ApiServer, kube: ApiClient) -> None:
    await install(kube)


@pytest.fixture
def root(client: KazooClient) -> str:
    path = f"/m-{secrets.token_hex(4)}"
    client.create(path)
    return path


async def _data(kube: ApiClient, namespace: str) -> dict[str, bytes] | None:
    found = await kube.find(f"/api/v1/namespaces/{namespace}/configmaps/shop")
    return None if found is None else values(found)


async def _data_is(kube: ApiClient, namespace: str, expected: dict[str, bytes]) -> None:
    async def equal() -> bool:
        assert await _data(kube, namespace) == expected
        return True

    await eventually(equal, within_s=60)


async def test_what_another_client_does_appears_and_a_multi_is_never_seen_in_part(
    api_server: ApiServer,
    zookeeper: Ensemble,
    namespace: str,
    kube: ApiClient,
    client: KazooClient,
    root: str,
    installed: None,
) -> None:
    keys = [f"k{number}" for number in range(50)]
    for key in keys:
        client.create(f"{root}/{key}", b"0")
    sync = config_sync(namespace, zookeeper.hosts, root, direction="ZooKeeperToConfigMap")
    async with operator(api_server.kubeconfig, namespace, zookeeper.hosts), Recorder(kube, _maps(namespace)) as record:
        await kube.create(f"{API}/namespaces/{namespace}/configsyncs", sync)
        await _data_is(kube, namespace, dict.fromkeys(keys, b"0"))
        for generation in range(1, 30):
            transaction = client.transaction()
            for key in keys:
                transaction.set_data(f"{root}/{key}", str(generation).encode())
            await asyncio.to_thread(transaction.commit)
            await asyncio.sleep(0.02)
        await _data_is(kube, namespace, dict.fromkeys(keys, b"29"))
        client.create(f"{root}/new/deep", b"\xff", makepath=True)
        client.delete(f"{root}/k0")
        expected = {**dict.fromkeys(keys[1:], b"29"), "new__deep": b"\xff"}
        await _data_is(kube, namespace, expected)
        seen = [set(values(event["object"]).values()) for event in record.of("shop") if event["type"] != "DELETED"]
        assert all(len(one - {b"\xff", b""}) == 1 for one in seen)
        sessions: set[int] = set()
        history = zookeeper_history(read_log(_log(zookeeper)), root, sessions, lambda path: str(key_of(path)))
        ours = [event["object"]["metadata"]["resourceVersion"] for event in record.of("shop")]
        stamped = config_map_history(record.of("shop"), ours)
        assert len(stamped) > 3
        assert check(Run(_leaves(history), stamped), ONE_WAY) == ()


async def test_writers_on_both_sides_lose_nothing_while_the_operator_crashes(
    api_server: ApiServer,
    zookeeper: Ensemble,
    namespace: str,
    kube: ApiClient,
    client: KazooClient,
    root: str,
    installed: None,
) -> None:
    keys = [f"s{number}" for number in range(12)]
    for key in keys:
        client.create(f"{root}/{key}", f"{key}:start".encode())
    guard = {"maxKeys": 1_000_000, "maxPercent": 100}
    await kube.create(
        f"{API}/namespaces/{namespace}/configsyncs",
        config_sync(namespace, zookeeper.hosts, root, deletionGuard=guard),
    )
    written: list[str] = []
    sessions: set[int] = set()

    async def start() -> RealOperator:
        wrapped = RealOperator(
            api_server.kubeconfig, namespace, zookeeper.hosts, wrap=lambda api: _Witness(api, written)
        )
        wrapped.sessions = sessions
        return await wrapped.start()

    current = await start()
    try:
        async with Recorder(kube, _maps(namespace)) as record:
            await _data_is(kube, namespace, {key: f"{key}:start".encode() for key in keys})
            losers: set[tuple[str, bytes]] = set()
            rng = random.Random(7)
            for round_ in range(6):
                await asyncio.gather(
                    asyncio.to_thread(_edit_znodes, client, root, keys, random.Random(round_), round_),
                    _edit_keys(kube, namespace, keys, random.Random(100 + round_), round_),
                )
                if round_ % 2:
                    await asyncio.sleep(rng.random() * 0.05)
                    await current.stop()
                    current = await start()
            losers |= await _settle(kube, client, namespace, root)
            numbers = [len(written)]
            await asyncio.sleep(2)
            numbers.append(len(written))
            await asyncio.sleep(0.5)
            history = _leaves(
                zookeeper_history(read_log(_log(zookeeper)), root, sessions, lambda path: str(key_of(path)))
            )
            run = Run(history, config_map_history(record.of("shop"), written), frozenset(keys), frozenset(losers))
        checks = tuple(one for one in TWO_WAY if one.__name__ != "l1_convergence")
        assert check(run, checks) == ()
        assert tuple(l1_silence(numbers)) == ()
        # On a busy machine a life may be too short for any more than one write.
        assert sum(commit.by_operator for commit in run.zookeeper) >= 1
        assert sum(commit.by_operator for commit in run.config_map) > 1
    finally:
        await current.stop()


class _Witness:
    """Passes everything on, and remembers the versions of ConfigMaps that the operator has written."""

    def __init__(self, api: KubeApi, written: list[str]) -> None:
        self._api = api
        self._written = written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def create(self, resource: Any, namespace: str, manifest: Manifest) -> Manifest:
        answer = await self._api.create(resource, namespace, manifest)
        self._seen(resource, answer)
        return answer

    async def patch(self, resource: Any, namespace: str, name: str, patch: Manifest, **options: Any) -> Manifest | None:
        writing = asyncio.ensure_future(self._api.patch(resource, namespace, name, patch, **options))
        try:
            return self._seen(resource, await asyncio.shield(writing))
        except asyncio.CancelledError:
            # A crash may cut the answer off: the write is finished first, so that its author is known.
            self._seen(resource, await writing)
            raise

    def _seen(self, resource: Any, answer: Manifest | None) -> Manifest | None:
        if resource == CONFIG_MAPS and answer is not None:
            self._written.append(answer["metadata"]["resourceVersion"])
        return answer


def _edit_znodes(client: KazooClient, root: str, keys: list[str], rng: random.Random, round_: int) -> None:
    """Compare-and-set on half of the keys, with deletions and creations."""
    for number in range(20):
        path = f"{root}/{rng.choice(keys[: len(keys) * 2 // 3])}"
        token = f"zk:{round_}:{number}".encode()
        with suppress(BadVersionError, NoNodeError, NodeExistsError):
            stat = client.exists(path)
            if stat is None:
                client.create(path, token)
            elif rng.random() < 0.15:
                client.delete(path, version=stat.version)
            else:
                client.set(path, token, version=stat.version)


async def _edit_keys(kube: ApiClient, namespace: str, keys: list[str], rng: random.Random, round_: int) -> None:
    """Read, change one or two keys, and replace over exactly the version that was read."""
    path = f"{_maps(namespace)}/shop"
    for number in range(20):
        found = await kube.get(path)
        data = dict(found.get("data") or {})
        for key in rng.sample(keys[len(keys) // 3 :], 2):
            if key in data and rng.random() < 0.15:
                del data[key]
            else:
                data[key] = f"cm:{round_}:{number}:{key}"
        with suppress(aiohttp.ClientResponseError):
            await kube.replace(path, {**found, "data": data})


async def _settle(kube: ApiClient, client: KazooClient, namespace: str, root: str) -> set[tuple[str, bytes]]:
    """Wait until everything but conflicts is equal; return both values of every key in conflict."""
    losers: set[tuple[str, bytes]] = set()

    async def settled() -> bool:
        sync = await kube.get(f"{API}/namespaces/{namespace}/configsyncs/shop")
        frozen = {item["key"] for item in sync["status"].get("conflicts") or []}
        there = await _data(kube, namespace) or {}
        here = {name: client.get(f"{root}/{name}")[0] for name in client.get_children(root)}
        differing = {key for key in here.keys() | there.keys() if here.get(key) != there.get(key)}
        assert differing == frozen
        for key in frozen:
            losers.update((key, side[key]) for side in (here, there) if key in side)
        return True

    await asyncio.sleep(1)
    await eventually(settled, within_s=60)
    return losers


def _leaves(history: Any) -> Any:
    """The root itself and empty parents are no keys."""
    kept = []
    for commit in history:
        changes = {key: value for key, value in commit.changes.items() if key not in ("__root", "new")}
        if changes:
            kept.append(type(commit)(commit.at, commit.author, changes, commit.stamp, commit.foreign))
    return tuple(kept)


def _maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def _log(zookeeper: Ensemble) -> Path:
    return Path(zookeeper.servers[0].directory) / "data"
