"""Several replicas of the operator on one site: which of them holds the Lease."""

from tests.support.worlds.site import Plot


def leased(plot: Plot, identity: str) -> dict[str, str]:
    """Return the settings of a replica with this identity."""
    lease = {"ZKOPERATOR_LEASE": "true", "ZKOPERATOR_NAMESPACE": plot.namespace, "ZKOPERATOR_IDENTITY": identity}
    return plot.settings | lease


async def holder(plot: Plot) -> str:
    """Return the identity of the replica that holds the Lease, "" when none does."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{plot.namespace}/leases/zkoperator"
    lease = await plot.site.kube.find(path) or {}
    return str((lease.get("spec") or {}).get("holderIdentity") or "").rpartition("_")[0]
