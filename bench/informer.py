"""What an informer event and an API request cost our process: `python -m bench.informer`.

CPU time of this process alone, against a real API server over TLS. The floor is a bare aiohttp loop that keeps the
objects in a dict; the alternative is the asyncio client of the `kubernetes` package. Changes are written by another
process. All three see the same number of changes of the same objects, one after the other, in one run.
"""

import asyncio
import json
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from kubernetes.aio import client as kubernetes
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio import watch as kubernetes_watch

from bench.figures import Figure, machine, table
from testbed.api import ApiServer
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import Credentials, CredentialSource
from zkoperator.kube.informer import Informer
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.kube.transport import Transport

OBJECTS, EVENTS, REQUESTS, WINDOW = 200, 3_000, 2_000, 16
NAMESPACE, LABELS = "default", "bench=informer"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
EVENT_GOAL, REQUEST_GOAL = 1.5, 1.5

Tick = Callable[[], None]
Follow = Callable[[Tick], Awaitable[None]]


async def run() -> Sequence[Figure]:
    """Measure events, then requests."""
    with ApiServer() as server:
        await asyncio.to_thread(server.start)
        source = CredentialSource(str(server.kubeconfig))
        async with _client(source) as ours, _bare(source.current()) as bare, _package(server.kubeconfig) as package:
            await write(ours, OBJECTS)
            return [*await _events(server.kubeconfig, ours, bare, package), await _requests(ours, bare, package)]


async def _events(kubeconfig: Path, ours: KubeClient, bare: "Bare", package: kubernetes.CoreV1Api) -> list[Figure]:
    cost = {
        "ours": await _cost_of_events(kubeconfig, lambda tick: _follow_ours(ours, tick)),
        "bare": await _cost_of_events(kubeconfig, lambda tick: bare.follow(tick)),
        "package": await _cost_of_events(kubeconfig, lambda tick: _follow_package(package, tick)),
    }
    return [_figure("CPU of an informer event", cost, EVENT_GOAL)]


async def _cost_of_events(kubeconfig: Path, follow: Follow) -> float:
    """Return the microseconds of CPU that one event costs. The first tenth warms up."""
    seen = 0
    done = asyncio.Event()
    marks: list[float] = []

    def tick() -> None:
        nonlocal seen
        seen += 1
        if seen in (EVENTS // 10, EVENTS):
            marks.append(time.process_time())
        if seen == EVENTS:
            done.set()

    following = asyncio.ensure_future(follow(tick))
    await asyncio.sleep(2)
    seen = 0
    command = [sys.executable, "-m", "bench.informer", "--write", str(kubeconfig), str(EVENTS)]
    writer = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    await asyncio.wait_for(done.wait(), 300)
    await writer.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return (marks[-1] - marks[-2]) / (EVENTS - EVENTS // 10) * 1e6


async def _requests(ours: KubeClient, bare: "Bare", package: kubernetes.CoreV1Api) -> Figure:
    async def get_ours(name: str) -> None:
        await ours.get(CONFIG_MAPS, NAMESPACE, name)

    async def get_package(name: str) -> None:
        await package.read_namespaced_config_map(name, NAMESPACE)

    cost = {
        "ours": await _cost_of_requests(get_ours),
        "bare": await _cost_of_requests(bare.get),
        "package": await _cost_of_requests(get_package),
    }
    return _figure("CPU of a GET", cost, REQUEST_GOAL)


async def _cost_of_requests(get: Callable[[str], Awaitable[None]]) -> float:
    async def some(count: int) -> None:
        for number in range(count):
            await get(f"bench-{number % OBJECTS}")

    await some(100)
    start = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(WINDOW):
            group.create_task(some(REQUESTS // WINDOW))
    return (time.process_time() - start) / REQUESTS * 1e6


async def _follow_ours(api: KubeClient, tick: Tick) -> None:
    await Informer(api, CONFIG_MAPS, (NAMESPACE,), labels=LABELS, on_change=lambda _: tick()).run()


async def _follow_package(api: kubernetes.CoreV1Api, tick: Tick) -> None:
    store: dict[str, object] = {}
    listing = await api.list_namespaced_config_map(NAMESPACE, label_selector=LABELS)
    version = listing.metadata.resource_version if listing.metadata else None
    stream = kubernetes_watch.Watch().stream(  # type: ignore[no-untyped-call]
        api.list_namespaced_config_map, NAMESPACE, label_selector=LABELS, resource_version=version
    )
    async for event in stream:
        store[event["object"].metadata.name] = event["object"]
        tick()


class Bare:
    """The least that anybody could do: aiohttp, json and a dict."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, name: str) -> None:
        async with self._session.get(f"{PATH}/{name}") as response:
            json.loads(await response.read())

    async def follow(self, tick: Tick) -> None:
        store: dict[str, object] = {}
        selector = {"labelSelector": LABELS}
        async with self._session.get(PATH, params=selector) as response:
            version = json.loads(await response.read())["metadata"]["resourceVersion"]
        query = selector | {"watch": "1", "resourceVersion": version}
        rest = b""
        async with self._session.get(PATH, params=query) as response:
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    changed = json.loads(line)["object"]
                    store[changed["metadata"]["name"]] = changed
                    tick()


@asynccontextmanager
async def _client(source: CredentialSource) -> AsyncIterator[KubeClient]:
    transport = Transport(source)
    try:
        yield KubeClient(transport)
    finally:
        await transport.close()


@asynccontextmanager
async def _bare(credentials: Credentials) -> AsyncIterator[Bare]:
    tls: ssl.SSLContext | bool = credentials.ssl_context() or True
    connector = aiohttp.TCPConnector(ssl=tls)
    timeout = aiohttp.ClientTimeout(total=None)
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        credentials.server, connector=connector, timeout=timeout, headers=headers
    ) as session:
        yield Bare(session)


@asynccontextmanager
async def _package(kubeconfig: Path) -> AsyncIterator[kubernetes.CoreV1Api]:
    settings = kubernetes.Configuration()
    await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
        str(kubeconfig), client_configuration=settings
    )
    async with kubernetes.ApiClient(settings) as client:
        yield kubernetes.CoreV1Api(client)


def _figure(name: str, cost: dict[str, float], goal: float) -> Figure:
    return Figure(
        name,
        cost["ours"],
        "us",
        floor=cost["bare"],
        floor_name="a bare aiohttp loop",
        instead=cost["package"],
        instead_name="kubernetes.aio",
        goal=goal,
    )


async def write(api: KubeClient, changes: int) -> None:
    """Change the objects in turn, several at once, every time to something else."""
    stamp = str(time.time_ns())

    async def some(first: int) -> None:
        for number in range(first, changes, WINDOW):
            name = f"bench-{number % OBJECTS}"
            data = {"value": "x" * 900, "stamp": f"{stamp}-{number}"}
            await api.apply(CONFIG_MAPS, NAMESPACE, {"metadata": {"name": name, "labels": _LABELS}, "data": data})

    async with asyncio.TaskGroup() as group:
        for first in range(WINDOW):
            group.create_task(some(first))


_LABELS = dict([LABELS.split("=")])


async def _write(kubeconfig: str, changes: int) -> None:
    async with _client(CredentialSource(kubeconfig)) as api:
        await write(api, changes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        asyncio.run(_write(sys.argv[2], int(sys.argv[3])))
    else:
        print(machine(), file=sys.stderr)
        print(table(asyncio.run(run())))
