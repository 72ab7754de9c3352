"""A kubelet for the pods of backup Jobs, beside `kubelets.py`: each runs the real command on what its claims are."""

import asyncio
import os
import sys
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.machines.api_client import Manifest
from tests.support.machines.kubelets import Kubelets
from tests.support.waiting import eventually
from tests.support.worlds.site import Plot
from zkoperator.backup.order import (
    VARIABLE,
    BackupOrder,
    Folder,
    LoginFiles,
    Order,
    VerifyOrder,
    order_from_json,
    order_to_json,
)

LABELS = "app.kubernetes.io/name=zkoperator-backup"


class JobPods:
    """Runs the pods of Jobs until the end of the `async with` block.

    Args:
        plot: Where the pods are.
        kubelets: Who have the members and their volumes.
        store: The directory that is the claim for backups.
    """

    def __init__(self, plot: Plot, kubelets: Kubelets, store: Path) -> None:
        self._plot = plot
        self._kubelets = kubelets
        self._store = store
        self.ran: list[str] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        kube, core = self._plot.site.kube, self._plot.core
        while True:
            for pod in (await kube.get(f"{core}/pods?labelSelector={LABELS}"))["items"]:
                if pod["metadata"]["name"] not in self.ran:
                    self.ran.append(pod["metadata"]["name"])
                    await self._carry_out(pod)
            await asyncio.sleep(0.1)

    async def _carry_out(self, pod: Manifest) -> None:
        (container,) = pod["spec"]["containers"]
        (variable,) = container["env"]
        order = await self._moved(pod, order_from_json(variable["value"]))
        result = self._store.parent / f"{pod['metadata']['name']}.result"
        env = {**os.environ, VARIABLE: order_to_json(order)}
        argv = [sys.executable, "-m", "zkoperator", "backup-job", "--result", str(result)]
        network = self._plot.site.network
        assert network is not None
        result.write_text("")
        work = await asyncio.create_subprocess_exec(*network.command("operator", argv), env=env)
        await self._end(pod, await work.wait(), result.read_text())

    async def _moved(self, pod: Manifest, order: Order) -> Order:
        """The order with the paths of this machine."""
        if isinstance(order.store, Folder):
            order = replace(order, store=Folder(str(self._store)))
        if isinstance(order, VerifyOrder) and order.target is not None:
            disk = await self._disk(pod)
            return replace(order, target=order.target.replace("/data", str(disk), 1))
        return replace(order, source=await self._source(order)) if isinstance(order, BackupOrder) else order

    async def _disk(self, pod: Manifest) -> Path:
        (name,) = [v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"] if v["name"] == "data"]
        claim = await self._plot.site.kube.get(f"{self._plot.core}/persistentvolumeclaims/{name}")
        # A kubelet lets the pod go when its server has ended; these do so a moment later.
        await eventually(lambda: name.removeprefix("data-") not in self._kubelets.hosts)
        return self._kubelets.volume(name.removeprefix("data-"), claim["metadata"]["uid"])

    async def _source(self, order: BackupOrder) -> Any:
        secret = await self._plot.site.kube.get(f"{self._plot.core}/secrets/main-zk-admin")
        login = LoginFiles(str(self._store.parent / "username"), str(self._store.parent / "password"))
        for path, key in ((login.username, "username"), (login.password, "password")):
            Path(path).write_bytes(b64decode(secret["data"][key]))
        return replace(order.source, hosts=tuple(self._kubelets.hosts.values()), login=login)

    async def _end(self, pod: Manifest, code: int, message: str) -> None:
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message}
        container = {"name": "backup", "image": "a", "imageID": "a", "ready": False, "restartCount": 0}
        status = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [{**container, "state": {"terminated": ended}}],
        }
        path = f"{self._plot.core}/pods/{pod['metadata']['name']}/status"
        await self._plot.site.kube.merge(path, {"status": status})
