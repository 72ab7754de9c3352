"""SIGTERM in the middle of anything ends the operator with 0 within the grace period of its pod."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from tests.support.faults.proxies.credentials import Upstream
from tests.support.faults.proxies.kube import KubeProxy
from tests.support.faults.proxies.rules import Delay, Hold, Kube, Rule, Zk
from tests.support.machines.operator import OperatorProcess
from tests.support.machines.testbed import ApiServerFactory
from tests.support.waiting import eventually
from tests.support.worlds.following import Following
from tests.support.worlds.replicas import holder, leased
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.sync_user import data_is

GRACE_S = 30.0
"""terminationGracePeriodSeconds of the Deployment."""


async def stops(operator: OperatorProcess) -> None:
    code = await asyncio.to_thread(operator.stop, within_s=GRACE_S)
    assert code == 0, operator.tail()


def catches_sigterm(pid: int) -> bool:
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


async def test_while_it_is_still_being_loaded(site: Site) -> None:
    async with site.plot() as plot:
        for pause_s in (0.0, 0.2, 0.5):
            with site.operator(plot.settings) as operator:
                await eventually(partial(catches_sigterm, operator.pid), every_s=0.002)
                await asyncio.sleep(pause_s)
                await stops(operator)


async def test_while_it_stands_by(site: Site) -> None:
    async with site.plot() as plot:
        with site.operator(leased(plot, "first")) as first, site.operator(leased(plot, "second")) as second:
            named = {"first": first, "second": second}
            leader = await eventually(lambda: holder(plot), within_s=60)
            standby = named[next(name for name in named if name != leader)]
            await standby.ready()
            await stops(standby)
            assert await holder(plot) == leader
            assert named[leader].exit_code is None


async def test_before_the_definitions_are_installed(api_servers: ApiServerFactory, tmp_path: Path) -> None:
    server = await asyncio.to_thread(api_servers)
    with OperatorProcess(server.kubeconfig, tmp_path / "operator.log") as operator:
        await eventually(lambda: "python -m zkoperator crds | kubectl apply" in operator.log.read_text(), within_s=90)
        await stops(operator)


async def test_in_the_middle_of_reading_a_large_subtree(site: Site) -> None:
    async with site.plot() as plot:
        for start in range(0, 3000, 500):
            await plot.put(**{f"k{number}": "1" for number in range(start, start + 500)})
        await plot.sync()
        half = Rule(Zk(op="get", path=f"{plot.root}/k25*"), Delay(0.2, reply=True))
        with site.zk_proxy.rules.active(half), site.operator(plot.settings) as operator:
            await eventually(lambda: site.zk_proxy.rules.fired(half) > 3, within_s=90)
            await stops(operator)
        assert await plot.config_map() is None, "half of a subtree is nothing to write"
        with site.operator(plot.settings):
            await eventually(lambda: _has(plot, 3000), within_s=120)


async def _has(plot: Plot, number: int) -> bool:
    return len(await plot.data()) == number


async def test_while_the_ensemble_hangs(site: Site, following: Following) -> None:
    async with _ended(following) as (plot, operator):
        site.zk_proxy.freeze()
        try:
            await plot.put(color="green")
            await stops(operator)
        finally:
            site.zk_proxy.thaw()


async def test_while_the_api_server_hangs(site: Site, following: Following) -> None:
    async with _ended(following) as (plot, operator):
        hanging = Rule(Kube(), Hold("api"))
        with site.kube_proxy.rules.active(hanging):
            await plot.put(color="green")
            await eventually(lambda: site.kube_proxy.gates.waiting("api") > 0, within_s=30)
            await stops(operator)
            site.kube_proxy.gates.release("api")


async def test_while_the_api_server_hangs_from_the_start(api_servers: ApiServerFactory, tmp_path: Path) -> None:
    server = await asyncio.to_thread(api_servers)
    async with KubeProxy(Upstream.from_kubeconfig(server.kubeconfig)) as proxy:
        kubeconfig = proxy.write_kubeconfig(tmp_path / "proxy.kubeconfig")
        for lease in ("true", "false"):
            settings, log = {"ZKOPERATOR_LEASE": lease}, tmp_path / f"operator-{lease}.log"
            # What is held of the first operator is held for good.
            hanging = Rule(Kube(), Hold(lease))
            with proxy.rules.active(hanging), OperatorProcess(kubeconfig, log, settings) as operator:
                await eventually(partial(proxy.rules.fired, hanging), within_s=60)
                await stops(operator)


@contextlib.asynccontextmanager
async def _ended(following: Following) -> AsyncIterator[tuple[Plot, OperatorProcess]]:
    """An operator that follows a subtree, ends in the test, and finds everything as it was when it comes back."""
    async with following(direction="TwoWay") as (plot, operator):
        yield plot, operator
        operator.start()
        await data_is(plot, {"color": "green"}, within_s=90)
