"""Steps for claims: annotated while their members vote; kept or deleted by policy after the members left. Pure."""

from zkoperator.api.cluster import RetentionPolicy, StorageType
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.steps import DeleteClaim, NoteOnClaim, Step
from zkoperator.ensemble.validate import ValidatedCluster

MEMBER = "member"
LEFT = "left"


def claim_steps(cluster: ValidatedCluster, observed: Observed) -> tuple[Step, ...]:
    """Return the steps for all claims; none before status records that the claims belong to this cluster.

    Membership is known only while there is a leader. The owner reference follows from the spec alone and is written
    without a leader, because the cluster may be deleted at any time.
    """
    if cluster.status.bootstrap is None or cluster.spec.storage.type is StorageType.EPHEMERAL:
        return ()
    return tuple(
        step
        for _, claim in sorted(observed.claims.items())
        if not claim.deleting
        for step in _steps(cluster, observed, claim)
    )


def is_unused(cluster: ValidatedCluster, observed: Observed, claim: ClaimView) -> bool:
    """Whether the claim is unused: its member is neither committed nor asked for, and there is no pod for it."""
    if observed.committed is None or not cluster.is_founded:
        return False
    unused = observed.committed.find(claim.member) is None and claim.member not in cluster.members
    return unused and claim.member not in observed.pods and claim.member > (observed.replicas or 0)


def _steps(cluster: ValidatedCluster, observed: Observed, claim: ClaimView) -> tuple[Step, ...]:
    retention = cluster.spec.storage.retention
    if (
        is_unused(cluster, observed, claim)
        and claim.membership != LEFT
        and retention.when_scaled is RetentionPolicy.DELETE
    ):
        return (DeleteClaim(claim),)
    membership = _membership(cluster, observed, claim)
    owned = retention.when_deleted is RetentionPolicy.DELETE
    ensemble = cluster.ensemble if _votes(observed, claim) and cluster.ensemble else claim.ensemble
    noted = (claim.membership, cluster.meta.uid in claim.owners, claim.ensemble)
    if (membership, owned, ensemble) == noted:
        return ()
    return (NoteOnClaim(claim, membership, owned, ensemble),)


def _votes(observed: Observed, claim: ClaimView) -> bool:
    return observed.committed is not None and claim.member in observed.committed.voters


def _membership(cluster: ValidatedCluster, observed: Observed, claim: ClaimView) -> str:
    if _votes(observed, claim):
        return MEMBER
    return LEFT if is_unused(cluster, observed, claim) else claim.membership
