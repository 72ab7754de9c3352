"""Workloads for the crash driver: what a user does, and what a user waits for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.machines.api_client import Manifest
from tests.support.models import adoptions
from tests.support.waiting import eventually
from tests.support.worlds.site import Plot

LAGGING = (
    r"/configsyncs/[^/]+/(status/(zxid$|keys$|bytes$|lastSyncTime$|base|content|rollouts.name=shop./time$|conditions.type=Ready./message)|.*f:status)"
    r"|/zkoperator/configsyncs/[^/]+/keys/[^/]+\[1\]$"
)
"""Numbers of the status that are told some seconds later when nothing else is new, and in a ledger the zxid of a push,
which is written down when another process has taken the ledger over.
"""


async def status_settled(plot: Plot, *, within_s: float = 30) -> None:
    """Wait until the status tells of the state that the ConfigMap has."""

    async def told() -> bool:
        sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/shop")
        config_map = await plot.config_map()
        stamp = (config_map or {})["metadata"]["annotations"]["zkoperator.dev/zxid"]
        return int(sync["status"]["zxid"], 16) >= int(stamp, 16)

    await eventually(told, within_s=within_s)


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


DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {"containers": [{"name": "shop", "image": "shop"}]},
        },
    },
}


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


async def edit(plot: Plot, **data: str | None) -> None:
    """Set or (None) delete keys of the ConfigMap as somebody else."""
    await plot.site.kube.merge(f"{plot.core}/configmaps/shop", {"data": data})


async def data_is(plot: Plot, expected: dict[str, str], *, within_s: float = 30) -> None:
    """Wait until the ConfigMap holds exactly these keys."""

    async def equal() -> bool:
        data = await plot.data()
        data.pop("__root", None)
        assert data == expected, data
        return True

    await eventually(equal, within_s=within_s)


async def znodes_are(plot: Plot, expected: dict[str, str], *, within_s: float = 30) -> None:
    """Wait until the subtree holds exactly these znodes, those that only hold others left out."""

    async def equal() -> bool:
        found = await plot.znodes()
        parents = {path.rpartition("/")[0] for path in found}
        leaves = {path: value for path, value in found.items() if value or path not in parents}
        assert leaves == expected, leaves
        return True

    await eventually(equal, within_s=within_s)


async def ready(plot: Plot, reason: str, *, within_s: float = 30) -> None:
    """Wait until Ready has this reason for the newest spec."""

    async def told() -> bool:
        sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/shop")
        condition = await plot.condition()
        observed = (sync.get("status") or {}).get("observedGeneration")
        assert condition[1] == reason and observed == sync["metadata"]["generation"], condition
        return True

    await eventually(told, within_s=within_s)


async def _gone(plot: Plot) -> bool:
    sync = await plot.site.kube.find(f"{plot.custom}/configsyncs/shop")
    return sync is None and await plot.config_map() is None


async def is_recorded(plot: Plot, content: str) -> bool:
    """Whether the status says that the Deployment runs with this content."""
    sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/shop")
    return [entry["hash"] for entry in sync["status"].get("rollouts", [])] == [content]


async def template_hash(plot: Plot, before: str) -> str:
    """The content hash in the pod template, empty until it is another one than before."""
    found = await plot.site.kube.get(f"/apis/apps/v1/namespaces/{plot.namespace}/deployments/shop")
    annotations = found["spec"]["template"]["metadata"].get("annotations") or {}
    value = str(annotations.get("rollout.zkoperator.dev/shop", ""))
    return "" if value == before else value


@dataclass(frozen=True)
class Cluster:
    """A ZooKeeperCluster whose claims go with it is created, deleted and created again.

    Without kubelets (`serves` false) nobody serves, so a creation is complete with its children.
    """

    name: str = "cluster"
    replicas: int = 1
    serves: bool = True
    within_s: float = 120
    spec: Manifest = field(default_factory=dict)
    """What the spec has beside replicas and storage."""

    async def prepare(self, plot: Plot) -> None:
        await self.create(plot)

    async def drive(self, plot: Plot) -> None:
        await self.complete(plot)
        await plot.site.kube.delete(f"{plot.custom}/zookeeperclusters/main")
        await eventually(lambda: self.is_gone(plot), within_s=self.within_s)
        await self.create(plot)
        await self.complete(plot)

    async def create(self, plot: Plot) -> None:
        storage: Manifest = {"type": "Persistent", "size": "1Gi"}
        storage |= {"retention": {"whenDeleted": "Delete", "whenScaled": "Delete"}}
        manifest = {
            "apiVersion": "zkoperator.dev/v1alpha1",
            "kind": "ZooKeeperCluster",
            "metadata": {"name": "main"},
            "spec": {"replicas": self.replicas, "storage": storage, **self.spec},
        }
        await plot.site.kube.create(f"{plot.custom}/zookeeperclusters", manifest)

    async def complete(self, plot: Plot) -> None:
        """Wait until everything is there and, if they can, all members serve the newest spec."""
        await eventually(lambda: self._is_complete(plot), within_s=self.within_s)

    async def _is_complete(self, plot: Plot) -> bool:
        cluster = await plot.site.kube.find(f"{plot.custom}/zookeeperclusters/main") or {"metadata": {}}
        found = [await plot.site.kube.find(path) for path in self._children(plot)]
        claims = await self.claims(plot)
        followed = [*found, *(claims if self.serves else ())]
        owners = {owner["uid"] for one in followed if one for owner in one["metadata"].get("ownerReferences", ())}
        conditions = {one["type"]: one for one in (cluster.get("status") or {}).get("conditions", ())}
        ready = conditions.get("Ready", {})
        assert all(found) and len(claims) == cluster["spec"]["replicas"], (found, claims)
        assert owners == {cluster["metadata"]["uid"]}
        assert ready.get("observedGeneration") == cluster["metadata"]["generation"], conditions
        assert ready["status"] == "True" or not self.serves, conditions
        return True

    async def claims(self, plot: Plot) -> list[Manifest]:
        found = (await plot.site.kube.get(f"{plot.core}/persistentvolumeclaims"))["items"]
        return [claim for claim in found if claim["metadata"]["name"].startswith("data-")]

    async def is_gone(self, plot: Plot) -> bool:
        """Whether all children are gone, and with them the claims."""
        children = [await plot.site.kube.find(path) for path in self._children(plot)]
        return not any(children) and not (self.serves and await self.claims(plot))

    @staticmethod
    def _children(plot: Plot) -> tuple[str, ...]:
        apps, policy = (f"/apis/{group}/v1/namespaces/{plot.namespace}" for group in ("apps", "policy"))
        return (
            f"{plot.core}/services/main-zk",
            f"{plot.core}/services/main-zk-members",
            f"{plot.core}/configmaps/main-zk-config",
            f"{plot.core}/configmaps/main-zk-discovery",
            f"{plot.core}/secrets/main-zk-admin",
            f"{plot.core}/secrets/main-zk-binding",
            f"{apps}/statefulsets/main-zk",
            f"{policy}/poddisruptionbudgets/main-zk",
        )


def _tls(plaintext: str) -> Manifest:
    return {"client": {"certificate": {"selfSigned": {}}, "plaintext": plaintext}, "quorum": {}}


ALLOWED, REFUSED = _tls("Allowed"), _tls("Refused")
"""TLS for clients and members, beside plaintext and instead of it."""


async def edit_cluster(plot: Plot, spec: Manifest) -> None:
    """Change the spec of the cluster `main`."""
    await plot.site.kube.merge(f"{plot.custom}/zookeeperclusters/main", {"spec": spec})


@dataclass(frozen=True)
class ClusterTls:
    """TLS for clients and members is turned on in a cluster that serves; further chapters are further edits of it."""

    chapters: tuple[Manifest | None, ...] = (ALLOWED,)
    name: str = "cluster-tls"
    replicas: int = 1
    within_s: float = 240

    async def prepare(self, plot: Plot) -> None:
        await Cluster(replicas=self.replicas).create(plot)

    async def drive(self, plot: Plot) -> None:
        cluster = Cluster(replicas=self.replicas, within_s=self.within_s)
        await cluster.complete(plot)
        for tls in self.chapters:
            await edit_cluster(plot, {"tls": tls})
            await cluster.complete(plot)


@dataclass(frozen=True)
class ClusterLife:
    """A cluster is created with one member, grows to three, gets another configuration, and shrinks to one again."""

    name: str = "cluster-life"
    within_s: float = 240

    async def prepare(self, plot: Plot) -> None:
        await Cluster().create(plot)

    async def drive(self, plot: Plot) -> None:
        cluster = Cluster(within_s=self.within_s)
        await cluster.complete(plot)
        for spec in ({"replicas": 3}, {"config": {"snapCount": "20000"}}, {"replicas": 1}):
            await edit_cluster(plot, spec)
            await cluster.complete(plot)
