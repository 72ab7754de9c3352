"""How long nobody acts when the acting replica is killed, is stopped, or is stopped in the middle of a write.

The figures are printed; what is asserted are limits that a busy machine keeps too, and that a clean stop is the quicker
way.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable

from tests.support.faults.proxies.rules import Hold, Kube, Nth, Rule
from tests.support.machines.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.worlds.replicas import holder, leased
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.sync_user import data_is

LIMIT_S = 90.0


class Pair:
    """Two replicas with a Lease, and a subtree that the acting one follows."""

    def __init__(self, plot: Plot) -> None:
        self.plot = plot
        self.replicas = {name: plot.site.operator(leased(plot, name)) for name in ("first", "second")}

    async def acting(self) -> str:
        """The one that holds the Lease, with the other one at hand."""
        name = await eventually(lambda: holder(self.plot), within_s=LIMIT_S)
        other = next(replica for other, replica in self.replicas.items() if other != name)
        await other.ready(within_s=LIMIT_S)
        return name

    async def taken_over_s(self, end: Callable[[OperatorProcess], None], value: str) -> tuple[float, float]:
        """End the acting replica; return the seconds until the Lease is another one's, and until a change arrives."""
        gone = await self.acting()
        began_s = time.monotonic()
        end(self.replicas[gone])
        await self.plot.put(color=value)

        async def another() -> bool:
            return await holder(self.plot) not in ("", gone)

        await eventually(another, within_s=LIMIT_S)
        held_s = time.monotonic() - began_s
        await data_is(self.plot, {"color": value}, within_s=LIMIT_S)
        return held_s, time.monotonic() - began_s

    async def restore(self) -> None:
        """Start the replica that has ended again."""
        for replica in self.replicas.values():
            if replica.exit_code is not None:
                await replica.start().ready(within_s=LIMIT_S)


@contextlib.asynccontextmanager
async def pair(site: Site) -> AsyncIterator[Pair]:
    async with site.plot() as plot:
        await plot.put(color="red")
        await plot.sync(direction="TwoWay")
        made = Pair(plot)
        with made.replicas["first"], made.replicas["second"]:
            await data_is(plot, {"color": "red"}, within_s=LIMIT_S)
            yield made


def killed(operator: OperatorProcess) -> None:
    operator.signal(signal.SIGKILL)


def stopped(operator: OperatorProcess) -> None:
    operator.signal(signal.SIGTERM)


async def test_a_standby_takes_over_from_a_killed_and_sooner_from_a_stopped_holder(site: Site) -> None:
    async with pair(site) as replicas:
        by_kill = await replicas.taken_over_s(killed, "green")
        await replicas.restore()
        by_stop = await replicas.taken_over_s(stopped, "blue")
        _print("killed", by_kill)
        _print("stopped while idle", by_stop)
        assert by_stop[0] < by_kill[0]


async def test_a_stop_in_the_middle_of_a_write_frees_the_lease_before_the_write_is_answered(site: Site) -> None:
    async with pair(site) as replicas:
        await replicas.acting()
        held = Rule(Kube(verb="patch|apply", resource="configmaps"), Hold("write"), Nth(1))
        site.kube_proxy.rules.add(held)
        await replicas.plot.put(color="green")
        await eventually(lambda: site.kube_proxy.gates.waiting("write") == 1, within_s=LIMIT_S)
        times = await replicas.taken_over_s(stopped, "blue")
        _print("stopped with a write under way", times)
        # The write of the one that is gone arrives now, over a version that is no more.
        site.kube_proxy.gates.release("write")
        await asyncio.sleep(1)
        assert await replicas.plot.data() == {"color": "blue"}
        assert await replicas.plot.znodes() == {"color": "blue"}


def _print(what: str, times: tuple[float, float]) -> None:
    print(f"take-over: {what}: Lease after {times[0]:.1f} s, a change arrived after {times[1]:.1f} s")
