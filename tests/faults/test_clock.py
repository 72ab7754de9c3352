"""Wall clocks that are wrong and jump: the operator's, a lease holder's, a server's. Nothing is decided by them."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble, Member, ZooKeeperServer
from tests.support.faults import faketime
from tests.support.faults.crash import quiet
from tests.support.machines.api_client import Manifest
from tests.support.waiting import eventually
from tests.support.worlds.following import Following, follow
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.site import site as open_site
from tests.support.worlds.sync_user import data_is, edit, ready, znodes_are

OFFSETS = ("+3600", "-3600", "+0", "+86400")


async def both_ways(plot: Plot, number: int) -> None:
    await plot.put(color=f"green-{number}")
    await data_is(plot, {"color": f"green-{number}"} | ({"size": str(number - 1)} if number else {}))
    await edit(plot, size=str(number))
    await znodes_are(plot, {"color": f"green-{number}", "size": str(number)})


async def test_an_operator_whose_clock_is_an_hour_wrong_works_all_the_same(
    site: Site, following: Following, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+3600\n")
    async with following(faketime.settings(clock), direction="TwoWay") as (plot, _):
        for number, offset in enumerate(OFFSETS):
            clock.write_text(f"{offset}\n")
            await both_ways(plot, number)
        await ready(plot, "InSync")
        await quiet(site)
        sync = await site.kube.get(f"{plot.custom}/configsyncs/shop")
        assert sync["status"]["lastSyncTime"] > sync["metadata"]["creationTimestamp"], "the clock was not wrong at all"


@pytest.mark.parametrize(
    "offsets",
    [
        ("+3600", "-3600"),
        *(pytest.param(pair, marks=pytest.mark.exhaustive) for pair in (("-3600", "+3600"), ("+86400", "+0"))),
    ],
)
async def test_a_lease_is_neither_lost_nor_taken_by_a_clock_that_jumps(
    site: Site, tmp_path: Path, offsets: tuple[str, str]
) -> None:
    clocks = {name: tmp_path / name for name in ("first", "second")}
    for clock in clocks.values():
        clock.write_text("+0\n")
    async with site.plot() as plot:
        lease = plot.settings | {"ZKOPERATOR_LEASE": "true", "ZKOPERATOR_NAMESPACE": plot.namespace}
        await plot.put(color="red")
        await plot.sync(direction="TwoWay")
        replicas = {
            name: site.operator(lease | {"ZKOPERATOR_IDENTITY": name} | faketime.settings(clock))
            for name, clock in clocks.items()
        }
        with replicas["first"], replicas["second"]:
            await data_is(plot, {"color": "red"}, within_s=90)
            before = await _lease(plot)
            for clock, offset in zip(clocks.values(), offsets, strict=True):
                clock.write_text(f"{offset}\n")
            renewed = before["renewTime"]
            # Twice as long as a lease lasts: who is fooled by a clock takes over within that time.
            until = asyncio.get_running_loop().time() + 2 * float(before["leaseDurationSeconds"])
            while asyncio.get_running_loop().time() < until:
                now = await _lease(plot)
                assert now["holderIdentity"] == before["holderIdentity"]
                assert now.get("leaseTransitions") == before.get("leaseTransitions")
                await asyncio.sleep(0.5)
            assert (await _lease(plot))["renewTime"] != renewed, "the holder has stopped renewing"
            await plot.put(color="green")
            await data_is(plot, {"color": "green"})
            assert [replica.exit_code for replica in replicas.values()] == [None, None]


async def _lease(plot: Plot) -> Manifest:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{plot.namespace}/leases/zkoperator"
    found = await eventually(lambda: plot.site.kube.find(path))
    spec: Manifest = found["spec"]
    return spec


class _Unpunctual(ZooKeeperServer):
    """A server whose wall clock a file decides."""

    def _argv(self) -> list[str | Path]:
        settings: Mapping[str, str] = faketime.settings(self.directory / "clock")
        (self.directory / "clock").write_text("+0\n")
        return ["env", *(f"{name}={value}" for name, value in settings.items()), *super()._argv()]


class _UnpunctualEnsemble(Ensemble):
    def _server(self, member: Member, lines: Sequence[str]) -> ZooKeeperServer:
        return _Unpunctual(self._directory / str(member.myid), member, lines)


async def test_a_server_whose_clock_jumps_expires_no_session_and_misleads_nobody(
    api_server: ApiServer, tmp_path: Path
) -> None:
    with _UnpunctualEnsemble(1) as ensemble:
        await asyncio.to_thread(ensemble.start)
        clock = ensemble.servers[0].directory / "clock"
        async with open_site(api_server, ensemble, tmp_path) as site, follow(site, direction="TwoWay") as (plot, _):
            sessions = dict(site.zk_proxy.sessions)
            for number, offset in enumerate(OFFSETS):
                clock.write_text(f"{offset}\n")
                await both_ways(plot, number)
            stat = await site.ask("exists", f"{plot.root}/size")
            root = await site.ask("exists", plot.root)
            assert stat.mtime - root.ctime > 3_600_000, "the clock was not wrong at all"
            assert site.zk_proxy.sessions == sessions, "a session was lost"
            await ready(plot, "InSync")
            await quiet(site)
