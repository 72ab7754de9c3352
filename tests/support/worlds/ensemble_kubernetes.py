"""Kubernetes around one cluster, played on an API server in memory: its controllers, its storage and its kubelets."""

from dataclasses import dataclass, field

from tests.support.fakes.kube import FakeKube
from tests.support.fakes.kube_rules import requested
from tests.support.models.ensemble_members import SimPod
from tests.support.models.ensemble_simulation import NAMES, Simulation
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import OBSERVER_BASE, is_observer
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, PODS, SECRETS, Manifest


@dataclass
class PlayedKubernetes(Simulation):
    """A simulation whose pods and claims are objects of an API server."""

    api: FakeKube = field(default_factory=FakeKube)
    protects_claims: bool = False
    """Whether a claim that is deleted stays until its pod has ended, as Kubernetes has it."""
    mounted_grow: bool = True
    """Whether the file system of a volume that has grown follows while it is mounted."""

    def _see_kubernetes(self) -> None:
        names = {child: child.name_of(NAMES) for child in Child}
        seen = {child: self.api.peek(child.resource, "demo", name) for child, name in names.items()}
        self.children = {child: manifest for child, manifest in seen.items() if manifest is not None}
        alive = {pod["metadata"]["uid"] for pod in self.api.every(PODS)}
        for member in [member for member, pod in self.pods.items() if pod.uid not in alive]:
            self._stop(member)
            del self.pods[member]
        self._release_claims()
        claims = {claim["metadata"]["name"] for claim in self.api.every(PERSISTENT_VOLUME_CLAIMS)}
        for member in [m for m in self.disks if NAMES.claim(m) not in claims and not self._keeps_nothing(m)]:
            del self.disks[member]

    def _controllers(self) -> None:
        for child, base in ((Child.STATEFUL_SET, 0), (Child.OBSERVERS, OBSERVER_BASE)):
            live = self.children.get(child)
            if live is not None and Child.CONFIG_MAP in self.children:
                self._control(live, base)

    def _control(self, live: Manifest, base: int) -> None:
        last = base + live["spec"]["replicas"]
        for member in [m for m in self.pods if is_observer(m) == (base > 0) and m > last]:
            self.api.remove(PODS, "demo", NAMES.pod(member))
            self._stop(member)
            del self.pods[member]
        self._claim_pods(live)
        for member in range(base + 1, last + 1):
            if member not in self.pods and self.api.peek(SECRETS, "demo", NAMES.secret) is not None:
                self._make_pod(member, live)

    def _release_claims(self) -> None:
        """Let go of claims that are deleted and that no pod uses."""
        for claim in self.api.every(PERSISTENT_VOLUME_CLAIMS):
            meta = claim["metadata"]
            if (
                "deletionTimestamp" in meta
                and meta.get("finalizers")
                and NAMES.member_of_claim(meta["name"]) not in self.pods
            ):
                patch: Manifest = {"metadata": {"finalizers": None}}
                self.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", meta["name"], patch, manager="kube-controller-manager")

    def _storage(self) -> None:
        """Let claims have their volumes, and volumes the size that is asked for."""
        for claim in self.api.every(PERSISTENT_VOLUME_CLAIMS):
            name, asked = claim["metadata"]["name"], requested(claim)
            capacity = (claim.get("status") or {}).get("capacity", {}).get("storage")
            self._modify(claim)
            if capacity == asked or not self._has_storage(claim):
                continue
            member = NAMES.member_of_claim(name)
            pod = self.api.peek(PODS, "demo", NAMES.pod(member or 0))
            status: Manifest = {"phase": "Bound", "capacity": {"storage": asked}, "conditions": None}
            if not self._may_grow(claim, pod, capacity):
                since = self._waits_since(claim) or self.api.now
                waits = {"type": "FileSystemResizePending", "status": "True", "lastTransitionTime": since}
                status = {"phase": "Bound", "capacity": {"storage": capacity}, "conditions": [waits]}
            if status != claim.get("status"):
                self.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", name, {"status": status}, subresource="status")

    def _modify(self, claim: Manifest) -> None:
        """Give a volume the attributes that are asked for."""
        wanted = claim.get("spec", {}).get("volumeAttributesClassName")
        status = claim.get("status") or {}
        if wanted and status.get("phase") == "Bound" and status.get("currentVolumeAttributesClassName") != wanted:
            current: Manifest = {"status": {"currentVolumeAttributesClassName": wanted}}
            name = claim["metadata"]["name"]
            self.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", name, current, subresource="status")

    def _has_storage(self, claim: Manifest) -> bool:
        """Whether the claim can get a volume at all."""
        return True

    def _may_grow(self, claim: Manifest, pod: Manifest | None, capacity: str | None) -> bool:
        """Whether the file system is new, or is mounted anew since it waits."""
        since = self._waits_since(claim)
        is_new = pod is None or bool(since and pod["metadata"]["creationTimestamp"] > since)
        return self.mounted_grow or capacity is None or is_new

    def _waits_since(self, claim: Manifest) -> str:
        found = (claim.get("status") or {}).get("conditions") or []
        return str(found[0]["lastTransitionTime"]) if found else ""

    def _keeps_nothing(self, member: int) -> bool:
        return self._ephemeral or is_observer(member)

    def _claim_pods(self, live: Manifest) -> None:
        """Let go of pods that the selector does not have, and adopt those that nobody has, by their names."""
        mine = [_owner(live)]
        for pod in self.api.every(PODS):
            meta = pod["metadata"]
            if meta["name"].rpartition("-")[0] != live["metadata"]["name"]:
                continue
            selected = live["spec"]["selector"]["matchLabels"].items() <= (meta.get("labels") or {}).items()
            owners = meta.get("ownerReferences") or []
            if selected != bool(owners) and owners in ([], mine):
                patch = {"metadata": {"ownerReferences": mine if selected else []}}
                self.api.edit(PODS, "demo", meta["name"], patch, manager="kube-controller-manager")

    def _make_pod(self, member: int, live: Manifest) -> None:
        if self._keeps_nothing(member):
            self.disks.pop(member, None)
        elif (claim := self.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(member))) is None:
            self._make_claim(member, live["spec"]["volumeClaimTemplates"][0]["spec"])
        elif "deletionTimestamp" in claim["metadata"]:
            return
        template = live["spec"]["template"]
        metadata: Manifest = {
            **template["metadata"],
            "name": NAMES.pod(member),
            "namespace": "demo",
            "ownerReferences": [_owner(live)],
        }
        made = self.api.put(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
        env = {entry["name"]: entry.get("value") for entry in template["spec"]["containers"][0]["env"]}
        word = self.children[Child.CONFIG_MAP]["data"]["bootstrap"]
        self.pods[member] = SimPod(
            member, made["metadata"]["uid"], template, bool(word) and env["ZK_BOOTSTRAP"] == word
        )
        self.disks.setdefault(member, self._new_disk())

    def _make_claim(self, member: int, spec: Manifest) -> None:
        metadata = {
            "name": NAMES.claim(member),
            "namespace": "demo",
            "labels": NAMES.selector,
            "finalizers": ["kubernetes.io/pvc-protection"] if self.protects_claims else [],
        }
        kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        self.api.put(
            PERSISTENT_VOLUME_CLAIMS, {**kind, "metadata": metadata, "spec": {"storageClassName": "standard", **spec}}
        )

    def _tell_kubernetes(self) -> None:
        for member, pod in self.pods.items():
            told = self._pod_manifest(pod)["status"] | {"podIP": f"10.0.0.{member}", "hostIP": f"10.9.0.{member}"}
            found = self.api.peek(PODS, "demo", NAMES.pod(member))
            if found is not None and found.get("status") != told:
                self.api.edit(PODS, "demo", NAMES.pod(member), {"status": told}, subresource="status")


def _owner(live: Manifest) -> Manifest:
    meta = live["metadata"]
    kind = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": meta["name"], "controller": True}
    return {**kind, "uid": meta["uid"]}
