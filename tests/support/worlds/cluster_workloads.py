"""Workloads of the crash driver with a ZooKeeperCluster: what a user does to it, and what a user waits for."""

from dataclasses import dataclass, field

from tests.support.machines.api_client import Manifest
from tests.support.waiting import eventually
from tests.support.worlds.site import Plot


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
