"""A namespace is deleted with both kinds in it, while the operator watches."""

from tests.support.faults.crash import quiet
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.following import Following
from tests.support.worlds.site import Site


async def test_a_namespace_ends_although_both_kinds_are_in_it(site: Site, following: Following) -> None:
    async with following(onDelete="DeleteConfigMap") as (plot, _):
        cluster = Cluster(serves=False)
        await cluster.create(plot)
        await cluster.complete(plot)
        await site.kube.delete(plot.core)

        async def ended() -> bool:
            return await site.kube.find(plot.core) is None

        await eventually(ended, within_s=90)
        await quiet(site)
