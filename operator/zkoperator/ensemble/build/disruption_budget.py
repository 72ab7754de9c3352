"""The PodDisruptionBudget: evictions never take more than the quorum can spare."""

from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def spare_members(voters: int) -> int:
    """Return how many members may be away at once: one, or none where one or two voters need all of them."""
    return min(1, (voters - 1) // 2)


def disruption_budget(cluster: ValidatedCluster, voters: int) -> Manifest:
    """Return the budget for this many voters."""
    spec = {"maxUnavailable": spare_members(voters), "selector": {"matchLabels": cluster.names.selector}}
    return manifest(cluster, "policy/v1", "PodDisruptionBudget", cluster.names.disruption_budget, spec=spec)
