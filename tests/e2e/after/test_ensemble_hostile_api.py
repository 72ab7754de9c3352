"""A hostile API server while an ensemble of a whole cluster grows and shrinks, with a writer.

Storms of conflicts, an outage, stale lists and lost events: the operator stays the same process, takes no step that
takes something away from what it does not know, and needs no hand to clean up after it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.e2e.conftest import cluster
from tests.support.faults.crash import unexpected
from tests.support.faults.proxies.rules import Answer, Discard, First, Kube, KubeEvent, Rule, ServeSnapshot
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_site import EnsembleSite, Lives
from tests.support.worlds.ensemble_story import Ensemble

STORM = 4
WRITES = "create|apply|patch|update|delete"
READ = "pods|persistentvolumeclaims|statefulsets|zookeeperclusters"


@asynccontextmanager
async def growing(site: EnsembleSite) -> AsyncIterator[Ensemble]:
    """Three members that are Ready; at the end nothing may have come or gone but members 4 and 5, once."""
    main = Ensemble(site.space)
    async with Lives(site.space) as lives:
        with site.operator as operator:
            await site.space.apply(cluster(3))
            await main.ready(3)
            pid = operator.pid
            async with main.written():
                yield main
            assert (operator.exit_code, operator.pid) == (None, pid), operator.tail()
        told = {name: count for name, count in lives.counted().items() if "main-zk" in name}
    gone = {name for name, (_, died) in told.items() if died}
    assert gone == {"pods/main-zk-3", "pods/main-zk-4"}
    assert {name: count for name, count in told.items() if count[0] != 1} == {}
    assert await main.configurations() == [{1, 2, 3}, {1, 2, 3, 4, 5}, {1, 2, 3}]
    assert unexpected(site.operator.log.read_text(errors="replace")) is None


async def joiners_run(main: Ensemble) -> None:
    async def run() -> bool:
        return {"main-zk-3", "main-zk-4"} <= set(await main.pods())

    await eventually(run, within_s=180)


@pytest.mark.parametrize("outage_s", [20, pytest.param(300, marks=[pytest.mark.exhaustive, pytest.mark.timeout(1800)])])
async def test_conflicts_an_outage_stale_lists_and_lost_events_disrupt_nothing(
    site: EnsembleSite, outage_s: int
) -> None:
    proxy, namespace = site.kube_proxy, site.space.name
    storm = [
        Rule(Kube(WRITES, resource, namespace), Answer(409), First(STORM))
        for resource in ("statefulsets", "zookeeperclusters/status", "configmaps")
    ]
    lost = Rule(KubeEvent(resource="pods", namespace=namespace), Discard(), First(6))
    async with growing(site) as main:
        old = await proxy.take_snapshot(*map(site.space.path, READ.split("|")))
        with proxy.rules.active(*storm):
            await main.edit(replicas=5)
            await joiners_run(main)
            await proxy.down()
            await asyncio.sleep(outage_s)
            await proxy.up()
            await main.ready(5)
        assert [proxy.rules.fired(rule) for rule in storm] == [STORM] * 3

        stale = Rule(Kube("list", READ, namespace), ServeSnapshot(old))
        ended = Rule(Kube("watch", READ, namespace), Answer(410), First(8))
        silent = Rule(Kube("watch", READ, namespace), ServeSnapshot(old))
        with proxy.rules.active(stale, ended, silent):
            proxy.cut()
            await eventually(lambda: proxy.rules.fired(stale) >= 4 and proxy.rules.fired(silent) >= 4, within_s=180)
            await asyncio.sleep(10)
            assert (await main.status())["replicas"] == 5
            assert len(await main.pods()) == 5
        proxy.cut()
        await main.ready(5)

        with proxy.rules.active(lost):
            await main.edit(replicas=3)
            await eventually(lambda: proxy.rules.fired(lost) >= 6, within_s=180)
        proxy.cut()
        await main.ready(3)
        taken = [write.target for write in site.writes if write.verb == "delete" or "/eviction" in write.target]
        assert taken == [], "the operator restarted members, or deleted something"
