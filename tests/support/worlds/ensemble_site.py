"""An operator of the test's own for one namespace of a whole cluster, behind proxies that see each of its writes.

The operator dials members by the addresses of their pods. Its packets are told from all others by the group of its
process, and led to a proxy that learns from the kernel where they were to go.
"""

import asyncio
import contextlib
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from testbed.processes import run
from tests.support.faults.proxies.credentials import Upstream
from tests.support.faults.proxies.journal import Journal, Phase, Trap, Write
from tests.support.faults.proxies.kube import KubeProxy
from tests.support.faults.proxies.zk import ZkProxy
from tests.support.machines.api_client import Recorder
from tests.support.machines.operator import OperatorProcess
from tests.support.models.end_states import births_and_deaths
from tests.support.worlds.ensemble_story import Place

_CLIENT_PORT = 2181
_ORIGINAL_DESTINATION = 80
"""SO_ORIGINAL_DST of linux/netfilter_ipv4.h: a sockaddr_in."""
_DIAL_S = 3.0
CHILDREN = (
    "pods",
    "persistentvolumeclaims",
    "statefulsets",
    "services",
    "configmaps",
    "secrets",
    "poddisruptionbudgets",
    "networkpolicies",
)


class RedirectingProxy(ZkProxy):
    """Stands before every member at once, for processes of one group."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("unused:0", journal=journal)

    def enlisted(self, argv: Sequence[str]) -> list[str]:
        """The command line of a process whose connections to members come here."""
        return ["setpriv", f"--regid={self._group}", "--clear-groups", "--", *argv]

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await asyncio.to_thread(self._filter, "-I")
        return self

    async def __aexit__(self, *failure: object) -> None:
        await asyncio.to_thread(self._filter, "-D")
        await super().__aexit__(*failure)

    @property
    def _group(self) -> int:
        """As unique as the port."""
        return self._port

    def _filter(self, action: str) -> None:
        ours = ["-p", "tcp", "-m", "owner", "--gid-owner", str(self._group), "--dport", str(_CLIENT_PORT)]
        run("iptables", "-w", "-t", "nat", action, "OUTPUT", *ours, "-j", "REDIRECT", "--to-ports", str(self._port))

    async def _dial(self, client: asyncio.StreamWriter) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        line = client.get_extra_info("socket")
        port, address = struct.unpack("!2xH4s8x", line.getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, 16))
        async with asyncio.timeout(_DIAL_S):  # the address of a pod that is gone answers nothing
            return await asyncio.open_connection(socket.inet_ntoa(address), port)


class Killer:
    """Kills an operator at chosen writes, one after another."""

    def __init__(self, journal: Journal, operator: OperatorProcess) -> None:
        self._journal = journal
        self._operator = operator
        self.kills: list[str] = []

    def arm(self, *points: tuple[int, Phase]) -> None:
        """Count writes from 1 again, and kill at each of these."""
        self._journal.start_over()
        self._next(points)

    def _next(self, points: Sequence[tuple[int, Phase]]) -> None:
        if points:
            (number, phase), *later = points
            self._journal.set_trap(Trap(number, phase, lambda: self._spring(phase, later)))

    def _spring(self, phase: Phase, later: Sequence[tuple[int, Phase]]) -> None:
        self._operator.kill()
        self.kills.append(f"{phase} {self._journal.sprung}")
        self._next(later)


@dataclass(frozen=True)
class EnsembleSite:
    """One namespace, the proxies, and an operator that is not started yet."""

    space: Place
    kube_proxy: KubeProxy
    zk_proxy: RedirectingProxy
    journal: Journal
    operator: OperatorProcess

    @property
    def writes(self) -> tuple[Write, ...]:
        """What the operator wrote since the journal was started over."""
        return self.journal.writes


def operator_of(space: Place, kubeconfig: Path, directory: Path, **wrapping: Any) -> OperatorProcess:
    """An operator for one namespace, without a lease; its log is a file of its own."""
    log = directory / f"operator-{secrets.token_hex(4)}.log"
    return OperatorProcess(kubeconfig, log, {"ZKOPERATOR_NAMESPACES": space.name}, **wrapping)


@contextlib.asynccontextmanager
async def behind_proxies(space: Place, kubeconfig: Path, directory: Path) -> AsyncIterator[EnsembleSite]:
    """Proxies to the API server and to all members, and the operator that they are for."""
    journal = Journal()
    async with (
        KubeProxy(Upstream.from_kubeconfig(kubeconfig), journal=journal) as kube_proxy,
        RedirectingProxy(journal) as zk_proxy,
    ):
        own = kube_proxy.write_kubeconfig(directory / "proxy.kubeconfig")
        operator = operator_of(space, own, directory, wrapped=zk_proxy.enlisted)
        yield EnsembleSite(space, kube_proxy, zk_proxy, journal, operator)


class Lives:
    """How often each object of a namespace came into being and ended, from now on."""

    def __init__(self, space: Place, collections: Iterable[str] = CHILDREN) -> None:
        self._recorders = {plural: Recorder(space.api, space.path(plural)) for plural in collections}

    async def __aenter__(self) -> Self:
        self._stack = contextlib.AsyncExitStack()
        for recorder in self._recorders.values():
            await self._stack.enter_async_context(recorder)
        return self

    async def __aexit__(self, *failure: Any) -> None:
        await self._stack.aclose()

    def counted(self) -> dict[str, tuple[int, int]]:
        """`(births, deaths)` by `plural/name`."""
        return births_and_deaths(
            (f"{plural}/{event['object']['metadata']['name']}", event["type"] != "DELETED")
            for plural, recorder in self._recorders.items()
            for event in recorder.events
        )
