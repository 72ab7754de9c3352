"""A namespace with backups in memory: API server, Job controller, kubelet, a storage, and the real reconciler."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.fakes.kube import FakeKube
from tests.support.worlds.kills import KillAt
from zkoperator.backup.order import (
    BackupOrder,
    Complete,
    DeleteOrder,
    DrillOrder,
    Facts,
    Failed,
    Reason,
    Result,
    order_from_json,
    result_to_json,
)
from zkoperator.backup.reconcile import BackupReconciler, OperatorPod
from zkoperator.errors import ConflictError
from zkoperator.kube.port import (
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)
from zkoperator.runtime.keys import Key

NAMESPACE, CLAIM = "demo", "backups"
HOME, OWN_POD, IMAGE = "zkoperator-system", "zkoperator-7d", "registry.example/zkoperator:0.1.0"
DEFAULT_IMAGE = "docker.io/library/zookeeper:3.9.5"
SPEC: Manifest = {
    "clusterRef": {"name": "main"},
    "storage": {"persistentVolumeClaim": {"claimName": CLAIM}},
}
STARTED = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)


@dataclass
class Storage:
    """What the Jobs have stored, by the uid of the backup; `taken` counts how often each was asked for."""

    locations: dict[str, str] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)


def backup(name: str = "main-1", **spec: Any) -> Manifest:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperBackup", "metadata": meta, "spec": SPEC | spec}


def facts(location: str, verified: bool = True, ephemerals: int = 2) -> Facts:
    return Facts(
        zxid="0x10000002a",
        epoch=1,
        znodes=30,
        bytes=4096,
        stored_bytes=1024,
        digest="0x1f",
        sha256="ab" * 32,
        location=location,
        member="main-zk-1.main-zk-members.demo.svc.cluster.local:2181",
        version="3.9.5",
        types_kept=False,
        ephemerals_left_out=ephemerals,
        started_at="2026-11-30T12:00:01Z",
        completed_at="2026-11-30T12:00:09Z",
        verified_at="2026-11-30T12:00:10Z" if verified else None,
    )


class BackupSite:
    """One operator process and its surroundings. Nothing happens but by a call of a method."""

    def __init__(self) -> None:
        self.kube = FakeKube()
        self.wall = STARTED
        self.storage = Storage()
        self.answers: list[Result] = []
        """What Jobs that take backups answer, the next one first; with none left they do their work."""
        self.deletions: list[Result] = []
        self.drills: list[Result] = []
        self.starts_pods = True
        self.rounds = 0
        self.kube.put(ZOOKEEPER_CLUSTERS, cluster())
        self.kube.put(PERSISTENT_VOLUME_CLAIMS, {"metadata": {"name": CLAIM, "namespace": NAMESPACE}, "spec": {}})
        self.kube.put(PODS, own_pod())
        self.start()

    def start(self) -> None:
        """A new process, which remembers nothing."""
        pod = OperatorPod(HOME, OWN_POD, default_image=DEFAULT_IMAGE)
        self.operator = BackupReconciler(self.kube, pod, wall=lambda: self.wall)

    # The operator.

    async def reconcile(self, name: str = "main-1") -> float:
        """One pass; returns after how many seconds the next is due."""
        try:
            return (await self.operator.reconcile(Key(NAMESPACE, name))).after_s
        except ConflictError:
            return 0.0

    async def settle(self, name: str = "main-1", *, seconds: float = 3600) -> None:
        """Reconcile, and let Jobs and time go on, until nothing is due any more or so much time is over."""
        end = self.wall + timedelta(seconds=seconds)
        while self.wall < end:
            due_s = await self.reconcile(name)
            self.run_jobs()
            if due_s == float("inf"):
                return
            self.wall += timedelta(seconds=due_s)
        return

    # What users do.

    def create(self, name: str = "main-1", **spec: Any) -> Manifest:
        return self.kube.put(ZOOKEEPER_BACKUPS, backup(name, **spec))

    def delete(self, name: str = "main-1") -> None:
        self.kube.remove(ZOOKEEPER_BACKUPS, NAMESPACE, name)

    # What is seen.

    def object(self, name: str = "main-1") -> Manifest | None:
        return self.kube.peek(ZOOKEEPER_BACKUPS, NAMESPACE, name)

    def status(self, name: str = "main-1") -> Manifest:
        found = self.object(name)
        assert found is not None
        return found.get("status") or {}

    def condition(self, kind: str, name: str = "main-1") -> tuple[str, str, str]:
        found = {each["type"]: each for each in self.status(name).get("conditions", ())}
        each = found.get(kind, {})
        return each.get("status", ""), each.get("reason", ""), each.get("message", "")

    def jobs(self) -> list[Manifest]:
        return list(self.kube.every(JOBS))

    # The Job controller, the kubelet and the Jobs themselves.

    def run_jobs(self) -> None:
        """Bring every Job one step on: a pod, then its end with a result."""
        self.kube.collect_garbage()
        for job in self.jobs():
            name, pod = job["metadata"]["name"], self.pod_of(job)
            if (job.get("status") or {}).get("conditions") or "deletionTimestamp" in job["metadata"]:
                continue
            if pod is None:
                self.kube.put(PODS, pod_for(job, started=self.starts_pods))
            elif self.starts_pods:
                self.finish(name, self.work(order_of(job)))

    def work(self, order: BackupOrder | DeleteOrder | DrillOrder) -> Result:
        """What the container does."""
        if isinstance(order, DrillOrder):
            return self.drills.pop(0) if self.drills else Complete(facts(order.location))
        if isinstance(order, DeleteOrder):
            result = self.deletions.pop(0) if self.deletions else Complete()
            if isinstance(result, Complete):
                self.storage.locations.pop(order.uid, None)
            return result
        if self.answers:
            return self.answers.pop(0)
        self.storage.taken[order.uid] = self.storage.taken.get(order.uid, 0) + 1
        location = self.storage.locations.setdefault(order.uid, f"{order.directory}/20261130T120001-10000002a")
        return Complete(facts(location, verified=order.verification == "Structure"))

    def pod_of(self, job: Manifest) -> Manifest | None:
        return self.kube.peek(PODS, NAMESPACE, f"{job['metadata']['name']}-abcde")

    def finish(self, name: str, result: Result | None, *, reason: str = "BackoffLimitExceeded", **end: Any) -> None:
        """The container of the Job ends with a result, or with none: killed."""
        failed = not isinstance(result, Complete)
        ended: Manifest = {"exitCode": 1 if failed else 0, "reason": "Error" if failed else "Completed", **end}
        if result is not None:
            ended["message"] = result_to_json(result)
        status = {
            "phase": "Failed" if failed else "Succeeded",
            "containerStatuses": [{"name": "backup", "state": {"terminated": ended}}],
        }
        if self.kube.peek(PODS, NAMESPACE, f"{name}-abcde") is not None:
            self.kube.edit(PODS, NAMESPACE, f"{name}-abcde", {"status": status}, subresource="status")
        condition: Manifest = {"type": "Failed" if failed else "Complete", "status": "True"}
        condition["lastTransitionTime"] = self.wall.strftime("%Y-%m-%dT%H:%M:%SZ")
        condition |= {"reason": reason, "message": "Job has failed"} if failed else {}
        self.kube.edit(JOBS, NAMESPACE, name, {"status": {"conditions": [condition]}}, subresource="status")


def order_of(job: Manifest) -> BackupOrder | DeleteOrder | DrillOrder:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (variable,) = container["env"]
    order = order_from_json(variable["value"])
    assert isinstance(order, BackupOrder | DeleteOrder | DrillOrder)
    return order


def cluster(**status: Any) -> Manifest:
    known = {"hosts": "main-zk-0.main-zk-members.demo:2181,main-zk-1.main-zk-members.demo:2181", **status}
    return {"metadata": {"name": "main", "namespace": NAMESPACE}, "spec": {"replicas": 2}, "status": known}


def own_pod() -> Manifest:
    containers = [{"name": "proxy", "image": "proxy:1"}, {"name": "operator", "image": IMAGE}]
    return {"metadata": {"name": OWN_POD, "namespace": HOME}, "spec": {"containers": containers}}


def pod_for(job: Manifest, *, started: bool) -> Manifest:
    template, meta = job["spec"]["template"], job["metadata"]
    state = {"running": {}} if started else {"waiting": {"reason": "ContainerCreating"}}
    owner = {"kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
    return {
        "metadata": {
            "name": f"{meta['name']}-abcde",
            "namespace": NAMESPACE,
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
        "status": {"phase": "Running" if started else "Pending", "containerStatuses": [{"name": "b", "state": state}]},
    }


def killing(site: BackupSite, number: int, *, after: bool) -> Callable[[], int]:
    """Have the operator killed at its write of this number, before or after it takes effect. Returns a counter."""
    kill = KillAt(number)
    if after:
        site.kube.after = kill.request
    else:
        site.kube.before = kill.request
    return lambda: kill.writes


def living(site: BackupSite) -> None:
    """Nobody is killed any more, and the operator starts again."""
    site.kube.before = site.kube.after = lambda _: None
    site.start()


FAILED = {reason: Failed(reason, f"words about {reason}") for reason in Reason}


BUCKET = {
    "bucket": "copies",
    "prefix": "zk",
    "endpoint": "https://s3.example",
    "region": "eu-1",
    "credentialsSecret": "keys",
    "caSecret": "s3-ca",
    "serverSideEncryption": "aws:kms",
    "kmsKeyId": "k",
}


async def site_with_job() -> BackupSite:
    site = BackupSite()
    site.create()
    while not site.jobs():
        await site.reconcile()
    return site
