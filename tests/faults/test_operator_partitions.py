"""The operator is a host of its own, and single directions of its links are cut by packet filter.

Whatever it could not see meanwhile, it deletes nothing and overwrites nothing; afterwards both sides converge.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.faults.crash import quiet
from tests.support.machines.api_client import Recorder
from tests.support.machines.namespaces import Network
from tests.support.machines.operator import OperatorProcess
from tests.support.models.checkers import check
from tests.support.models.recorded_run import recorded
from tests.support.waiting import eventually
from tests.support.worlds.following import follow
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.site import site as open_site
from tests.support.worlds.sync_user import data_is, edit, ready, znodes_are

Link = tuple[str, str]
TO_ZOOKEEPER, FROM_ZOOKEEPER = ("operator", "zookeeper"), ("zookeeper", "operator")
TO_API, FROM_API = ("operator", "api"), ("api", "operator")
BEFORE = {"color": "red", "gone": "1", "kept": "1"}
AFTER = {"color": "green", "kept": "1", "size": "1"}


@pytest.fixture
def network() -> Iterator[Network]:
    with Network(["operator", "api", "zookeeper"]) as network:
        yield network


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path, network: Network) -> AsyncIterator[Site]:
    async with open_site(api_server, zookeeper, tmp_path, network) as opened:
        yield opened


@contextlib.asynccontextmanager
async def judged(site: Site) -> AsyncIterator[tuple[Plot, OperatorProcess]]:
    """A ConfigSync in both directions; at the end both histories are without a fault, and nothing was deleted."""
    async with (
        follow(site, direction="TwoWay", deletionGuard={"maxKeys": 50, "maxPercent": 100}) as (plot, operator),
        Recorder(site.kube, f"{plot.core}/configmaps") as recorder,
    ):
        await plot.put(gone="1", kept="1")
        await data_is(plot, BEFORE)
        yield plot, operator
        await ready(plot, "InSync", within_s=60)
        await quiet(site)
        assert check(await recorded(plot, recorder, (*BEFORE, *AFTER))) == ()
        assert [event["type"] for event in recorder.of("shop")].count("ADDED") == 1
        assert not [write for write in site.journal.writes if write.verb == "delete"]


async def edit_both(plot: Plot) -> None:
    """A new value and a deletion on ZooKeeper's side, a new key on the other."""
    await plot.put(color="green", gone=None)
    await edit(plot, size="1")


async def cannot_reach_the_api(operator: OperatorProcess) -> None:
    """Wait until the operator has given requests up."""

    def lost() -> bool:
        return 'outcome="lost"' in operator.fetch("/metrics")[1]

    await eventually(lost, within_s=90)


def _rarely(*links: Link) -> object:
    return pytest.param(links, marks=pytest.mark.exhaustive)


@pytest.mark.parametrize("links", [(TO_ZOOKEEPER,), _rarely(FROM_ZOOKEEPER), _rarely(TO_ZOOKEEPER, FROM_ZOOKEEPER)])
async def test_an_operator_that_is_cut_off_from_the_ensemble_says_so_and_changes_nothing(
    site: Site, network: Network, links: tuple[Link, ...]
) -> None:
    async with judged(site) as (plot, operator):
        with network.without(*links):
            await edit_both(plot)
            await ready(plot, "Disconnected", within_s=90)
            assert await plot.data() == BEFORE | {"size": "1"}, "what cannot be seen now is not gone"
            assert operator.fetch("/livez")[0] == 200
        await data_is(plot, AFTER, within_s=90)
        await znodes_are(plot, AFTER, within_s=60)


@pytest.mark.parametrize("links", [(FROM_API,), _rarely(TO_API), _rarely(TO_API, FROM_API)])
async def test_an_operator_that_is_cut_off_from_the_api_server_changes_nothing_and_goes_on_afterwards(
    site: Site, network: Network, links: tuple[Link, ...]
) -> None:
    async with judged(site) as (plot, operator):
        with network.without(*links):
            await edit_both(plot)
            await cannot_reach_the_api(operator)
            assert {"kept": "1", "color": "green"}.items() <= (await plot.znodes()).items()
            assert "kept" in await plot.data()
            assert operator.fetch("/livez")[0] == 200
        await data_is(plot, AFTER, within_s=120)
        await znodes_are(plot, AFTER, within_s=60)


async def test_an_operator_that_sees_nobody_at_all_changes_nothing_and_goes_on_afterwards(
    site: Site, network: Network
) -> None:
    async with judged(site) as (plot, operator):
        with network.without(TO_ZOOKEEPER, FROM_ZOOKEEPER, TO_API, FROM_API):
            writes = len(site.journal.writes)
            await edit_both(plot)
            await cannot_reach_the_api(operator)
            assert len(site.journal.writes) == writes
            assert operator.fetch("/livez")[0] == 200
        await data_is(plot, AFTER, within_s=120)
        await znodes_are(plot, AFTER, within_s=60)
