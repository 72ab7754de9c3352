"""Every metric of the operator, with its name, meaning and labels.

The values of labels are bounded (kinds, outcomes, verbs), so that ten thousand ConfigSyncs have as many series as one.
Names of objects are labels only of the metrics that a setting asks for, and of as many objects as it says. A test
compares the alert rules and the dashboard with these metrics.
"""

from collections import Counter as Tally
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from math import inf
from typing import Any, Final

from prometheus_client import CollectorRegistry, Info

from zkoperator import __version__
from zkoperator.api.meta import Truth
from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.backup_metrics import BackupMetrics, ScheduleMetrics
from zkoperator.ensemble.status.meter import Cause
from zkoperator.ensemble.status.meter import Meter as ClusterMeter
from zkoperator.mirror.model.meter import PULL
from zkoperator.mirror.model.meter import Meter as SyncMeter
from zkoperator.object_metrics import (
    CONDITION,
    ObjectConditions,
    SummedGauge,
    conditions_of,
    counter,
    gauge,
    histogram,
)
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import Outcome
from zkoperator.runtime.wall_clock import utc_now
from zkoperator.tenant.status.meter import Meter as TenantMeter

_CHOSEN: Final = (SyncReason.PAUSED, SyncReason.DRY_RUN)
"""Reasons for which a ConfigSync is unequal on purpose, so that it does not lag."""


class Metrics:
    """The metrics of one process, in a registry of its own; `syncs`, `clusters` and so on are those of the kinds.

    Args:
        clock: for durations.
        objects: of so many objects of each kind the conditions are shown with their names.
    """

    def __init__(self, clock: Clock = MONOTONIC, *, objects: int = 0) -> None:
        self.registry = registry = CollectorRegistry()
        Info("zkoperator_build", "Version of the operator", registry=registry).info({"version": __version__})
        self._leader = gauge(registry, "zkoperator_leader", "1 while this replica holds the Lease")
        self._ready = gauge(registry, "zkoperator_ready", "1 while this replica could act, as /readyz says")
        self._others = gauge(
            registry,
            "zkoperator_other_operators",
            "Other operators that have written to our objects within the last hour",
        )
        self._passes = counter(registry, "zkoperator_reconcile_total", "Passes by kind and outcome", "kind", "outcome")
        self._pass_seconds = histogram(registry, "zkoperator_reconcile_seconds", "Duration of a pass", "kind")
        self._depth = gauge(registry, "zkoperator_queue_depth", "Objects waiting for a pass", "kind")
        self._kube = histogram(
            registry, "zkoperator_kube_request_seconds", "Requests to the Kubernetes API", "verb", "outcome"
        )
        self._zookeeper = histogram(
            registry,
            "zkoperator_zookeeper_request_seconds",
            "Requests to ZooKeeper, four-letter words included; reads of whole subtrees are not in here",
            "operation",
            "result",
        )
        self._kopf = gauge(
            registry, "zkoperator_kopf_starts", "Times that this process had to start kopf; more than 1: it has ended"
        )
        self.syncs = SyncMetrics(registry, clock, objects)
        self.clusters = ClusterMetrics(registry, objects)
        self.backups = BackupMetrics(registry, objects)
        self.schedules = ScheduleMetrics(registry, objects)
        self.tenants = TenantMetrics(registry, objects)

    def count_pass(self, kind: str, outcome: str, duration_s: float) -> None:
        """One pass of a loop."""
        self._passes.labels(kind, outcome).inc()
        self._pass_seconds.labels(kind).observe(duration_s)

    def count_kube_request(self, verb: str, outcome: str, duration_s: float) -> None:
        """One request to the Kubernetes API; `outcome` is the class of its status: 2xx, 4xx, 5xx or lost."""
        self._kube.labels(verb, outcome).observe(duration_s)

    def count_zookeeper_request(self, operation: str, result: str, duration_s: float) -> None:
        """One request to ZooKeeper; `result` is ok, refused (the ensemble answered no) or failed."""
        self._zookeeper.labels(operation, result).observe(duration_s)

    def watch_queues(self, depths: Mapping[str, Callable[[], int]]) -> None:
        """Read each loop's queue depth at scrape time."""
        for kind, depth in depths.items():
            self._depth.labels(kind).set_function(depth)

    def watch_leader(self, is_leader: Callable[[], bool]) -> None:
        """Read whether this replica acts at scrape time."""
        self._leader.set_function(is_leader)

    def watch_ready(self, is_ready: Callable[[], bool]) -> None:
        """Read what /readyz says at scrape time."""
        self._ready.set_function(is_ready)

    def watch_others(self, count: Callable[[], int]) -> None:
        """Read how many other operators are at work at scrape time."""
        self._others.set_function(count)

    def watch_kopf(self, starts: Callable[[], int]) -> None:
        """Read how often kopf was started at scrape time."""
        self._kopf.set_function(starts)


class SyncMetrics(SyncMeter):
    """The metrics of all ConfigSyncs together."""

    def __init__(self, registry: CollectorRegistry, clock: Clock, objects: int = 0) -> None:
        prefix = "zkoperator_sync"
        self._objects = ObjectConditions(registry, f"{prefix}_object_condition", objects)
        self._clock = clock
        self._unequal_since_s: dict[Key, float] = {}
        self._writes = counter(
            registry, f"{prefix}_total", "Writes to the other side, by direction and result", "direction", "result"
        )
        self._latency = histogram(
            registry,
            f"{prefix}_event_to_write_seconds",
            "From the first notification of a change to the end of its write",
            "direction",
        )
        self._cas = counter(
            registry, f"{prefix}_cas_failures_total", "Conditional writes refused by the side that had changed", "side"
        )
        self._snapshot = histogram(registry, f"{prefix}_snapshot_seconds", "Reading a whole subtree")
        self._rereads = counter(
            registry, f"{prefix}_snapshot_retries_total", "Reads of whole subtrees that a lost connection cut off"
        )
        self._resyncs = counter(registry, f"{prefix}_resyncs_total", "Whole subtrees read, by reason", "reason")
        self._events = counter(registry, f"{prefix}_watch_events_total", "Notifications of watched subtrees")
        self._flaps = counter(registry, f"{prefix}_flaps_total", "Keys held because both sides kept reverting them")
        self._renderings = counter(
            registry, f"{prefix}_renderings_total", "Renderings of templates, by what came of them", "result"
        )
        self._noop = counter(registry, f"{prefix}_noop_total", "Passes that found nothing to write")
        self._requests = counter(
            registry, f"{prefix}_api_writes_total", "Writes to the Kubernetes API by what was written", "object"
        )
        self._conditions = SummedGauge(gauge(registry, f"{prefix}_conditions", "ConfigSyncs by condition", *CONDITION))
        self._numbers = {
            field: SummedGauge(gauge(registry, f"{prefix}_{name}", meaning))
            for field, name, meaning in (
                ("keys", "keys", "Keys that are equal on both sides"),
                ("bytes", "bytes", "Bytes of the values of those keys"),
                ("conflictCount", "conflicts", "Keys that wait for a decision"),
                ("held", "held_deletes", "Deletions that wait for approval"),
            )
        }
        lag = gauge(
            registry,
            f"{prefix}_lag_seconds",
            "For how long the ConfigSync that is unequal longest has been so, as far as this process has seen",
        )
        lag.set_function(self._lag_s)

    def status_known(self, key: Key, status: Mapping[str, Any]) -> None:
        """Count the object under its conditions, and its numbers into the sums."""
        conditions = conditions_of(status)
        self._conditions.put(key, conditions)
        self._objects.put(key, conditions)
        held = _held(status)
        for field, sums in self._numbers.items():
            sums.put(key, {(): float(held if field == "held" else status.get(field, 0))})
        if _is_unequal(status):
            self._unequal_since_s.setdefault(key, self._clock.now_s())
        else:
            self._unequal_since_s.pop(key, None)

    def object_gone(self, key: Key) -> None:
        """Remove the object from all sums."""
        for sums in (self._conditions, *self._numbers.values()):
            sums.put(key, {})
        self._objects.put(key, {})
        self._unequal_since_s.pop(key, None)

    def wrote(self, direction: str, result: Outcome) -> None:
        """One write to one side."""
        self._writes.labels(direction, result.value).inc()
        if result is Outcome.CONFLICT:
            self._cas.labels("configmap" if direction == PULL else "zookeeper").inc()

    def landed(self, direction: str, duration_s: float) -> None:
        """A change has reached the other side."""
        self._latency.labels(direction).observe(duration_s)

    def heard(self) -> None:
        """One notification of a watched subtree."""
        self._events.inc()

    def read(self, reason: str, duration_s: float) -> None:
        """A whole subtree was read."""
        self._snapshot.observe(duration_s)
        self._resyncs.labels(reason).inc()

    def reread(self) -> None:
        """A read of a whole subtree was cut off."""
        self._rereads.inc()

    def flapped(self, keys: int) -> None:
        """So many keys are held from now on."""
        self._flaps.inc(keys)

    def rendered(self, result: str) -> None:
        """A rendering has ended."""
        self._renderings.labels(result).inc()

    def idled(self) -> None:
        """A pass found nothing to write."""
        self._noop.inc()

    def requested(self, what: str) -> None:
        """One write to the Kubernetes API."""
        self._requests.labels(what).inc()

    def _lag_s(self) -> float:
        now_s = self._clock.now_s()
        # A copy, because this runs in the thread of the scrape.
        return max((now_s - since_s for since_s in tuple(self._unequal_since_s.values())), default=0.0)


class ClusterMetrics(ClusterMeter):
    """The metrics of all ZooKeeperClusters together."""

    def __init__(self, registry: CollectorRegistry, objects: int = 0) -> None:
        prefix = "zkoperator_cluster"
        self._objects = ObjectConditions(registry, f"{prefix}_object_condition", objects)
        self._causes: dict[Key, Cause] = {}
        self._conditions = SummedGauge(gauge(registry, f"{prefix}_conditions", "Clusters by condition", *CONDITION))
        self._members = SummedGauge(gauge(registry, f"{prefix}_members", "Members of all clusters by role", "role"))
        self._steps = histogram(
            registry, f"{prefix}_step_seconds", "Steps by their kind and what became of them", "step", "result"
        )
        self._blocks = counter(
            registry, f"{prefix}_gate_blocks_total", "Times that a change came to wait, by its cause", "cause"
        )
        self._ends: dict[str, dict[Key, float]] = {name: {} for name in ("client", "quorum")}
        expiry = gauge(
            registry,
            f"{prefix}_certificate_expiry_seconds",
            "Seconds until the first certificate of any cluster ends",
            "certificate",
        )
        for name, ends in self._ends.items():
            expiry.labels(name).set_function(partial(_first_end_s, ends))

    def status_known(self, key: Key, status: Mapping[str, Any]) -> None:
        """Count the cluster under its conditions, and its members by role."""
        conditions = conditions_of(status)
        self._conditions.put(key, conditions)
        self._objects.put(key, conditions)
        if "members" in status:
            self._members.put(key, Tally((str(member["role"]),) for member in status["members"]))
        for name, ends in self._ends.items():
            end = ((status.get("tls") or {}).get(name) or {}).get("notAfter")
            ends.pop(key, None)
            if end:
                ends[key] = datetime.fromisoformat(end).timestamp()

    def object_gone(self, key: Key) -> None:
        """Remove the object from all sums."""
        self._conditions.put(key, {})
        self._objects.put(key, {})
        self._members.put(key, {})
        self._causes.pop(key, None)
        for ends in self._ends.values():
            ends.pop(key, None)

    def stepped(self, step: str, result: str, duration_s: float) -> None:
        """One step was tried."""
        self._steps.labels(step, result).observe(duration_s)

    def blocked(self, key: Key, cause: Cause | None) -> None:
        """Count a waiting change once for each cause, not once for each pass."""
        if cause is None:
            self._causes.pop(key, None)
        elif self._causes.get(key) is not cause:
            self._causes[key] = cause
            self._blocks.labels(cause.value).inc()


class TenantMetrics(TenantMeter):
    """The metrics of all ZNodes together."""

    def __init__(self, registry: CollectorRegistry, objects: int = 0) -> None:
        prefix = "zkoperator_znode"
        self._objects = ObjectConditions(registry, f"{prefix}_object_condition", objects)
        self._conditions = SummedGauge(gauge(registry, f"{prefix}_conditions", "ZNodes by condition", *CONDITION))
        self._open = SummedGauge(
            gauge(registry, f"{prefix}_world_writable", "Znodes of all tenants that everybody may change")
        )
        self._sums = {
            "count": SummedGauge(gauge(registry, f"{prefix}_usage_znodes", "Znodes of all tenants together")),
            "bytes": SummedGauge(gauge(registry, f"{prefix}_usage_bytes", "Bytes of the data of all tenants together")),
        }

    def status_known(self, key: Key, status: Mapping[str, Any]) -> None:
        """Count the ZNode under its conditions, and its size into the sums."""
        conditions = conditions_of(status)
        self._conditions.put(key, conditions)
        self._objects.put(key, conditions)
        self._open.put(key, {(): float(status.get("worldWritable", 0))})
        for field, sums in self._sums.items():
            sums.put(key, {(): float((status.get("usage") or {}).get(field, 0))})

    def object_gone(self, key: Key) -> None:
        """Remove the ZNode from all sums."""
        for sums in (self._conditions, self._open, *self._sums.values()):
            sums.put(key, {})
        self._objects.put(key, {})


def _first_end_s(ends: Mapping[Key, float]) -> float:
    """Return in how many seconds the first certificate ends; infinity while there is none."""
    # A copy, because this runs in the thread of the scrape.
    return min(tuple(ends.values()), default=inf) - utc_now().timestamp()


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = status.get("conditions") or ()
    return next((item for item in conditions if item["type"] == SyncCondition.READY), {})


def _is_unequal(status: Mapping[str, Any]) -> bool:
    ready = _ready(status)
    return bool(ready) and ready["status"] != Truth.TRUE and ready["reason"] not in _CHOSEN


def _held(status: Mapping[str, Any]) -> int:
    conditions = status.get("conditions") or ()
    holds = any(item["type"] == SyncCondition.DELETIONS_HELD and item["status"] == Truth.TRUE for item in conditions)
    return int((status.get("pending") or {}).get("deletes", 0)) if holds else 0
