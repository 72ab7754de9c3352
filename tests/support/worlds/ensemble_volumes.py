"""A world whose volumes are looked at: their classes, sizes and uids, and a storage that may not have a class."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.models.ensemble_simulation import GOOD, NAMES, raw_cluster
from tests.support.worlds.ensemble import KEY, EnsembleWorld
from zkoperator.ensemble.model.names import REPLACE_VOLUME
from zkoperator.ensemble.observe.claim_view import ClaimView, claim_view
from zkoperator.ensemble.observe.node_view import HOSTNAME, only_host_of
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.validate import Defaults
from zkoperator.kube.port import (
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)


@dataclass
class VolumeWorld(EnsembleWorld):
    """A namespace in which one cluster lives whose volumes change."""

    missing_classes: set[str] = field(default_factory=set)
    """StorageClasses that nobody has made: a claim of such a class gets no volume, and its pod does not run."""
    local: bool = False
    """Whether each volume can be used on one node only."""
    reads_nodes: bool = True
    """Whether the installation has the right to read nodes."""
    dead: set[str] = field(default_factory=set)
    """Nodes whose machines are off."""
    homeless: set[int] = field(default_factory=set)
    """Members whose pods fit no node, because that of their volume is off."""
    most_away: int = 0
    """How many voters did not run at the same time at most."""

    _without_volume: set[int] = field(default_factory=set)
    _volumes: int = 0
    _looks: dict[str, int] = field(default_factory=dict)

    def operator_with(self, api: Any, members: Any) -> EnsembleReconciler:
        defaults = Defaults(GOOD, reads_nodes=self.reads_nodes)
        return EnsembleReconciler(api, self.store, members, members, defaults, self.clock, wall=self.wall)

    # What a test does and sees

    async def settled(self) -> "VolumeWorld":
        await self.rest()
        self.made.clear()
        self.most_away = 0
        return self

    async def wait(self, turns: int) -> None:
        for _ in range(turns):
            await self.turn()

    async def turn(self) -> bool:
        done = await super().turn()
        voters = self.committed.voters if self.committed is not None else frozenset()
        away = [member for member in voters if member not in self.pods or not self.pods[member].running]
        self.most_away = max(self.most_away, len(away))
        return done

    def approve(self, text: str) -> None:
        self.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {REPLACE_VOLUME: text}}})

    def claim(self, member: int) -> ClaimView:
        found = self.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(member))
        assert found is not None
        return claim_view(member, found)

    @property
    def volumes(self) -> dict[int, str]:
        """The uid of the claim of each member with a pod."""
        return {member: self.claim(member).uid for member in sorted(self.pods)}

    @property
    def sizes(self) -> set[tuple[str, str]]:
        return {(self.claim(member).requested, self.claim(member).capacity) for member in self.pods}

    @property
    def classes(self) -> dict[int, str]:
        return {member: self.claim(member).storage_class for member in sorted(self.pods)}

    @property
    def template(self) -> Manifest:
        found = self.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set)
        assert found is not None
        spec: Manifest = found["spec"]["volumeClaimTemplates"][0]["spec"]
        return spec

    @property
    def restarted(self) -> list[str]:
        """The pods that the operator has ended, in their order."""
        return [what.split("/")[1] for what in self.made if what.startswith(("evict pods/", "delete pods/"))]

    @property
    def record(self) -> Manifest:
        found: Manifest = ((self.cluster() or {}).get("status") or {}).get("volumeReplacement") or {}
        return found

    # The storage and the nodes

    def lose_node(self, member: int, how: str) -> None:
        """Let the machine of a member be off; `how` is what becomes of its Node: silent, tainted or gone."""
        node = self._node_of_pod(member)
        self.dead.add(node)
        self.api.edit(PODS, "demo", NAMES.pod(member), {"metadata": {"finalizers": ["kubelet"]}})
        status = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
        self.api.edit(NODES, "", node, status, subresource="status")
        if how == "gone":
            self.api.remove(NODES, "", node)
        if how == "tainted":
            taints = [{"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}]
            self.api.edit(NODES, "", node, {"spec": {"taints": taints}})
        self.crash(member, 1_000_000)

    def _make_pod(self, member: int, live: Manifest) -> None:
        """Let a member take a while to start, on a node where its volume can be used."""
        super()._make_pod(member, live)
        if member not in self.pods:
            return
        self.pods[member].down_for = 3
        node = self._host_of_volume(member) or self._free_node(member)
        if node in self.dead:
            self.homeless.add(member)
        else:
            self.homeless.discard(member)
            self.api.edit(PODS, "demo", NAMES.pod(member), {"spec": {"nodeName": node}})

    def _make_claim(self, member: int, spec: Manifest) -> None:
        node = self._free_node(member)
        if self.local:
            self._volumes += 1
            spec = {**spec, "volumeName": f"pv-{self._volumes}"}
            terms = [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [node]}]}]
            affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}
            self.api.put(PERSISTENT_VOLUMES, {"metadata": {"name": spec["volumeName"]}, "spec": affinity})
        super()._make_claim(member, spec)
        if self.local:
            selected = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": node}}}
            self.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(member), selected)

    def _claim_pods(self, live: Manifest) -> None:
        """Let the controller see a StatefulSet for a while before it adopts pods."""
        uid = live["metadata"]["uid"]
        self._looks[uid] = self._looks.get(uid, 0) + 1
        if self._looks[uid] > 3:
            super()._claim_pods(live)

    def _free_node(self, member: int) -> str:
        """Return the member's own node, or the spare one, and make its object."""
        node = f"node-{member}"
        node = node if node not in self.dead else "node-9"
        if self.api.peek(NODES, "", node) is None:
            self.api.put(NODES, {"metadata": {"name": node, "labels": {HOSTNAME: node}}, "spec": {}})
            status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
            self.api.edit(NODES, "", node, status, subresource="status")
        return node

    def _host_of_volume(self, member: int) -> str:
        found = self.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(member)) or {"spec": {}}
        volume = self.api.peek(PERSISTENT_VOLUMES, "", found["spec"].get("volumeName", ""))
        return only_host_of(volume) if volume is not None else ""

    def _node_of_pod(self, member: int) -> str:
        found = self.api.peek(PODS, "demo", NAMES.pod(member))
        return str(found["spec"].get("nodeName", "")) if found is not None else ""

    def _storage(self) -> None:
        super()._storage()
        waiting = {m for m in self.pods if self._claim_class(m) in self.missing_classes or m in self.homeless}
        self.stuck = frozenset((self.stuck - self._without_volume) | waiting)
        self._without_volume = waiting

    def _claim_class(self, member: int) -> str:
        found = self.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(member))
        return str(found["spec"]["storageClassName"]) if found is not None else ""

    def _has_storage(self, claim: Manifest) -> bool:
        return claim["spec"].get("storageClassName") not in self.missing_classes


def volume_world(replicas: int = 3, *, local: bool = False, reads_nodes: bool = True, **spec: Any) -> VolumeWorld:
    raw = raw_cluster(replicas, **spec)
    shown = {"metadata": {"name": "main", "namespace": "demo"}, "spec": raw["spec"]}
    return VolumeWorld(shown, protects_claims=True, local=local, reads_nodes=reads_nodes)
