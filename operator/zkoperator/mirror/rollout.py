"""Restarts of workloads: once for each content that has settled, decided by what the pods were started with. Pure.

The hash of the content stands in the pod template, as an annotation. So nothing has to be remembered: an operator that
dies between the write of the ConfigMap and the restart finds the old hash there and goes on.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zkoperator.api.sync import Workload, WorkloadKind
from zkoperator.kube.port import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS, Resource
from zkoperator.mirror.content import Content
from zkoperator.mirror.names import rollout_annotation

RESOURCES: Final[Mapping[WorkloadKind, Resource]] = {
    WorkloadKind.DEPLOYMENT: DEPLOYMENTS,
    WorkloadKind.STATEFUL_SET: STATEFUL_SETS,
    WorkloadKind.DAEMON_SET: DAEMON_SETS,
}


@dataclass(slots=True)
class RolloutState:
    """What one process knows of the rollouts of one ConfigSync; losing it costs reads, never a restart.

    Times are monotonic seconds.
    """

    content: str = ""
    since_s: float = 0.0
    confirmed: Mapping[Workload, str] | None = None
    restarted_s: Mapping[Workload, float] | None = None

    def see(self, content: str, now_s: float) -> None:
        """Note the content of the ConfigMap as it is now."""
        if content != self.content:
            self.content, self.since_s = content, now_s

    def unconfirmed(self, workloads: tuple[Workload, ...]) -> tuple[Workload, ...]:
        """Return the workloads that are not known to run with this content."""
        confirmed = self.confirmed or {}
        return tuple(workload for workload in workloads if confirmed.get(workload) != self.content)

    def wait_s(self, workload: Workload, now_s: float, *, settle_s: float, interval_s: float) -> float:
        """Return how long this workload must not be touched yet; 0: it may be restarted now."""
        settled_s = self.since_s + settle_s
        rested_s = (self.restarted_s or {}).get(workload, float("-inf")) + interval_s
        return max(0.0, settled_s - now_s, rested_s - now_s)

    def confirm(self, workload: Workload) -> None:
        """Note that the workload has the hash of this content."""
        self.confirmed = {**(self.confirmed or {}), workload: self.content}

    def restarted(self, workload: Workload, now_s: float) -> None:
        """Note a restart."""
        self.restarted_s = {**(self.restarted_s or {}), workload: now_s}
        self.confirm(workload)


def content_hash(content: Content) -> str:
    """Return the hash of all keys and values; annotations and labels have no part in it."""
    digest = hashlib.sha256()
    for key, held in sorted(content.keys.items()):
        digest.update(key.encode() + b"\0" + held.digest)
    return digest.hexdigest()[:32]


def current_hash(workload: Mapping[str, Any], sync: str) -> str | None:
    """Return the hash that the workload's pods are started with, None when there is none yet."""
    meta = workload["spec"]["template"].get("metadata") or {}
    found = (meta.get("annotations") or {}).get(rollout_annotation(sync))
    return None if found is None else str(found)


def restart_patch(sync: str, content: str) -> dict[str, Any]:
    """Return the merge patch that makes the workload's controller replace its pods."""
    return {"spec": {"template": {"metadata": {"annotations": {rollout_annotation(sync): content}}}}}
