"""Metrics of objects by their conditions, and how gauges, counters and histograms are made."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from zkoperator.api.meta import Truth
from zkoperator.api.reasons import StandardCondition, SyncCondition
from zkoperator.runtime.keys import Key

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
"""Bucket bounds in seconds for what should take milliseconds."""
SLOW = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0)
"""Bucket bounds in seconds for what takes as long as there is data."""

Labels = tuple[str, ...]
CONDITION: Final = ("condition", "status", "reason")


class ObjectConditions(Collector):
    """The conditions of single objects, those that are not ready first, up to a number of objects.

    The shipped configuration of kube-state-metrics exposes the same name and labels, without a limit.

    Args:
        registry: the registry of the process.
        name: of the metric.
        limit: so many objects are shown; 0: there is no such metric, and no object is remembered.
    """

    def __init__(self, registry: CollectorRegistry, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._known: dict[Key, tuple[Labels, ...]] = {}
        if limit:
            registry.register(self)

    def put(self, key: Key, conditions: Iterable[Labels]) -> None:
        """Replace the conditions of an object; none removes it."""
        self._known.pop(key, None)
        if self._limit and (shown := tuple(conditions)):
            self._known[key] = shown

    def describe(self) -> Iterable[Metric]:
        """Return the metric without a series."""
        yield self._family()

    def collect(self) -> Iterable[Metric]:
        """Return one series for each condition; 1 is its only value."""
        family = self._family()
        # A copy, because this runs in the thread of the scrape.
        known = sorted(self._known.copy().items(), key=lambda item: (_is_ready(item[1]), item[0]))
        for key, conditions in known[: self._limit]:
            for labels in conditions:
                family.add_metric((key.namespace, key.name, *labels), 1.0)
        yield family

    def _family(self) -> GaugeMetricFamily:
        meaning = "1: this object has this condition; of as many objects as --object-metrics says"
        return GaugeMetricFamily(self._name, meaning, labels=("namespace", "name", *CONDITION))


def _is_ready(conditions: Iterable[Labels]) -> bool:
    return any(labels[:2] == (SyncCondition.READY, Truth.TRUE) for labels in conditions)


class SummedGauge:
    """A gauge that is the sum over all objects, updated by the change of each object."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._shares: dict[Key, Mapping[Labels, float]] = {}

    def put(self, key: Key, shares: Mapping[Labels, float]) -> None:
        """Replace what this object adds to the sums; an empty mapping removes it."""
        before = self._shares.pop(key, {})
        if shares:
            self._shares[key] = shares
        if shares == before:
            return
        for labels in {*before, *shares}:
            series = self._gauge.labels(*labels) if labels else self._gauge
            series.inc(shares.get(labels, 0.0) - before.get(labels, 0.0))


def conditions_of(status: Mapping[str, Any]) -> dict[Labels, float]:
    """Return one share for each own condition of the status."""
    own = (item for item in status.get("conditions") or () if item["type"] not in set(StandardCondition))
    return {(item["type"], item["status"], item["reason"]): 1.0 for item in own}


def gauge(registry: CollectorRegistry, name: str, meaning: str, *labels: str) -> Gauge:
    """Register a gauge with these labels."""
    return Gauge(name, meaning, labels, registry=registry)


def counter(registry: CollectorRegistry, name: str, meaning: str, *labels: str) -> Counter:
    """Register a counter with these labels."""
    return Counter(name, meaning, labels, registry=registry)


def histogram(
    registry: CollectorRegistry, name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = FAST
) -> Histogram:
    """Register a histogram with these labels; `buckets` are bounds in seconds."""
    return Histogram(name, meaning, labels, buckets=buckets, registry=registry)
