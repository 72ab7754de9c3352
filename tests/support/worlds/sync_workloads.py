"""Workloads of the crash driver with a ConfigSync: what a user does to both sides, and what a user waits for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.models import adoptions
from tests.support.waiting import eventually
from tests.support.worlds.site import Plot
from tests.support.worlds.sync_user import (
    DEPLOYMENT,
    data_is,
    edit,
    is_recorded,
    ready,
    status_settled,
    template_hash,
    znodes_are,
)

LAGGING = (
    r"/configsyncs/[^/]+/(status/(zxid$|keys$|bytes$|lastSyncTime$|base|content|rollouts.name=shop./time$|conditions.type=Ready./message)|.*f:status)"
    r"|/zkoperator/configsyncs/[^/]+/keys/[^/]+\[1\]$"
)
"""Numbers of the status that are told some seconds later when nothing else is new, and in a ledger the zxid of a push,
which is written down when another process has taken the ledger over.
"""


@dataclass(frozen=True)
class Pull:
    """Znodes are set, created and deleted; the ConfigMap follows each time."""

    name: str = "pull"
    within_s: float = 120
    whole_status: bool = False

    async def prepare(self, plot: Plot) -> None:
        await plot.put(color="red", size="1")
        await plot.sync()

    async def drive(self, plot: Plot) -> None:
        await data_is(plot, {"color": "red", "size": "1"}, within_s=self.within_s)
        await plot.put(color="green", weight="7")
        await data_is(plot, {"color": "green", "size": "1", "weight": "7"}, within_s=self.within_s)
        await plot.put(size=None)
        await data_is(plot, {"color": "green", "weight": "7"}, within_s=self.within_s)
        if self.whole_status:
            await status_settled(plot)


@dataclass(frozen=True)
class Push:
    """Keys of a ConfigMap are set, created and deleted; the znodes follow each time."""

    name: str = "push"
    within_s: float = 120

    async def prepare(self, plot: Plot) -> None:
        await _config_map(plot, {"color": "red", "db__size": "1"})
        await plot.sync(direction="ConfigMapToZooKeeper", deletionGuard={"maxKeys": 50, "maxPercent": 100})

    async def drive(self, plot: Plot) -> None:
        await znodes_are(plot, {"color": "red", "db/size": "1"}, within_s=self.within_s)
        await edit(plot, color="green", weight="7")
        await znodes_are(plot, {"color": "green", "db/size": "1", "weight": "7"}, within_s=self.within_s)
        await edit(plot, db__size=None)
        await znodes_are(plot, {"color": "green", "weight": "7"}, within_s=self.within_s)


@dataclass(frozen=True)
class TwoWay:
    """Both sides are edited; each follows the other, and a conflict is held and then settled by an annotation."""

    name: str = "two-way"
    within_s: float = 120

    async def prepare(self, plot: Plot) -> None:
        await plot.put(color="red", size="1")
        await plot.sync(direction="TwoWay")

    async def drive(self, plot: Plot) -> None:
        await data_is(plot, {"color": "red", "size": "1"}, within_s=self.within_s)
        await edit(plot, color="green")
        await znodes_are(plot, {"color": "green", "size": "1"}, within_s=self.within_s)
        await plot.put(size="2", weight="7")
        await data_is(plot, {"color": "green", "size": "2", "weight": "7"}, within_s=self.within_s)
        async with _paused(plot, self.within_s):
            await edit(plot, weight="8")
            await plot.put(weight="9")
        await ready(plot, "Conflict", within_s=self.within_s)
        await plot.edit_sync({"metadata": {"annotations": {"zkoperator.dev/resolve": "weight=configmap"}}})
        await znodes_are(plot, {"color": "green", "size": "2", "weight": "8"}, within_s=self.within_s)
        await ready(plot, "InSync", within_s=self.within_s)


@dataclass(frozen=True)
class Adoption:
    """Both sides exist and differ at first; later the deletion of many keys waits for its approval."""

    name: str = "adoption"
    within_s: float = 120

    async def prepare(self, plot: Plot) -> None:
        await plot.put(**adoptions.ZNODES)
        await _config_map(plot, adoptions.KEYS)
        guard = {"maxKeys": 1, "maxPercent": 100}
        await plot.sync(direction="TwoWay", adoptionPolicy="PreferConfigMap", deletionGuard=guard)

    async def drive(self, plot: Plot) -> None:
        both = adoptions.ZNODES | adoptions.KEYS
        await data_is(plot, both, within_s=self.within_s)
        await znodes_are(plot, both, within_s=self.within_s)
        async with _paused(plot, self.within_s):
            await plot.put(same=None, differs=None)
        await ready(plot, "DeletionsHeld", within_s=self.within_s)
        sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/shop")
        approval = {"zkoperator.dev/approve-deletions": sync["status"]["pending"]["hash"]}
        await plot.edit_sync({"metadata": {"annotations": approval}})
        await data_is(plot, {"mine": "1", "theirs": "1"}, within_s=self.within_s)
        await ready(plot, "InSync", within_s=self.within_s)


@dataclass(frozen=True)
class Retained:
    """A key that is deleted on one side stays on the other, until it is made again."""

    name: str = "retain"
    within_s: float = 120

    async def prepare(self, plot: Plot) -> None:
        await plot.put(color="red", size="1")
        await plot.sync(direction="TwoWay", deletionPolicy="Retain")

    async def drive(self, plot: Plot) -> None:
        await data_is(plot, {"color": "red", "size": "1"}, within_s=self.within_s)
        async with _paused(plot, self.within_s):
            await plot.put(color=None)
            await edit(plot, size=None)
        await ready(plot, "InSync", within_s=self.within_s)
        await plot.put(weight="7")
        await data_is(plot, {"color": "red", "weight": "7"}, within_s=self.within_s)
        await znodes_are(plot, {"size": "1", "weight": "7"}, within_s=self.within_s)
        await plot.put(color="green")
        await data_is(plot, {"color": "green", "weight": "7"}, within_s=self.within_s)


@dataclass(frozen=True)
class Deletion:
    """A ConfigSync that takes its ConfigMap with it is deleted, and created again."""

    name: str = "deletion"
    within_s: float = 120

    async def prepare(self, plot: Plot) -> None:
        await plot.put(color="red")
        await plot.sync(onDelete="DeleteConfigMap")

    async def drive(self, plot: Plot) -> None:
        await data_is(plot, {"color": "red"}, within_s=self.within_s)
        await plot.site.kube.delete(f"{plot.custom}/configsyncs/shop")
        await eventually(lambda: _gone(plot), within_s=self.within_s)
        await plot.sync()
        await data_is(plot, {"color": "red"}, within_s=self.within_s)


@dataclass(frozen=True)
class Restarts:
    """A Deployment is restarted once for each settled content."""

    name: str = "rollout"
    within_s: float = 120

    async def prepare(self, plot: Plot) -> None:
        await plot.put(color="red")
        await plot.site.kube.create(f"/apis/apps/v1/namespaces/{plot.namespace}/deployments", DEPLOYMENT)
        await plot.sync(rollout=[{"kind": "Deployment", "name": "shop"}])

    async def drive(self, plot: Plot) -> None:
        await data_is(plot, {"color": "red"}, within_s=self.within_s)
        first = await eventually(lambda: template_hash(plot, ""), within_s=self.within_s)
        await plot.put(color="green")
        await data_is(plot, {"color": "green"}, within_s=self.within_s)
        second = await eventually(lambda: template_hash(plot, first), within_s=self.within_s)
        await eventually(lambda: is_recorded(plot, second), within_s=self.within_s)


async def _config_map(plot: Plot, data: dict[str, str]) -> None:
    """Create the ConfigMap, with the label by which it is followed, as somebody else."""
    labels = {"zkoperator.dev/sync": "shop"}
    manifest = {"metadata": {"name": "shop", "labels": labels}, "data": data}
    await plot.site.kube.create(f"{plot.core}/configmaps", manifest)


@asynccontextmanager
async def _paused(plot: Plot, within_s: float) -> AsyncIterator[None]:
    """What is done meanwhile is seen at once, and as one."""
    await plot.edit_sync({"spec": {"mode": "Paused"}})
    await ready(plot, "Paused", within_s=within_s)
    yield
    await plot.edit_sync({"spec": {"mode": "Active"}})


async def _gone(plot: Plot) -> bool:
    sync = await plot.site.kube.find(f"{plot.custom}/configsyncs/shop")
    return sync is None and await plot.config_map() is None
