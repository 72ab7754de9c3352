"""ConfigSync against the bare loop and a shell loop, on the same servers in the same run: `python -m bench mirror`.

The bare loop is what one would write by hand with the same clients and without any promise: event, getData, PATCH for a
pull; watch line, set for a push. The shell loop is a confd-style watch that walks the whole tree again and pipes a
manifest into `kubectl apply`. Samples of ours and of the floor alternate, so that both see the same machine.
"""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kazoo.client import KazooClient

from bench.figures import Figure, percentile
from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import ApiClient
from tests.support.worlds.live_mirror import install
from tests.support.worlds.mirror_servers import RealOperator, config_sync
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import CONFIG_MAPS, KubeApi
from zkoperator.kube.transport import Transport
from zkoperator.runtime.outcome import Pass
from zkoperator.zk.port import Create, Set, Zk
from zkoperator.zk.session import connect

NAMESPACE = "default"
SAMPLES, SHELL_SAMPLES, PAUSE_S = 150, 8, 0.1
TREES, ROUNDS, IN_FLIGHT = 200, 5, 16
P50_GOAL, P99_GOAL, SUSTAINED_GOAL = 1.3, 2.0, 0.8
VALUE = "v" * 100


@dataclass
class LiveWorld:
    """Servers, a writer on each side, and a watcher on each side."""

    api_server: ApiServer
    hosts: str
    api: KubeApi
    http: ApiClient
    zk: Zk
    seen: dict[tuple[str, str], asyncio.Future[float]] = field(default_factory=dict)

    def expect(self, where: str, value: str) -> asyncio.Future[float]:
        """The moment at which this value is seen at this ConfigMap or znode."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.seen[(where, value)] = future
        return future

    def see(self, where: str, value: str) -> None:
        future = self.seen.pop((where, value), None)
        if future is not None and not future.done():
            future.set_result(time.perf_counter())

    async def watch_config_maps(self) -> None:
        version = (await self.api.list(CONFIG_MAPS, NAMESPACE)).resource_version
        while True:  # the server ends every watch at some time
            async for event in self.api.watch(CONFIG_MAPS, NAMESPACE, resource_version=version):
                version, name = event.object["metadata"]["resourceVersion"], event.object["metadata"].get("name", "")
                for value in (event.object.get("data") or {}).values():
                    self.see(name, value)


@asynccontextmanager
async def world(properties: Mapping[str, str] | None = None) -> AsyncIterator[LiveWorld]:
    """Servers and watchers; `properties` are keys of zoo.cfg beside those of the testbed."""
    with Ensemble(1, properties=properties) as ensemble, ApiServer() as server:
        ensemble.start()
        server.start()
        transport = Transport(CredentialSource(str(server.kubeconfig)))
        async with ApiClient(server.kubeconfig) as http:
            await install(http)
            zk = connect(ensemble.hosts.split(","))
            made = LiveWorld(server, ensemble.hosts, KubeClient(transport), http, zk)
            watcher = asyncio.create_task(made.watch_config_maps())
            try:
                yield made
            finally:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)
                await zk.close()
                await transport.close()


async def add_sync(on: LiveWorld, name: str, **spec: Any) -> None:
    """A ConfigSync on `/<name>` with one key `k`, already in sync."""
    await on.zk.create(Create(f"/{name}", b""))
    first = on.expect(name, f"{name} 0")
    await on.zk.create(Create(f"/{name}/k", f"{name} 0".encode()))
    await on.http.create(
        f"/apis/zkoperator.dev/v1alpha1/namespaces/{NAMESPACE}/configsyncs",
        config_sync(NAMESPACE, on.hosts, f"/{name}", name, **spec),
    )
    await asyncio.wait_for(first, 120)


async def bare_pull(on: LiveWorld, zk: Zk) -> Callable[[], None]:
    """Event, getData, PATCH: the floor of a pull."""
    await on.zk.create(Create("/bare", b""))
    await on.zk.create(Create("/bare/k", b""))
    await on.http.create(f"/api/v1/namespaces/{NAMESPACE}/configmaps", {"metadata": {"name": "bare"}})
    tasks: set[asyncio.Task[None]] = set()

    async def copy(path: str) -> None:
        node = await zk.get(path)
        await on.api.patch(CONFIG_MAPS, NAMESPACE, "bare", {"data": {"k": node.data.decode()}})

    def heard(event: Any) -> None:
        task = asyncio.create_task(copy(event.path))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    remove = zk.on_event(heard, under="/bare")
    await zk.add_watch("/bare")
    return remove


async def bare_push(on: LiveWorld, zk: Zk) -> asyncio.Task[None]:
    """Watch line, set: the floor of a push."""
    await on.zk.create(Create("/bare-push", b""))
    await on.zk.create(Create("/bare-push/k", b""))
    manifest = {"metadata": {"name": "bare-push", "labels": {"bench": "push"}}}
    await on.http.create(f"/api/v1/namespaces/{NAMESPACE}/configmaps", manifest)

    async def copy() -> None:
        version = (await on.api.list(CONFIG_MAPS, NAMESPACE, labels="bench=push")).resource_version
        while True:
            watch = on.api.watch(CONFIG_MAPS, NAMESPACE, labels="bench=push", resource_version=version)
            async for event in watch:
                version = event.object["metadata"]["resourceVersion"]
                value = (event.object.get("data") or {}).get("k")
                if value is not None:
                    await zk.set(Set("/bare-push/k", value.encode(), -1))

    return asyncio.create_task(copy())


async def sample(on: LiveWorld, where: str, value: str, write: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds from the writer's call to the moment at which a watcher has the value."""
    future = on.expect(where, value)
    began = time.perf_counter()
    await write()
    arrived = await asyncio.wait_for(future, 60)
    await asyncio.sleep(PAUSE_S)
    return (arrived - began) * 1e3


async def pull_latency(on: LiveWorld, *, beside: str = "bare") -> tuple[list[float], list[float]]:
    """How long pulls into the ConfigMaps `pull` and the one beside it take, in turns."""
    ours: list[float] = []
    floor: list[float] = []
    for number in range(1, SAMPLES + 1):
        for name, samples in (("pull", ours), (beside, floor)):
            value = f"{name} {number} {VALUE}"
            write = Set(f"/{name}/k", value.encode(), -1)
            samples.append(await sample(on, name, value, lambda write=write: on.zk.set(write)))  # type: ignore[misc]
    return ours, floor


async def push_latency(on: LiveWorld, *, beside: str = "bare-push") -> tuple[list[float], list[float]]:
    """How long pushes of the ConfigMaps `push` and the one beside it take, in turns."""
    watcher = connect(on.hosts.split(","))

    async def read(path: str) -> None:
        on.see(path, (await watcher.get(path)).data.decode())

    tasks: set[asyncio.Task[None]] = set()

    def heard(event: Any) -> None:
        task = asyncio.create_task(read(event.path))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for root in ("/push", f"/{beside}"):
        watcher.on_event(heard, under=root)
        await watcher.add_watch(root)
    ours: list[float] = []
    floor: list[float] = []
    for number in range(1, SAMPLES + 1):
        for name, samples in (("push", ours), (beside, floor)):
            value = f"{name} {number} {VALUE}"
            path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}"
            body = {"data": {"k": value}}
            samples.append(
                await sample(on, f"/{name}/k", value, lambda path=path, body=body: on.http.merge(path, body))  # type: ignore[misc]
            )
    await watcher.close()
    return ours, floor


async def sustained(on: LiveWorld) -> tuple[float, float]:
    """Changes a second when every tree changes once a round: ours, and PATCHes by hand with as many in flight."""
    names = [f"tree-{number}" for number in range(TREES)]
    turns = asyncio.Semaphore(IN_FLIGHT)

    async def one(work: Awaitable[Any]) -> None:
        async with turns:
            await work

    await asyncio.gather(*(one(add_sync(on, name, direction="ZooKeeperToConfigMap")) for name in names))
    ours_s = floor_s = 0.0
    for round_ in range(1, ROUNDS + 1):
        await asyncio.sleep(0.5)
        began = time.perf_counter()
        futures = [on.expect(name, f"{name} {round_}") for name in names]
        await asyncio.gather(*(on.zk.set(Set(f"/{name}/k", f"{name} {round_}".encode(), -1)) for name in names))
        await asyncio.wait_for(asyncio.gather(*futures), 120)
        ours_s += time.perf_counter() - began
        await asyncio.sleep(0.5)
        began = time.perf_counter()
        futures = [on.expect(f"floor-{name}", f"{round_}") for name in names]
        if round_ == 1:
            maps = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
            await asyncio.gather(
                *(one(on.http.create(maps, {"metadata": {"name": f"floor-{name}"}})) for name in names)
            )
            began = time.perf_counter()
        patches = (
            on.api.patch(CONFIG_MAPS, NAMESPACE, f"floor-{name}", {"data": {"k": f"{round_}"}}) for name in names
        )
        await asyncio.gather(*(one(patch) for patch in patches))
        await asyncio.wait_for(asyncio.gather(*futures), 120)
        floor_s += time.perf_counter() - began
    return TREES * ROUNDS / ours_s, TREES * ROUNDS / floor_s


async def idle(operator: RealOperator, on: LiveWorld) -> float:
    """Requests to either side in five quiet seconds."""
    await asyncio.sleep(8)
    counted = 0

    original = operator.loop._report

    def count(done: Pass) -> None:
        nonlocal counted
        counted += 1
        original(done)

    operator.loop._report = count
    await asyncio.sleep(5)
    operator.loop._report = original
    return float(counted)


async def shell_latency(on: LiveWorld) -> list[float]:
    """A watch that walks the tree again for each event and pipes a manifest into kubectl."""
    loop = asyncio.get_running_loop()
    await on.zk.create(Create("/shell", b""))
    await on.zk.create(Create("/shell/k", b"0"))
    client = KazooClient(hosts=on.hosts)
    await asyncio.to_thread(client.start)
    wake = asyncio.Event()
    kubectl = [str(on.api_server.kubectl), "--kubeconfig", str(on.api_server.kubeconfig), "apply", "-f", "-"]

    def apply() -> None:
        client.get("/shell/k", watch=lambda _event: loop.call_soon_threadsafe(wake.set))
        data = {name: client.get(f"/shell/{name}")[0].decode() for name in client.get_children("/shell")}
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shell"}, "data": data}
        subprocess.run(kubectl, input=json.dumps(manifest).encode(), check=True, stdout=subprocess.DEVNULL)

    async def follow() -> None:
        while True:
            wake.clear()
            await asyncio.to_thread(apply)
            await wake.wait()

    task = asyncio.create_task(follow())
    await asyncio.sleep(5)
    samples = []
    for number in range(1, SHELL_SAMPLES + 1):
        write = Set("/shell/k", f"shell {number}".encode(), -1)
        samples.append(await sample(on, "shell", f"shell {number}", lambda write=write: on.zk.set(write)))  # type: ignore[misc]
        await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.to_thread(client.stop)
    return samples


async def run() -> list[Figure]:
    """Measure everything once."""
    async with world() as on:
        operator = await RealOperator(on.api_server.kubeconfig, NAMESPACE, on.hosts).start()
        bare_zk = connect(on.hosts.split(","))
        try:
            await add_sync(on, "pull", direction="ZooKeeperToConfigMap")
            await add_sync(on, "push")
            await bare_pull(on, bare_zk)
            pushing = await bare_push(on, bare_zk)
            quiet = await idle(operator, on)
            pull, pull_floor = await pull_latency(on)
            push, push_floor = await push_latency(on)
            shell = await shell_latency(on)
            rate, rate_floor = await sustained(on)
            pushing.cancel()
        finally:
            await bare_zk.close()
            await operator.stop()
    return [
        *_latency("znode set to ConfigMap seen", pull, pull_floor, "event, getData, PATCH by hand", shell),
        *_latency("ConfigMap edit to znode seen", push, push_floor, "watch, set by hand", None),
        Figure(
            "changes a second over 200 trees",
            rate,
            "1/s",
            floor=rate_floor,
            floor_name="PATCH by hand",
            goal=SUSTAINED_GOAL,
            more_is_better=True,
        ),
        Figure("passes in 5 idle seconds", quiet, "", goal=0),
    ]


def _latency(
    what: str, ours: list[float], floor: list[float], floor_name: str, shell: list[float] | None
) -> list[Figure]:
    return [
        Figure(
            f"{what}, p{share * 100:.0f}",
            percentile(ours, share),
            "ms",
            floor=percentile(floor, share),
            floor_name=floor_name,
            instead=percentile(shell, share) if shell is not None else None,
            instead_name="watch and kubectl apply in a loop" if shell is not None else "",
            goal=goal,
        )
        for share, goal in ((0.5, P50_GOAL), (0.99, P99_GOAL))
    ]
