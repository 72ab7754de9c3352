"""The operator's process is stopped, stormed, doubled and ended, while a ConfigSync is followed."""

import asyncio
import signal

import pytest

from tests.support.faults.crash import LONG_QUIET_S, QUIET_S, kept, quiet, unexpected, znode_counts
from tests.support.faults.proxies.journal import Phase, Trap
from tests.support.machines.api_client import Recorder
from tests.support.models.checkers import check
from tests.support.models.recorded_run import recorded
from tests.support.models.zk_log import CLOSE_SESSION, read_log
from tests.support.waiting import eventually
from tests.support.worlds.following import Following
from tests.support.worlds.site import Site
from tests.support.worlds.sync_user import data_is, edit, ready, znodes_are

TWO_WAY = {"direction": "TwoWay"}


async def test_an_operator_that_slept_past_its_session_reads_again_before_it_writes(
    site: Site, following: Following
) -> None:
    async with following(**TWO_WAY) as (plot, operator):
        operator.signal(signal.SIGSTOP)
        await plot.put(color="green")
        await edit(plot, size="1")
        await eventually(lambda: _expired(site), within_s=60, every_s=0.5)
        operator.signal(signal.SIGCONT)
        await data_is(plot, {"color": "green", "size": "1"}, within_s=60)
        await znodes_are(plot, {"color": "green", "size": "1"})


async def _expired(site: Site) -> bool:
    """Whether the server has ended every session that the operator ever had."""
    log = await asyncio.to_thread(read_log, site.data_directory)
    return site.zk_proxy.sessions.keys() <= {one.session for one in log if one.type == CLOSE_SESSION}


async def _storm(site: Site, following: Following, kills: int, quiet_s: float) -> None:
    async with following(**TWO_WAY) as (plot, operator):
        async with kept(operator) as keeper:
            for number in range(kills):
                await plot.put(color=f"green-{number}")
                await asyncio.sleep(0.2 + 0.6 * (number % 7) / 6)
                operator.kill()
            await data_is(plot, {"color": f"green-{kills - 1}"}, within_s=90)
            await quiet(site, for_s=quiet_s)
            assert keeper.starts > 1
            operator.kill()
        operator.start()


async def test_a_storm_of_restarts_ends_in_the_right_state_and_silence(site: Site, following: Following) -> None:
    await _storm(site, following, 12, QUIET_S)


@pytest.mark.exhaustive
async def test_two_minutes_of_restarts_end_in_the_right_state_and_silence(site: Site, following: Following) -> None:
    await _storm(site, following, 240, LONG_QUIET_S)


async def _doubled(site: Site, following: Following, rounds: int, quiet_s: float) -> None:
    async with following(**TWO_WAY) as (plot, _), Recorder(site.kube, f"{plot.core}/configmaps") as recorder:
        with site.operator(plot.settings) as other:
            await other.ready(within_s=90)
            for number in range(rounds):
                await plot.put(color=f"green-{number}")
                await edit(plot, size=str(number))
            expected = {"color": f"green-{rounds - 1}", "size": str(rounds - 1)}
            await data_is(plot, expected, within_s=60)
            await znodes_are(plot, expected, within_s=60)
            await ready(plot, "InSync")
            await quiet(site, for_s=quiet_s)
            assert unexpected(other.log.read_text()) is None
        assert check(await recorded(plot, recorder, ("color", "size"))) == ()
        births = await znode_counts(plot)
        assert {f"{plot.root}/color", f"{plot.root}/size"} < births.keys()
        assert set(births.values()) == {(1, 0)}, births
        assert [event["type"] for event in recorder.of("shop")].count("ADDED") == 1
        assert "DELETED" not in [event["type"] for event in recorder.of("shop")]


async def test_two_operators_without_a_lease_lose_and_double_nothing(site: Site, following: Following) -> None:
    await _doubled(site, following, 8, QUIET_S)


@pytest.mark.exhaustive
async def test_two_operators_without_a_lease_lose_and_double_nothing_for_long(site: Site, following: Following) -> None:
    await _doubled(site, following, 200, LONG_QUIET_S)


async def test_of_two_operators_one_acts_and_a_sleeper_does_no_harm(site: Site, following: Following) -> None:
    """The holder is stopped past its lease; the other takes over, and the sleeper wakes up to an end of its own."""
    async with site.plot() as plot:
        lease = plot.settings | {"ZKOPERATOR_LEASE": "true", "ZKOPERATOR_NAMESPACE": plot.namespace}
        await plot.put(color="red")
        await plot.sync(**TWO_WAY)
        replicas = {name: site.operator(lease | {"ZKOPERATOR_IDENTITY": name}) for name in ("first", "second")}
        with replicas["first"], replicas["second"]:
            await data_is(plot, {"color": "red"}, within_s=60)
            holder = await eventually(lambda: _holder(plot.namespace, site), within_s=30)
            standby = next(name for name in replicas if name != holder)
            replicas[holder].signal(signal.SIGSTOP)
            await plot.put(color="green")
            await data_is(plot, {"color": "green"}, within_s=90)
            assert await _holder(plot.namespace, site) == standby
            await edit(plot, color="blue")
            await znodes_are(plot, {"color": "blue"})
            replicas[holder].signal(signal.SIGCONT)
            await eventually(lambda: replicas[holder].exit_code is not None, within_s=60)
            await data_is(plot, {"color": "blue"})
            await znodes_are(plot, {"color": "blue"})
            assert replicas[standby].exit_code is None


async def _holder(namespace: str, site: Site) -> str:
    """The replica that the Lease names, without what makes its identity unique."""
    lease = await site.kube.find(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/zkoperator")
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "").rpartition("_")[0]


@pytest.mark.parametrize(
    ("number", "phase"),
    [
        (1, Phase.AFTER),
        (3, Phase.BEFORE),
        pytest.param(1, Phase.BEFORE, marks=pytest.mark.exhaustive),
        pytest.param(2, Phase.AFTER, marks=pytest.mark.exhaustive),
        pytest.param(2, Phase.BEFORE, marks=pytest.mark.exhaustive),
        pytest.param(3, Phase.AFTER, marks=pytest.mark.exhaustive),
    ],
)
async def test_a_clean_stop_at_a_write_ends_in_time_and_leaves_no_half_work(
    site: Site, number: int, phase: Phase
) -> None:
    site.journal.start_over()
    async with site.plot() as plot:
        await plot.put(color="red")
        await plot.sync()
        operator = site.operator(plot.settings)
        site.journal.set_trap(Trap(number, phase, lambda: operator.signal(signal.SIGTERM)))
        with operator:
            await eventually(lambda: site.journal.sprung, within_s=60)
            await eventually(lambda: operator.exit_code is not None, within_s=30)
            assert operator.exit_code == 0, operator.tail()
            operator.start()
            await data_is(plot, {"color": "red"}, within_s=60)
            await ready(plot, "InSync")
