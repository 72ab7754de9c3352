"""Writers on both sides of one ConfigSync while the way between is hostile; both histories are checked afterwards.

ZooKeeper's history is read from its transaction log, the ConfigMap's from a watch that sees every version. Values are
unique tokens, so that each names the write that made it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from tests.support.faults.crash import LONG_QUIET_S, kept, quiet
from tests.support.machines.api_client import Recorder
from tests.support.machines.operator import OperatorProcess
from tests.support.models.checkers import ONE_WAY, TWO_WAY, Check, check, l1_silence
from tests.support.models.histories import OPERATOR
from tests.support.models.recorded_run import recorded
from tests.support.waiting import eventually
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.sync_user import data_is
from zkoperator.mirror.settings import MirrorSettings

ZK_KEYS = ("z0", "z1", "z2")
CM_KEYS = ("c0", "c1", "c2")
SHARED = ("s0", "s1")
_LAST_NUMBERS_S = MirrorSettings().status_lag_s + 1.5
"""The numbers of a status may follow its conditions after so long."""


async def write_znodes(plot: Plot, keys: Sequence[str], dice: random.Random, stop: asyncio.Event) -> None:
    """Create, set over the version just read, and delete, one znode after the other."""
    number = 0
    while not stop.is_set():
        number += 1
        path = f"{plot.root}/{dice.choice(keys)}"
        token = f"zk:{number}".encode()
        try:
            stat = await plot.site.ask("exists", path)
            if stat is None:
                await plot.site.ask("create", path, token)
            elif dice.random() < 0.1:
                await plot.site.ask("delete", path, version=stat.version)
            else:
                await plot.site.ask("set", path, token, version=stat.version)
        except (BadVersionError, NoNodeError, NodeExistsError):
            continue
        await asyncio.sleep(dice.uniform(0, 0.08))


async def write_config_map(plot: Plot, keys: Sequence[str], dice: random.Random, stop: asyncio.Event) -> None:
    """Read, edit one to three keys, and replace under the resourceVersion that was read."""
    number = 0
    while not stop.is_set():
        config_map = await plot.config_map()
        if config_map is None:
            await asyncio.sleep(0.1)
            continue
        data = config_map.setdefault("data", {})
        for key in dice.sample(keys, dice.randint(1, min(len(keys), 3))):
            number += 1
            data[key] = f"cm:{number}"
        if dice.random() < 0.1:
            data.pop(dice.choice(keys), None)
        try:
            await plot.site.kube.replace(f"{plot.core}/configmaps/shop", config_map)
        except aiohttp.ClientResponseError as error:
            if error.status not in (404, 409):
                raise
        await asyncio.sleep(dice.uniform(0, 0.08))


async def disturb(site: Site, operator: OperatorProcess, dice: random.Random, stop: asyncio.Event) -> None:
    """Now and then cut, expire or kill something on the operator's ways."""
    while not stop.is_set():
        await asyncio.sleep(dice.uniform(0.3, 1.2))
        match dice.randrange(5):
            case 0:
                site.kube_proxy.cut()
            case 1:
                site.zk_proxy.cut()
            case 2:
                for session in tuple(site.zk_proxy.sessions)[-1:]:
                    await site.zk_proxy.kill_session(session)
            case 3:
                await site.zk_proxy.down()
                await asyncio.sleep(0.3)
                await site.zk_proxy.up()
            case 4:
                operator.kill()


@asynccontextmanager
async def disturbed(
    site: Site, seed: int, seconds: float, zk_keys: Sequence[str], cm_keys: Sequence[str], direction: str
) -> AsyncIterator[tuple[Plot, Recorder]]:
    """A ConfigSync under writers and faults for a while; what follows in the block happens in quiet."""
    dice = random.Random(seed)
    site.journal.start_over()
    async with site.plot() as plot:
        await plot.put(base="zk:0")
        async with Recorder(site.kube, f"{plot.core}/configmaps") as recorder:
            await plot.sync(direction=direction, deletionGuard={"maxKeys": 1000, "maxPercent": 100})
            operator = site.operator(plot.settings)
            async with kept(operator):
                await data_is(plot, {"base": "zk:0"}, within_s=60)
                stop = asyncio.Event()
                tasks = [asyncio.create_task(write_znodes(plot, zk_keys, dice, stop))]
                if cm_keys:
                    tasks.append(asyncio.create_task(write_config_map(plot, cm_keys, dice, stop)))
                tasks.append(asyncio.create_task(disturb(site, operator, dice, stop)))
                await asyncio.sleep(seconds)
                stop.set()
                await asyncio.gather(*tasks)
                yield plot, recorder


async def settled(site: Site, plot: Plot, quiet_s: float = _LAST_NUMBERS_S) -> None:
    """Both sides are equal and nobody writes any more, though the operator is there and connected."""
    await plot.put(base="zk:last")

    async def equal() -> bool:
        data, znodes = await plot.data(), await plot.znodes()
        data.pop("__root", None)
        assert data == znodes, (data, znodes)
        assert data["base"] == "zk:last"
        return True

    await eventually(equal, within_s=90)
    await quiet(site, for_s=quiet_s)


async def assert_clean(
    site: Site, plot: Plot, recorder: Recorder, checks: tuple[Check, ...], losers: frozenset[tuple[str, bytes]]
) -> None:
    counts = []
    for _ in range(3):
        counts.append(len(site.journal.writes))
        await asyncio.sleep(0.5)
    run = await recorded(plot, recorder, (*ZK_KEYS, *CM_KEYS, *SHARED, "base"), losers)
    assert {commit.author == OPERATOR for commit in run.zookeeper + run.config_map} == {True, False}
    assert check(run, checks) == ()
    assert list(l1_silence(counts)) == [], site.journal.writes[counts[0] :]


@pytest.mark.parametrize("seed", [1])
async def test_a_pulled_config_map_is_always_a_state_that_existed(site: Site, seed: int) -> None:
    async with disturbed(site, seed, 8, (*ZK_KEYS, *SHARED), (), "ZooKeeperToConfigMap") as (plot, recorder):
        await settled(site, plot)
        await assert_clean(site, plot, recorder, ONE_WAY, frozenset())


@pytest.mark.parametrize("seed", [2])
async def test_no_write_of_either_side_is_lost_when_each_has_its_own_keys(site: Site, seed: int) -> None:
    async with disturbed(site, seed, 10, ZK_KEYS, CM_KEYS, "TwoWay") as (plot, recorder):
        await settled(site, plot)
        await assert_clean(site, plot, recorder, TWO_WAY, frozenset())


async def _settle_conflicts(site: Site, plot: Plot) -> frozenset[tuple[str, bytes]]:
    """Settle what is held in favour of ZooKeeper; returns the values that lost, which the ConfigMap kept until then."""
    losers: set[tuple[str, bytes]] = set()

    async def settled_for_good() -> bool:
        sync = await site.kube.get(f"{plot.custom}/configsyncs/shop")
        status = sync.get("status") or {}
        data = await plot.data()
        conflicts = [conflict["key"] for conflict in status.get("conflicts") or ()]
        losers.update((key, data[key].encode()) for key in conflicts if key in data)
        if conflicts:
            resolution = ",".join(f"{key}=zookeeper" for key in conflicts)
            await plot.edit_sync({"metadata": {"annotations": {"zkoperator.dev/resolve": resolution}}})
        data.pop("__root", None)
        return not conflicts and data == await plot.znodes()

    await eventually(settled_for_good, within_s=90, every_s=0.5)
    return frozenset(losers)


@pytest.mark.parametrize("seed", [3])
async def test_no_write_is_lost_silently_when_both_sides_edit_the_same_keys(site: Site, seed: int) -> None:
    async with disturbed(site, seed, 10, (*ZK_KEYS, *SHARED), (*CM_KEYS, *SHARED), "TwoWay") as (plot, recorder):
        losers = await _settle_conflicts(site, plot)
        await settled(site, plot)
        await assert_clean(site, plot, recorder, TWO_WAY, losers)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(10, 30))
async def test_no_write_is_lost_silently_for_minutes(site: Site, seed: int) -> None:
    async with disturbed(site, seed, 60, (*ZK_KEYS, *SHARED), (*CM_KEYS, *SHARED), "TwoWay") as (plot, recorder):
        losers = await _settle_conflicts(site, plot)
        await settled(site, plot, LONG_QUIET_S)
        await assert_clean(site, plot, recorder, TWO_WAY, losers)
