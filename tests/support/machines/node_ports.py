"""Ports of a node for an API server without nodes: each connection is led to a ready pod of its Service.

The node is the hub of the network. As with kube-proxy, a pod is chosen when a connection is opened, and a port is open
for as long as a Service of type NodePort has it.
"""

import asyncio
import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.support.machines.api_client import Manifest
from tests.support.worlds.site import Plot

_DIAL_S = 5.0


class NodePorts:
    """Serves the ports of a plot's Services until the end of the `async with` block."""

    def __init__(self, plot: Plot) -> None:
        self._plot = plot
        self._doors: dict[int, _Door] = {}

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for door in self._doors.values():
            door.close()

    @property
    def open(self) -> frozenset[int]:
        """The ports that are open now."""
        return frozenset(self._doors)

    async def _run(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(0.1)

    async def _look(self) -> None:
        services = (await self._plot.site.kube.get(f"{self._plot.core}/services"))["items"]
        wanted = {
            port["nodePort"]: (service, port["targetPort"])
            for service in services
            for port in service["spec"]["ports"]
            if "nodePort" in port
        }
        for number in self._doors.keys() - wanted.keys():
            self._doors.pop(number).close()
        for number, (service, target) in wanted.items():
            if number not in self._doors:
                self._doors[number] = await asyncio.to_thread(self._door, number)
            self._doors[number].targets = [(address, target) for address in await self._ready(service)]

    def _door(self, number: int) -> "_Door":
        assert self._plot.site.network is not None, "a node needs a network"
        with self._plot.site.network.on_hub():  # its threads stay where they were started
            return _Door(number)

    async def _ready(self, service: Manifest) -> list[str]:
        selector = ",".join(f"{key}={value}" for key, value in service["spec"].get("selector", {}).items())
        pods = (await self._plot.site.kube.get(f"{self._plot.core}/pods?labelSelector={quote(selector)}"))["items"]
        return [pod["status"]["podIP"] for pod in pods if selector and _is_ready(pod)]


def _is_ready(pod: Manifest) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


class _Door:
    """One port, and the connections through it. Made in the namespace in which it listens and dials."""

    def __init__(self, number: int) -> None:
        self.targets: list[tuple[str, int]] = []
        self._lines: list[socket.socket] = []
        self._listener = socket.create_server(("0.0.0.0", number))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for line in (self._listener, *self._lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._lead(client)

    def _lead(self, client: socket.socket) -> None:
        try:
            member = socket.create_connection(self.targets[0], _DIAL_S)
        except (IndexError, OSError):
            client.close()
            return
        member.settimeout(None)
        self._lines += [client, member]
        for source, target in ((client, member), (member, client)):
            threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for line in (source, target):
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
