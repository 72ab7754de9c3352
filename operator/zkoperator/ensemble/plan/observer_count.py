"""How many observers there are to be: as many as the spec says, or as many as somebody has scaled them to. Pure."""

from dataclasses import replace

from zkoperator.api.observers import MAX_OBSERVERS
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.validate import ValidatedCluster


def with_observers(cluster: ValidatedCluster, observed: Observed) -> ValidatedCluster:
    """Return the cluster with the number of observers that counts now."""
    return replace(cluster, observer_count=_count(cluster, observed))


def _count(cluster: ValidatedCluster, observed: Observed) -> int:
    scaled = observed.replicas_of(Child.OBSERVERS)
    if not cluster.observers_are_scaled or scaled is None:
        return cluster.observer_count
    return min(scaled, MAX_OBSERVERS)
