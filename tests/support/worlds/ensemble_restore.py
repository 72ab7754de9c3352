"""A world with backups: Jobs that check and fetch them, and copies that are taken before a restore."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tests.support.models.ensemble_members import Disk
from tests.support.models.ensemble_simulation import GOOD, NAMES, raw_cluster
from tests.support.worlds.backup_site import facts, pod_for
from tests.support.worlds.ensemble import KEY
from tests.support.worlds.ensemble_recovery import RecoveryWorld
from zkoperator.backup.observe.image import ImageFinder
from zkoperator.backup.order import Complete, Failed, Reason, Result, VerifyOrder, order_from_json, result_to_json
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Configuration, parse_servers
from zkoperator.ensemble.model.names import RESTORE
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.validate import Defaults
from zkoperator.kube.port import (
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_BACKUPS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)

STORAGE = {"persistentVolumeClaim": {"claimName": "backups"}}
LOCATION = "demo/main/uid-of-old/20261129T120000Z-50000002a"
EPOCH = 5
SOUND = Complete(replace(facts(LOCATION), epoch=EPOCH, zxid="0x50000002a"))
WHAT_IT_HOLDS = 3
"""The last write that the backup has."""


@dataclass
class RestoreWorld(RecoveryWorld):
    """A namespace with one cluster and one backup."""

    answers: list[Result] = field(default_factory=list)
    """What Jobs answer, the next one first; with none left they find the backup sound."""
    fetched: dict[str, int] = field(default_factory=dict)
    """On each volume, by the name of its claim: the epoch of the incarnation for which a backup was put there."""
    copies_fail: bool = False
    copied: list[int] = field(default_factory=list)
    """The last write that each copy has which was taken before a restore."""

    def __post_init__(self) -> None:
        super().__post_init__()
        claim = {"metadata": {"name": "backups", "namespace": "demo"}, "spec": {}}
        self.api.put(PERSISTENT_VOLUME_CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim})

    def operator_with(self, api: Any, members: Any) -> EnsembleReconciler:
        images = ImageFinder(api, "operator:1", "", "")
        return EnsembleReconciler(
            api, self.store, members, members, Defaults(GOOD), self.clock, wall=self.wall, images=images
        )

    # What a test does

    def back_up(self, name: str = "night", **status: Any) -> None:
        """Have a backup of an earlier time."""
        known = {"location": LOCATION, "conditions": [condition("Complete", "True")]}
        self.api.put(ZOOKEEPER_BACKUPS, backup(name) | {"status": known | status})

    def complete(self, name: str) -> None:
        status = {"conditions": [condition("Complete", "True")]}
        self.api.edit(ZOOKEEPER_BACKUPS, "demo", name, {"status": status}, subresource="status")

    def restore(self, text: str) -> None:
        self.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {RESTORE: text}}})

    def withdraw(self) -> None:
        self.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {RESTORE: None}}})

    async def until(self, holds: Callable[[], bool], turns: int = 100) -> None:
        for _ in range(turns):
            if holds():
                return
            await self.turn()
        raise AssertionError(self.condition("Progressing"))

    def has_job(self, kind: str) -> bool:
        return any(f"-{kind}" in job["metadata"]["name"] for job in self.api.every(JOBS))

    # Kubernetes, and the Jobs themselves

    def _controllers(self) -> None:
        super()._controllers()
        for job in self.api.every(JOBS):
            if not (job.get("status") or {}).get("conditions"):
                self._run(job)
        for taken in self.api.every(ZOOKEEPER_BACKUPS):
            if not (taken.get("status") or {}).get("conditions"):
                self._copy(taken)

    def _run(self, job: Manifest) -> None:
        name = job["metadata"]["name"]
        if self.api.peek(PODS, "demo", f"{name}-abcde") is None:
            self.api.put(PODS, pod_for(job, started=True))
            return
        order = order_from_json(job["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"])
        assert isinstance(order, VerifyOrder)
        result = self.answers.pop(0) if self.answers else SOUND
        if order.target is not None:
            assert not self.pods, "a member runs while its volume is written to"
            if isinstance(result, Complete):
                (claim,) = [v["persistentVolumeClaim"]["claimName"] for v in volumes(job) if v["name"] == "data"]
                self.fetched[claim] = int(order.target.rpartition("/")[2])
        self._end_job(name, result)

    def _end_job(self, name: str, result: Result) -> None:
        failed = not isinstance(result, Complete)
        ended = {"exitCode": int(failed), "message": result_to_json(result)}
        status = {"phase": "Failed", "containerStatuses": [{"name": "b", "state": {"terminated": ended}}]}
        self.api.edit(PODS, "demo", f"{name}-abcde", {"status": status}, subresource="status")
        end = condition("Failed" if failed else "Complete", "True") | {"lastTransitionTime": self._text(self.wall())}
        self.api.edit(JOBS, "demo", name, {"status": {"conditions": [end]}}, subresource="status")

    def _copy(self, taken: Manifest) -> None:
        """Take a backup, as its own reconciler and Job do."""
        kinds = (("Complete", "False"), ("Failed", "True")) if self.copies_fail else (("Complete", "True"),)
        if not self.copies_fail:
            self.copied.append(self.acknowledged)
        status = {
            "location": f"demo/main/uid/20261130T120000Z-{self.acknowledged:x}",
            "completedAt": self._text(self.wall()),
            "conditions": [condition(*kind) for kind in kinds],
        }
        name = taken["metadata"]["name"]
        self.api.edit(ZOOKEEPER_BACKUPS, "demo", name, {"status": status}, subresource="status")

    def _text(self, moment: datetime) -> str:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    # The start procedure

    def _begin(self, member: int, incarnation: int, env: dict[str, str | None]) -> None:
        if env.get("ZK_SEED") == NAMES.pod(member) and env.get("ZK_SEED_FROM"):
            past = [other for other in self.pods if other != member and self.begun.get(other, 0) < incarnation]
            assert not past, f"members of the past run on: {past}"
            assert self.fetched.get(NAMES.claim(member)) == incarnation, "the backup is not on the seed's volume"
            self.epochs.append(incarnation)
            self.acknowledged = WHAT_IT_HOLDS
            (line,) = parse_servers(self.children[Child.CONFIG_MAP]["data"]["members"])
            version = (self.committed.version if self.committed is not None else 0) + 2**40
            self.committed = Configuration(version, (line,))
            self.disks[member] = Disk(self.committed, WHAT_IT_HOLDS)
            self.leader = None
            self.begun[member] = incarnation
            return
        super()._begin(member, incarnation, env)

    def _make_pod(self, member: int, live: Manifest) -> None:
        super()._make_pod(member, live)
        may = self.pods[member].founder and "bootstrap" in self.raw["spec"]
        assert not may, "a member may found an empty ensemble beside the restored one"


def volumes(job: Manifest) -> list[Manifest]:
    found: list[Manifest] = job["spec"]["template"]["spec"]["volumes"]
    return found


def backup(name: str) -> Manifest:
    meta = {"name": name, "namespace": "demo"}
    spec = {"clusterRef": {"name": "main"}, "storage": STORAGE}
    return {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperBackup", "metadata": meta, "spec": spec}


def condition(kind: str, truth: str) -> Manifest:
    told = {"reason": "Complete", "message": "words of it", "lastTransitionTime": "2026-11-30T12:00:00Z"}
    return {"type": kind, "status": truth, "observedGeneration": 1, **told}


UNREADABLE = Failed(Reason.DIGEST_DIFFERS, "its SHA-256 is another")


def restore_world(replicas: int = 3, **spec: object) -> RestoreWorld:
    raw = raw_cluster(replicas, **spec)
    return RestoreWorld({"metadata": {"name": "main", "namespace": "demo"}, "spec": raw["spec"]})
