"""The lease between real processes on a real API server: killed, stopped cleanly, and frozen past its end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from tests.support.waiting import eventually
from tests.support.worlds.kube_contract import client_of
from zkoperator.kube.port import CONFIG_MAPS, LEASES, KubeApi

_ROOT = Path(__file__).resolve().parents[2]


class Contest:
    """Contenders in processes of their own, and what the world shows of them."""

    def __init__(self, server: ApiServer, api: KubeApi, namespace: str) -> None:
        self._server = server
        self._api = api
        self._namespace = namespace
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def join(self, identity: str) -> None:
        command = [sys.executable, "-m", "tests.support.machines.lease_contender"]
        self.processes[identity] = subprocess.Popen(
            [*command, str(self._server.kubeconfig), self._namespace, identity],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": f"{_ROOT / 'operator'}{os.pathsep}{_ROOT}"},
        )

    def send(self, identity: str, number: signal.Signals) -> None:
        self.processes[identity].send_signal(number)

    async def acts(self, identity: str) -> str | None:
        """The number of the contender's last act."""
        found = await self._api.get(CONFIG_MAPS, self._namespace, "acts")
        assert found is not None
        value: str | None = (found.get("data") or {}).get(identity)
        return value

    async def holder(self) -> str:
        lease = await self._api.get(LEASES, self._namespace, "zkoperator")
        return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")

    async def goes_on(self, identity: str) -> None:
        """Return when the contender has acted anew."""
        before = await self.acts(identity)

        async def acted() -> bool:
            return await self.acts(identity) != before

        await eventually(acted, within_s=90)


@pytest.fixture
async def contest(api_server: ApiServer, namespace: str) -> AsyncIterator[Contest]:
    async with client_of(api_server) as api:
        await api.create(CONFIG_MAPS, namespace, {"metadata": {"name": "acts"}})
        found = Contest(api_server, api, namespace)
        yield found
        for process in found.processes.values():
            process.kill()
            process.wait()


async def test_a_standby_acts_after_the_holder_is_killed(contest: Contest) -> None:
    contest.join("a")
    await contest.goes_on("a")
    contest.join("b")
    await asyncio.sleep(2)
    assert await contest.acts("b") is None
    contest.send("a", signal.SIGKILL)
    await contest.goes_on("b")
    assert await contest.holder() == "b"


async def test_a_standby_acts_long_before_the_lease_ends_after_a_clean_stop(contest: Contest) -> None:
    contest.join("a")
    await contest.goes_on("a")
    contest.join("b")
    await asyncio.sleep(3)
    contest.send("a", signal.SIGTERM)
    assert await asyncio.to_thread(contest.processes["a"].wait, 30) == 0
    assert await contest.holder() in {"", "b"}
    await contest.goes_on("b")


async def test_a_holder_that_was_frozen_past_its_lease_does_nothing_when_it_goes_on(contest: Contest) -> None:
    contest.join("a")
    await contest.goes_on("a")
    contest.join("b")
    contest.send("a", signal.SIGSTOP)
    await contest.goes_on("b")
    before = await contest.acts("a")
    contest.send("a", signal.SIGCONT)
    for _ in range(5):
        await contest.goes_on("b")
        await asyncio.sleep(0.5)
    assert await contest.acts("a") == before
    assert await contest.holder() == "b"
