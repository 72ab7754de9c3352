"""The PodDisruptionBudget: evictions leave a quorum."""

from zkoperator.api.cluster import SingleMember
from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def spare_members(cluster: ValidatedCluster, voters: int) -> int:
    """Return how many members may be away at once: one, or none where one or two voters need all of them.

    A single member may be away where the spec allows it. One that is to become several may not: it has the only copy.
    """
    return 1 if _may_be_away(cluster, voters) else min(1, (voters - 1) // 2)


def disruption_budget(cluster: ValidatedCluster, voters: int) -> Manifest:
    """Return the budget for this many voters."""
    spec = {
        "maxUnavailable": spare_members(cluster, voters),
        # A member that is not ready may be about to complete a majority, so the budget protects it too. A single member
        # that may be away is the exception: while it is not ready, the budget would refuse its eviction for ever.
        "unhealthyPodEvictionPolicy": "AlwaysAllow" if _may_be_away(cluster, voters) else "IfHealthyBudget",
        "selector": {"matchLabels": cluster.names.labels},
    }
    return manifest(cluster, "policy/v1", "PodDisruptionBudget", cluster.names.disruption_budget, spec=spec)


def observers_budget(cluster: ValidatedCluster, observers: int) -> Manifest:
    """Return the budget of observers: a quarter may be away at once, and at least one.

    Args:
        cluster: the cluster with the spec of the observers.
        observers: how many there are to be.
    """
    spec = {
        "maxUnavailable": max(1, observers // 4),
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": cluster.names.labels_of(cluster.component)},
    }
    return manifest(cluster, "policy/v1", "PodDisruptionBudget", cluster.names.observers, spec=spec)


def _may_be_away(cluster: ValidatedCluster, voters: int) -> bool:
    allowed = cluster.spec.disruption.single_member is SingleMember.ALLOW
    return allowed and voters == cluster.spec.replicas == 1
