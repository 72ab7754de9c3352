"""A cluster on a real API server without nodes: the test plays the kubelet, the storage and the members.

The controllers of Kubernetes are real: pods and claims come from the StatefulSet, volumes are bound to claims, what is
deleted goes when its finalizers allow it. A member serves as soon as it has a pod that "runs".
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from testbed.api import ApiServer
from tests.support.machines.api_client import ApiClient
from tests.support.waiting import eventually
from tests.support.worlds.kube_contract import client_of, install
from zkoperator.ensemble.model.configuration import Configuration, server_of
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.observe.store import LiveStore
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.validate import Defaults
from zkoperator.errors import TransientError, ZkOperatorError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)
from zkoperator.runtime.keys import Key
from zkoperator.zk.port import ClientTls

CRDS = Path(__file__).parents[3] / "crds"
GROWING, RIGID = "growing", "rigid"
_VOLUMES = "/api/v1/persistentvolumes"
_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


class PlayedCluster:
    """One ZooKeeperCluster `main` in a namespace of its own."""

    def __init__(self, api: KubeClient, user: ApiClient, namespace: str) -> None:
        self.api = api
        self.user = user
        self.names = Names(namespace, "main")
        self.operator = EnsembleReconciler(api, LiveStore(api), self, self, Defaults("zookeeper:3.9.5"))  # type: ignore[arg-type]
        self.grows = True
        """Whether the storage carries out what claims ask for."""

    # What a test does and sees

    async def make(self, **spec: Any) -> None:
        for name, grows in ((GROWING, True), (RIGID, False)):
            kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
            body = {**kind, "provisioner": "played", "allowVolumeExpansion": grows}
            await self.user.apply(f"{_CLASSES}/{name}", body)
        manifest = {"metadata": {"name": "main"}, "spec": {"image": "zookeeper:3.9.5", **spec}}
        await self.api.create(ZOOKEEPER_CLUSTERS, self.names.namespace, manifest)
        await self.ready()

    async def edit(self, **spec: Any) -> None:
        await self.api.patch(ZOOKEEPER_CLUSTERS, self.names.namespace, "main", {"spec": spec})

    async def annotate(self, name: str, text: str) -> None:
        patch = {"metadata": {"annotations": {name: text}}}
        await self.api.patch(ZOOKEEPER_CLUSTERS, self.names.namespace, "main", patch)

    async def turn(self) -> None:
        """Let everybody act once."""
        await self._storage()
        await self._kubelet()
        try:
            await self.operator.reconcile(Key(self.names.namespace, "main"))
        except ZkOperatorError:
            await asyncio.sleep(0.1)

    async def ready(self) -> None:
        async def is_ready() -> bool:
            await self.turn()
            found = await self.cluster()
            generation = found["metadata"]["generation"]
            conditions: list[Manifest] = found["status"].get("conditions", [])
            ready: Manifest = next((c for c in conditions if c["type"] == "Ready"), {})
            assert (ready.get("status"), ready.get("observedGeneration")) == ("True", generation), found["status"]
            return True

        await eventually(is_ready, within_s=120, every_s=0.05)

    async def says(self, kind: str, reason: str) -> str:
        """Let everybody act until a condition has the reason; returns its message."""

        async def holds() -> str:
            await self.turn()
            conditions = {c["type"]: c for c in (await self.cluster())["status"].get("conditions", ())}
            assert conditions[kind]["reason"] == reason, conditions
            return str(conditions[kind]["message"])

        return await eventually(holds, within_s=120, every_s=0.05)

    async def cluster(self) -> Manifest:
        found = await self.api.get(ZOOKEEPER_CLUSTERS, self.names.namespace, "main")
        assert found is not None
        return found

    async def stateful_set(self) -> Manifest:
        found = await self.api.get(STATEFUL_SETS, self.names.namespace, self.names.stateful_set)
        assert found is not None
        return found

    async def claim(self, member: int) -> Manifest:
        found = await self.api.get(PERSISTENT_VOLUME_CLAIMS, self.names.namespace, self.names.claim(member))
        assert found is not None
        return found

    async def pods(self) -> dict[int, Manifest]:
        found = await self.api.list(PODS, self.names.namespace)
        members = {self.names.member_of(pod["metadata"]["name"]): pod for pod in found.items}
        return {member: pod for member, pod in members.items() if member is not None}

    # What others do

    async def _kubelet(self) -> None:
        for member, pod in (await self.pods()).items():
            if "podIP" in (pod.get("status") or {}) or "deletionTimestamp" in pod["metadata"]:
                continue
            state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
            container = {"name": "zookeeper", "image": "a", "imageID": "a", "ready": True, "restartCount": 0}
            status = {
                "phase": "Running",
                "podIP": f"127.0.0.{member}",
                "podIPs": [{"ip": f"127.0.0.{member}"}],
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{**container, "state": state}],
            }
            path = f"/api/v1/namespaces/{self.names.namespace}/pods/{pod['metadata']['name']}/status"
            await self.user.merge(path, {"status": status})

    async def _storage(self) -> None:
        """Make a volume for each claim, and let volumes have the size that is asked for."""
        claims = await self.api.list(PERSISTENT_VOLUME_CLAIMS, self.names.namespace)
        for claim in claims.items:
            asked, status = claim["spec"]["resources"]["requests"], claim.get("status") or {}
            volume = f"{_VOLUMES}/pv-{claim['metadata']['uid']}"
            if status.get("phase") == "Pending" and await self.user.find(volume) is None:
                await self.user.create(_VOLUMES, _volume(claim))
            elif status.get("phase") == "Bound" and status["capacity"] != asked and self.grows:
                await self.user.merge(volume, {"spec": {"capacity": asked}})
                path = f"/api/v1/namespaces/{self.names.namespace}/persistentvolumeclaims/{claim['metadata']['name']}"
                await self.user.merge(f"{path}/status", {"status": {"capacity": asked}})

    # The members

    async def ask(self, host: str, port: int, word: str, tls: ClientTls | None = None) -> str:
        member, pods = int(host.rpartition(".")[2]), await self.pods()
        if "podIP" not in (pods.get(member, {}).get("status") or {}):
            raise TransientError("refused")
        members = sorted(int(m) for m in range(1, int((await self.cluster())["spec"]["replicas"]) + 1))
        leads = member == members[-1]
        if word == "srvr":
            return f"Zookeeper version: 3.9.5-x\nZxid: 0x100000001\nMode: {'leader' if leads else 'follower'}\n"
        if word == "mntr":
            followers = len(members) - 1
            return f"zk_synced_followers\t{followers}\nzk_synced_non_voting_followers\t0\n" if leads else "zk_a\t1\n"
        configuration = Configuration(0x100000000, tuple(server_of(self.names, m) for m in members))
        return "\n".join((f"serverId={member}", *configuration.lines, f"version={configuration.version:x}"))

    async def open(self, *_: object) -> object:
        raise TransientError("nobody reconfigures here")


def _volume(claim: Manifest) -> Manifest:
    meta, spec = claim["metadata"], claim["spec"]
    reference = {
        "kind": "PersistentVolumeClaim",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{meta['uid']}"},
        "spec": {
            "capacity": spec["resources"]["requests"],
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": spec["storageClassName"],
            "hostPath": {"path": "/nowhere"},
            "claimRef": reference,
        },
    }


@asynccontextmanager
async def played_cluster(server: ApiServer, namespace: str) -> AsyncIterator[PlayedCluster]:
    async with client_of(server) as api, ApiClient(server.kubeconfig) as user:
        await install(user, yaml.safe_load((CRDS / "zookeeperclusters.yaml").read_text()))
        yield PlayedCluster(api, user, namespace)
