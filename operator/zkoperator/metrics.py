"""Every metric of the operator: its name, its meaning and its labels, in one place.

Labels are bounded: kinds, outcomes, verbs, never names of objects, so that ten thousand ConfigSyncs cost as many series
as one. Alert rules and dashboard name these metrics; a test compares them.
"""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from zkoperator import __version__

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
"""Bucket bounds in seconds for what should take milliseconds."""


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Info("zkoperator_build", "Version of the operator", registry=self.registry).info({"version": __version__})
        self._leader = Gauge("zkoperator_leader", "1 while this replica holds the Lease", registry=self.registry)
        self._passes = self._counter("zkoperator_reconcile_total", "Passes by kind and outcome", "kind", "outcome")
        self._pass_seconds = self._histogram("zkoperator_reconcile_seconds", "Duration of a pass", "kind")
        self._depth = Gauge("zkoperator_queue_depth", "Objects waiting for a pass", ["kind"], registry=self.registry)
        self._kube = self._histogram(
            "zkoperator_kube_request_seconds", "Requests to the Kubernetes API", "verb", "outcome"
        )
        self._kopf_restarts = self._counter("zkoperator_kopf_restarts_total", "Times that kopf had to be started again")

    def count_pass(self, kind: str, outcome: str, duration_s: float) -> None:
        """One pass of a loop."""
        self._passes.labels(kind, outcome).inc()
        self._pass_seconds.labels(kind).observe(duration_s)

    def count_kube_request(self, verb: str, outcome: str, duration_s: float) -> None:
        """One request to the Kubernetes API; `outcome` is the class of its status: 2xx, 4xx, 5xx or lost."""
        self._kube.labels(verb, outcome).observe(duration_s)

    def count_kopf_restart(self) -> None:
        """kopf ended by itself."""
        self._kopf_restarts.inc()

    def watch_queues(self, depths: Mapping[str, Callable[[], int]]) -> None:
        """Read each loop's queue depth at scrape time."""
        for kind, depth in depths.items():
            self._depth.labels(kind).set_function(depth)

    def watch_leader(self, is_leader: Callable[[], bool]) -> None:
        """Read whether this replica acts at scrape time."""
        self._leader.set_function(is_leader)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=FAST, registry=self.registry)
