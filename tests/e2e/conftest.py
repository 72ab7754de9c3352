"""What every end-to-end test starts from: the cluster of KUBECONFIG with the operator installed, and a namespace."""

import asyncio
import json
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponseError
from kazoo.client import KazooClient

from tests.support.machines.api_client import ApiClient
from tests.support.machines.ensemble_machine import Machine
from tests.support.waiting import eventually
from tests.support.worlds.doors import Wire
from tests.support.worlds.ensemble_story import Ensemble

Manifest = dict[str, Any]
IMAGE = "docker.io/library/zookeeper:3.9.5"
SMALL = {"requests": {"cpu": "20m", "memory": "192Mi"}, "limits": {"memory": "384Mi"}}
QUICK = {"flags": ["-XX:TieredStopAtLevel=1"]}
"""Servers that live for minutes start with less work."""


FIGURE = "figure"


LIMIT_S = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A whole ensemble that rolls on a busy machine takes longer than any other test may."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(LIMIT_S))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, from whichever process they ran in."""
    finished = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    told = [
        f"{report.nodeid}: {text}"
        for report in finished
        if report.when == "call"
        for name, text in report.user_properties
        if name == FIGURE
    ]
    if told:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(told))


@pytest.fixture
def kubeconfig() -> Path:
    return Path(os.environ["KUBECONFIG"])


@pytest.fixture
def machine(kubeconfig: Path) -> Machine:
    found = Machine.below(kubeconfig)
    if found is None:
        pytest.skip("needs the local testbed, where pods are processes of this machine")
    return found


def kubectl(*arguments: str, given: Manifest | list[Manifest] | None = None) -> str:
    """What a user types; a failure is the test's failure, with kubectl's own words."""
    objects = {"apiVersion": "v1", "kind": "List", "items": given} if isinstance(given, list) else given
    done = subprocess.run(
        ["kubectl", *arguments], input=json.dumps(objects) if objects else None, capture_output=True, text=True
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


class Space:
    """A namespace of the test's own, under Pod Security `restricted`."""

    def __init__(self, api: ApiClient, name: str, tell: Callable[[str], None], wire: Wire = Wire.PLAIN) -> None:
        self.api = api
        self.name = name
        self.tell = tell
        self.wire = wire

    def cluster(self, replicas: int = 3, name: str = "main", **spec: Any) -> Manifest:
        """A cluster that speaks what those of this namespace do."""
        return cluster(replicas, name, **self.wire.spec, **spec)

    def path(self, plural: str, name: str = "") -> str:
        group = {
            "zookeeperclusters": "apis/zkoperator.dev/v1alpha1",
            "configsyncs": "apis/zkoperator.dev/v1alpha1",
            "zookeeperbackups": "apis/zkoperator.dev/v1alpha1",
            "zookeeperbackupschedules": "apis/zkoperator.dev/v1alpha1",
            "znodes": "apis/zkoperator.dev/v1alpha1",
            "statefulsets": "apis/apps/v1",
            "deployments": "apis/apps/v1",
            "daemonsets": "apis/apps/v1",
            "events": "apis/events.k8s.io/v1",
            "poddisruptionbudgets": "apis/policy/v1",
            "networkpolicies": "apis/networking.k8s.io/v1",
        }.get(plural, "api/v1")
        return f"/{group}/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    async def get(self, plural: str, name: str) -> Manifest | None:
        found: Manifest | None = await self.api.find(self.path(plural, name))
        return found

    async def items(self, plural: str) -> list[Manifest]:
        items: list[Manifest] = (await self.api.get(self.path(plural)))["items"]
        return items

    async def log(self, pod: str) -> str:
        return await asyncio.to_thread(kubectl, "-n", self.name, "logs", pod)

    async def noted(self, reason: str, text: str) -> bool:
        """Whether an Event about a cluster gives a reason and says some text."""
        events = [event for event in await self.items("events") if event["regarding"]["kind"] == "ZooKeeperCluster"]
        return any(event["reason"] == reason and text in event.get("note", "") for event in events)

    async def apply(self, *objects: Manifest) -> None:
        await asyncio.to_thread(kubectl, "-n", self.name, "apply", "-f", "-", given=list(objects))

    async def run(self, pod: str, script: str) -> str:
        """Run a shell script in a pod; returns what it printed."""
        return await asyncio.to_thread(kubectl, "-n", self.name, "exec", pod, "--", "sh", "-c", script)

    async def condition(self, plural: str, name: str, kind: str) -> Manifest:
        """The condition, an empty one while there is none."""
        found = await self.get(plural, name) or {}
        conditions = found.get("status", {}).get("conditions", [])
        return next((item for item in conditions if item["type"] == kind), {"status": "", "reason": ""})

    async def until(self, plural: str, name: str, kind: str, status: str, *, within_s: float = 120) -> Manifest:
        """Wait for a condition of the newest generation; the failure shows the object's conditions."""

        async def holds() -> Manifest:
            found = await self.get(plural, name)
            assert found is not None, f"{plural}/{name} is gone"
            conditions = found.get("status", {}).get("conditions", [])
            condition = next((item for item in conditions if item["type"] == kind), None)
            current = condition is not None and condition.get("observedGeneration") == found["metadata"]["generation"]
            assert condition is not None and current and condition["status"] == status, conditions
            return dict(condition)

        return await eventually(holds, within_s=within_s, every_s=0.2)


SHARED = "e2e-shared"


async def _create_once(api: ApiClient, path: str, body: Manifest) -> None:
    """Create an object unless it is there: workers share some of them."""
    try:
        await api.create(path, body)
    except ClientResponseError as error:
        if error.status != 409:
            raise


BOTH_WIRES = pytest.mark.parametrize("wire", list(Wire))
"""For a test of what the wire may change: it runs once in plaintext, and once with TLS for clients and members."""


@pytest.fixture
def wire() -> Wire:
    """What the ensembles of a test speak; `BOTH_WIRES` takes its place."""
    return Wire.PLAIN


async def _namespace(api: ApiClient, name: str, record_property: Callable[[str, object], None], wire: Wire) -> Space:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    await _create_once(api, "/api/v1/namespaces", manifest)
    # A pod made before its namespace has a default ServiceAccount is refused.
    made = Space(api, name, lambda figure: record_property(FIGURE, figure), wire)
    await eventually(lambda: made.get("serviceaccounts", "default"), within_s=60)
    return made


@pytest.fixture
async def space(kubeconfig: Path, record_property: Callable[[str, object], None], wire: Wire) -> AsyncIterator[Space]:
    name = f"e2e-{secrets.token_hex(4)}"
    async with ApiClient(kubeconfig) as api:
        made = await _namespace(api, name, record_property, wire)
        try:
            yield made
        finally:
            await api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
async def shared(kubeconfig: Path, record_property: Callable[[str, object], None], wire: Wire) -> AsyncIterator[Space]:
    """The namespace of an ensemble of three, `main`, that tests of all workers share; one for each wire.

    A test leaves the ensemble as it is, and what it makes beside it has a name of its own.
    """
    async with ApiClient(kubeconfig) as api:
        name = SHARED if wire is Wire.PLAIN else f"{SHARED}-{wire}"
        made = await _namespace(api, name, record_property, wire)
        await _create_once(api, made.path("zookeeperclusters"), made.cluster(3))
        await made.until("zookeeperclusters", "main", "Ready", "True", within_s=300)
        yield made


def cluster(replicas: int = 3, name: str = "main", **spec: Any) -> Manifest:
    return {
        "apiVersion": "zkoperator.dev/v1alpha1",
        "kind": "ZooKeeperCluster",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "image": IMAGE,
            "resources": SMALL,
            "jvm": QUICK,
            "storage": {"size": "1Gi"},
            **spec,
        },
    }


def sync(path: str, name: str = "shop", **spec: Any) -> Manifest:
    return {
        "apiVersion": "zkoperator.dev/v1alpha1",
        "kind": "ConfigSync",
        "metadata": {"name": name},
        "spec": {"zookeeper": {"clusterRef": {"name": "main"}, "path": path}, **spec},
    }


class Client:
    """kazoo on a cluster's client Service: another implementation than the operator's. It comes in by `door`."""

    def __init__(self, space: Space, name: str = "main", *, secure: bool | None = None) -> None:
        self._ensemble = Ensemble(space, name)
        self._secure = secure
        self._open = AsyncExitStack()

    async def __aenter__(self) -> KazooClient:
        door = await self._open.enter_async_context(self._ensemble.door(secure=self._secure))
        self._kazoo = KazooClient(
            hosts=f"{self._ensemble.service}:{door.port}",
            connection_retry={"max_tries": -1, "delay": 0.1, "max_delay": 1},
            command_retry={"max_tries": 5, "delay": 0.1, "max_delay": 1},
            **door.options,
        )
        await asyncio.to_thread(self._kazoo.start, timeout=60)
        return self._kazoo

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._kazoo.stop)
        await asyncio.to_thread(self._kazoo.close)
        await self._open.aclose()
