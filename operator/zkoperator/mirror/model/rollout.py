"""Restarts of workloads: once for each content that has settled, decided by what the pods were started with. Pure.

The hash of the content stands in the pod template, as an annotation. So nothing has to be remembered: an operator that
dies between the write of the ConfigMap and the restart finds the old hash there and goes on.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from zkoperator.api.sync import Workload, WorkloadKind
from zkoperator.kube.port import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS, Resource
from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.names import rollout_annotation

RESOURCES: Final[Mapping[WorkloadKind, Resource]] = {
    WorkloadKind.DEPLOYMENT: DEPLOYMENTS,
    WorkloadKind.STATEFUL_SET: STATEFUL_SETS,
    WorkloadKind.DAEMON_SET: DAEMON_SETS,
}


_UNUSED_S: Final = 60.0


@dataclass(slots=True)
class RolloutState:
    """What one process knows of the rollouts of one ConfigSync; losing it costs reads, never a restart.

    Times are monotonic seconds.
    """

    content: str = ""
    since_s: float = 0.0
    confirmed: Mapping[Workload, str] | None = None

    def see(self, content: str, now_s: float) -> None:
        """Note the content of the ConfigMap as it is now."""
        if content != self.content:
            self.content, self.since_s = content, now_s

    def unconfirmed(self, workloads: tuple[Workload, ...]) -> tuple[Workload, ...]:
        """Return the workloads that are not known to run with this content."""
        confirmed = self.confirmed or {}
        return tuple(workload for workload in workloads if confirmed.get(workload) != self.content)

    def wait_s(self, now_s: float, *, settle_s: float) -> float:
        """Return how long the content has to stay as it is to count as settled; 0: it is."""
        return max(0.0, self.since_s + settle_s - now_s)

    def confirm(self, workload: Workload) -> None:
        """Note that the workload has the hash of this content."""
        self.confirmed = {**(self.confirmed or {}), workload: self.content}


@dataclass(slots=True)
class RestartLimits:
    """When workloads may be restarted, whichever ConfigSyncs ask for it. Times are monotonic seconds.

    Args:
        interval_s: shortest time between two restarts of one workload.
        burst: so many workloads may be restarted at once,
        period_s: and one more after each such time.
    """

    interval_s: float
    burst: int
    period_s: float
    _restarted_s: dict[tuple[str, Workload], float] = field(default_factory=dict)
    _slots_s: dict[tuple[str, Workload], float] = field(default_factory=dict)
    _full_s: float = float("-inf")
    """When the whole burst will be there again."""

    def wait_s(self, namespace: str, workload: Workload, now_s: float) -> float:
        """Return how long to wait for the turn that is reserved for the workload with the first question; 0: now."""
        self._forget(now_s)
        key = namespace, workload
        if key not in self._slots_s:
            self._slots_s[key] = max(now_s, self._full_s - (self.burst - 1) * self.period_s)
            self._full_s = max(now_s, self._full_s) + self.period_s
        rested_s = self._restarted_s.get(key, float("-inf")) + self.interval_s
        return max(0.0, self._slots_s[key] - now_s, rested_s - now_s)

    def restarts(self, namespace: str, workload: Workload, now_s: float) -> None:
        """Note that the turn is used."""
        self._slots_s.pop((namespace, workload), None)
        self._restarted_s[namespace, workload] = now_s

    def _forget(self, now_s: float) -> None:
        """Drop what limits nothing any more, and turns that nobody has used."""
        for times, age_s in ((self._restarted_s, self.interval_s), (self._slots_s, self.interval_s + _UNUSED_S)):
            for key in [key for key, at_s in times.items() if now_s - at_s > age_s]:
                del times[key]


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
