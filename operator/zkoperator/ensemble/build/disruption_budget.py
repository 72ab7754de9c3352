"""The PodDisruptionBudget: evictions never take more than the quorum can spare."""

from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def disruption_budget(cluster: ValidatedCluster, voters: int) -> Manifest:
    """Return the budget for this many voters: one at a time, none where one or two voters need all of them."""
    spec = {"maxUnavailable": min(1, (voters - 1) // 2), "selector": {"matchLabels": cluster.names.selector}}
    return manifest(cluster, "policy/v1", "PodDisruptionBudget", cluster.names.disruption_budget, spec=spec)
