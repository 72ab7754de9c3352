"""Restarts of workloads: one for each settled content that a workload does not run with yet. Pure.

The status of the ConfigSync has the hash of the content that each workload runs with, by the workload's uid. The pod
template has the hash too, as an annotation: it makes the controller replace the pods, and an operator that died before
it wrote the status finds there that the restart was made.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from zkoperator.api.reasons import SyncReason
from zkoperator.api.workloads import RolledContent, Workload, WorkloadKind, WorkloadRollout
from zkoperator.kube.port import DAEMON_SETS, DEPLOYMENTS, ROLLOUTS, STATEFUL_SETS, Resource
from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.names import rollout_annotation
from zkoperator.mirror.model.selected_znodes import selected_path
from zkoperator.mirror.model.selection import Selection

RESOURCES: Final[Mapping[WorkloadKind, Resource]] = {
    WorkloadKind.DEPLOYMENT: DEPLOYMENTS,
    WorkloadKind.STATEFUL_SET: STATEFUL_SETS,
    WorkloadKind.DAEMON_SET: DAEMON_SETS,
    WorkloadKind.ROLLOUT: ROLLOUTS,
}
DONE: Final = (SyncReason.ROLLED_OUT, SyncReason.UP_TO_DATE)
"""Reasons of a workload that has the content that its entry names."""

_UNUSED_S: Final = 60.0
_NO_PATHS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(slots=True)
class RolloutState:
    """What one process knows of the content of one ConfigMap; losing it costs reads, never a restart.

    Times are monotonic seconds.
    """

    content: str = ""
    since_s: float = 0.0
    former: str = ""
    """The hash of the same values under another selection of keys."""
    whole: str = ""
    """The hash of all values, selected or not."""
    _seen: tuple[str, int] = ("", 0)

    def recall(self, known: RolledContent | None, now_s: float) -> None:
        """Take over what an earlier process has recorded in the status, before anything is seen."""
        if not self.content and known is not None:
            self.content, self.whole, self.since_s = known.hash, known.whole, now_s

    def see(
        self,
        content: Content,
        selection: Selection,
        generation: int,
        now_s: float,
        paths: Mapping[str, str] = _NO_PATHS,
    ) -> None:
        """Note the content as it is now, selected by the spec of this generation. `paths`: see `content_hash`."""
        seen = content.resource_version, generation
        if seen == self._seen:
            return
        whole, selected = content_hash(content), content_hash(content, selection, paths)
        if selected != self.content:
            self.former = self.content if whole == self.whole else ""
            self.content, self.since_s = selected, now_s
        self.whole, self._seen = whole, seen

    def wait_s(self, now_s: float, *, settle_s: float) -> float:
        """Return the seconds that the content has to stay unchanged until it is settled; 0: it is settled."""
        return max(0.0, self.since_s + settle_s - now_s)


@dataclass(slots=True)
class PendingMarks:
    """Contents for which workloads have to be restarted, of all ConfigSyncs: one restart takes all those of a workload.

    Times are monotonic seconds. `longest_s`: how long a settled content waits for other contents at most.
    """

    longest_s: float
    _marks: dict[tuple[str, Workload], dict[str, tuple[str, float]]] = field(default_factory=dict)

    def want(self, namespace: str, workload: Workload, sync: str, content: str, settled_s: float) -> None:
        """Note what this ConfigSync wants, and when its content has settled."""
        self._marks.setdefault((namespace, workload), {})[sync] = content, settled_s

    def wait_s(self, namespace: str, workload: Workload, now_s: float) -> float:
        """Return how long to wait for contents that have not settled yet; 0: now."""
        times = [settled_s for _, settled_s in self._marks.get((namespace, workload), {}).values()]
        latest_s, first_s = max(times, default=now_s), min(times, default=now_s)
        return max(0.0, min(latest_s, first_s + self.longest_s) - now_s)

    def marks(self, namespace: str, workload: Workload) -> dict[str, str]:
        """Return ConfigSync -> content."""
        return {sync: content for sync, (content, _) in self._marks.get((namespace, workload), {}).items()}

    def give_up(self, namespace: str, sync: str, kept: Collection[Workload] = ()) -> None:
        """Forget what this ConfigSync wants of workloads that are not in `kept`: it rests, is gone, or names others."""
        for where, workload in list(self._marks):
            if where == namespace and workload not in kept:
                self.settle(namespace, workload, sync)

    def settle(self, namespace: str, workload: Workload, sync: str) -> None:
        """Forget what this ConfigSync wants: the workload has it, or cannot have it."""
        marks = self._marks.get((namespace, workload), {})
        marks.pop(sync, None)
        if not marks:
            self._marks.pop((namespace, workload), None)


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
    """When a whole burst of restarts is free again."""

    def wait_s(self, namespace: str, workload: Workload, now_s: float) -> float:
        """Return the seconds until the turn of the workload, which the first call reserves; 0: now."""
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
        """Drop restarts that limit nothing any more, and turns that were not used."""
        for times, age_s in ((self._restarted_s, self.interval_s), (self._slots_s, self.interval_s + _UNUSED_S)):
            for key in [key for key, at_s in times.items() if now_s - at_s > age_s]:
                del times[key]


def content_hash(content: Content, selection: Selection | None = None, paths: Mapping[str, str] = _NO_PATHS) -> str:
    """Return the hash of keys and values, of the selected keys where there is a selection.

    `paths`: key -> path, for keys from which the path does not follow.
    """
    digest = hashlib.sha256()
    for key, held in sorted(content.keys.items()):
        if selection is None or _is_selected(key, selection, paths):
            digest.update(key.encode() + b"\0" + held.digest)
    return digest.hexdigest()[:32]


def _is_selected(key: str, selection: Selection, paths: Mapping[str, str]) -> bool:
    return selection.takes(paths[key]) if key in paths else isinstance(selected_path(key, selection), str)


def waiting_workloads(
    workloads: tuple[Workload, ...], known: Mapping[Workload, WorkloadRollout], content: str
) -> tuple[Workload, ...]:
    """Return the workloads that are not known to run with this content."""
    return tuple(item for item in workloads if item not in known or not has_content(known[item], content))


def has_content(entry: WorkloadRollout, content: str) -> bool:
    """Whether the entry says that the workload runs with this content."""
    return entry.hash == content and entry.reason in DONE


def reason_without_restart(
    workload: Mapping[str, Any], known: WorkloadRollout | None, content: RolledContent, sync: str
) -> SyncReason | None:
    """Return why the workload needs no restart, or cannot be restarted; None: it needs one.

    A workload that was created after the values were written has started its pods with them. Times are those of the
    API server in whole seconds: within the same second the order is unknown.
    """
    meta = workload["metadata"]
    if "template" not in workload["spec"]:
        return SyncReason.NO_POD_TEMPLATE
    if current_hash(workload, sync) == content.hash:
        return SyncReason.ROLLED_OUT
    is_known = known is not None and known.uid == meta["uid"] and known.hash != ""
    is_younger = content.time is not None and str(meta.get("creationTimestamp", "")) > content.time
    return SyncReason.UP_TO_DATE if is_younger and not is_known else None


def current_hash(workload: Mapping[str, Any], sync: str) -> str | None:
    """Return the hash that the workload's pods are started with, None when there is none yet."""
    meta = workload["spec"]["template"].get("metadata") or {}
    found = (meta.get("annotations") or {}).get(rollout_annotation(sync))
    return None if found is None else str(found)


def restart_patch(marks: Mapping[str, str]) -> dict[str, Any]:
    """Return the merge patch that makes the workload's controller replace its pods. `marks`: ConfigSync -> content."""
    annotations = {rollout_annotation(sync): content for sync, content in sorted(marks.items())}
    return {"spec": {"template": {"metadata": {"annotations": annotations}}}}
