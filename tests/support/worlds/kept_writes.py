"""An ensemble of three on `kubelets`, looked after by an operator, with a client that writes all the while."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from tests.support.machines.kubelets import Kubelets
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.ensemble_writer import Report, Writer, connected
from tests.support.worlds.site import Plot, Site

ROOT = "/written"


@contextlib.asynccontextmanager
async def written(site: Site, disk_mib: int | None = None) -> AsyncIterator[tuple[Plot, Kubelets, Writer]]:
    """An ensemble of three with a writer; at the end it is Ready, and each member has every acknowledged write."""
    cluster = Cluster(replicas=3)
    async with site.plot() as plot, Kubelets(plot, disk_mib) as kubelets:
        await cluster.create(plot)
        with site.operator(plot.settings):
            await cluster.complete(plot)
            members = [*kubelets.hosts.values()]
            writer = await asyncio.to_thread(_begin, site, ",".join(members))
            try:
                yield plot, kubelets, writer
            finally:
                report = await asyncio.to_thread(writer.stop)
            await cluster.complete(plot)
            assert report.failed == 0, "a write was never acknowledged"
            assert await asyncio.to_thread(lost, site, report, members) == []


def _begin(site: Site, hosts: str) -> Writer:
    assert site.network is not None
    with site.network.on_hub():  # its threads stay where they were started
        return Writer(hosts, ROOT, pause_s=0.05).__enter__()


def lost(site: Site, report: Report, members: Sequence[str]) -> list[str]:
    """Which writes that are acknowledged by now these members lack; the writer may go on."""
    assert site.network is not None
    created = tuple(report.created)
    assert created, "the writer wrote nothing"
    missing = []
    with site.network.on_hub():
        for member in members:
            client = connected(member)
            client.sync(ROOT)
            names = set(client.get_children(ROOT))
            missing += [f"{member}: {number}" for number in created if f"n{number:08}" not in names]
            client.stop()
            client.close()
    return missing


async def progress(writer: Writer, by: int = 10) -> None:
    before = len(writer.report.created)
    await eventually(lambda: len(writer.report.created) >= before + by, within_s=90)


async def one(kubelets: Kubelets, mode: str) -> str:
    """A pod that says it is so."""

    async def found() -> str:
        return next((pod for pod, said in (await kubelets.modes()).items() if said == mode), "")

    return await eventually(found, within_s=90)
