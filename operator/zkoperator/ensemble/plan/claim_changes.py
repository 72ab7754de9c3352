"""What is to be changed of a claim, and in which words that is told. Pure."""

from zkoperator.api.member_volume import VolumeState
from zkoperator.api.reasons import ClusterReason
from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.plan.steps import ExpandClaim, ModifyClaim
from zkoperator.ensemble.validate import ValidatedCluster


def due_change(cluster: ValidatedCluster, claim: ClaimView) -> ExpandClaim | ModifyClaim | None:
    """Return what the claim must ask for that it does not ask for, None when that is nothing."""
    storage = cluster.spec.storage
    if claim.state in (VolumeState.PENDING, VolumeState.LOST) or not claim.requested:
        return None
    if _has_wrong_size(claim, storage.size):
        return ExpandClaim(claim, storage.size)
    attributes = storage.volume_attributes_class_name
    return ModifyClaim(claim, attributes) if attributes and claim.attributes_class != attributes else None


def wish_of(change: ExpandClaim | ModifyClaim) -> str:
    """Return what is asked for: a size or the name of a class."""
    return change.size if isinstance(change, ExpandClaim) else change.attributes_class


def has_another_class(cluster: ValidatedCluster, claim: ClaimView) -> bool:
    """Whether the claim is of another StorageClass than the spec names."""
    wanted = cluster.spec.storage.storage_class_name
    return bool(wanted) and claim.storage_class != wanted


def reason_of_change(cluster: ValidatedCluster, claim: ClaimView) -> ClusterReason:
    """Return the reason of Progressing while the claim changes."""
    is_modified = claim.state is VolumeState.MODIFYING or isinstance(due_change(cluster, claim), ModifyClaim)
    return ClusterReason.MODIFYING_VOLUMES if is_modified else ClusterReason.EXPANDING_VOLUMES


def message_of_change(cluster: ValidatedCluster, claim: ClaimView) -> str:
    """Return what is being done to the claim and its like."""
    change = due_change(cluster, claim)
    if change is None and claim.state is VolumeState.MODIFYING:
        change = ModifyClaim(claim, claim.attributes_class)
    return describe_change(change or ExpandClaim(claim, cluster.spec.storage.size))


def describe_change(change: ExpandClaim | ModifyClaim) -> str:
    """Return what is being done to all volumes."""
    if isinstance(change, ExpandClaim):
        return f"growing the volumes to {change.size}"
    return f"giving the volumes the attributes of VolumeAttributesClass {change.attributes_class}"


def refused_message(change: ExpandClaim | ModifyClaim, why: str) -> str:
    """Return what the API server has against the change, and what to do about it."""
    claim = change.claim
    if isinstance(change, ExpandClaim):
        return (
            f"claim {claim.name} of StorageClass {claim.storage_class or '(none)'} stays at {claim.capacity}: {why}; "
            "where the class cannot expand volumes (kubectl get storageclass: ALLOWVOLUMEEXPANSION), write "
            f"spec.storage.size: {claim.capacity} again"
        )
    field = "spec.storage.volumeAttributesClassName"
    # Once a class is named, the API server lets nobody leave the field out.
    back = claim.attributes_class or '""'
    return (
        f"claim {claim.name} does not ask for VolumeAttributesClass {change.attributes_class}: {why}; where Kubernetes "
        f"does not have this (1.34 does), write {field}: {back}"
    )


def _has_wrong_size(claim: ClaimView, size: str) -> bool:
    """Whether the claim must ask for another size: a larger one, or again for one that the storage can make."""
    wanted, requested = parse_quantity(size), parse_quantity(claim.requested)
    taken_back = claim.state is VolumeState.INFEASIBLE and parse_quantity(claim.capacity) <= wanted < requested
    return requested < wanted or taken_back
