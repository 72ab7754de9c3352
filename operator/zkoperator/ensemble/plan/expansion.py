"""Volumes that grow: first the claims, then file systems that need a start of the member, at last the template. Pure.

Claims are enlarged while their members serve, and also while they do not: a full disk may be why. Only a member whose
file system does not follow by itself is restarted, through the gate, once.
"""

from zkoperator.api.cluster import StorageType
from zkoperator.api.member_volume import VolumeState
from zkoperator.api.reasons import ClusterReason
from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.expansions import GROWING, Expansion
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.ensemble.plan.claim_templates import remake_set
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.steps import ExpandClaim, Step
from zkoperator.ensemble.validate import ValidatedCluster

MOUNTED_S = 120.0
"""Seconds in which a kubelet lets a mounted file system grow, where it can: it looks at a pod about once a minute."""

LATE_S = 600.0
"""Seconds after which a volume that does not grow is told as something that a person should look at."""

_NOTHING = Expansion()


def expansion_steps(cluster: ValidatedCluster, observed: Observed) -> tuple[Step, ...]:
    """Return the enlargements of claims that are due and were not refused a moment ago."""
    size = cluster.spec.storage.size
    return tuple(
        ExpandClaim(claim, size)
        for claim in _claims(cluster, observed)
        if _is_due(claim, size) and _refusal(observed, claim, size) == ""
    )


def grow_volumes(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose what is next for the volumes, None when all have their size and new ones will have it, too."""
    size, reason = cluster.spec.storage.size, ClusterReason.EXPANDING_VOLUMES
    if cluster.spec.storage.type is StorageType.EPHEMERAL:
        return None
    claims = _claims(cluster, observed)
    open_claims = [claim for claim in claims if _is_due(claim, size) or claim.state in GROWING]
    if not open_claims:
        others = any(has_another_class(cluster, claim) for claim in observed.claims.values())
        return remake_set(cluster, observed, ClusterReason.REPLACING_VOLUMES if others else reason)
    message = growing_message(size)
    for claim in open_claims:
        if blocked := _obstacle(observed, claim, size):
            return Proposal(reason, message, blocked=blocked)
    waits = ", ".join(f"{claim.name} has {claim.capacity} ({claim.state.value})" for claim in open_claims)
    return Proposal(reason, f"{message}: {waits}")


def growing_message(size: str) -> str:
    """Return what is being done."""
    return f"growing the volumes to {size}"


def refused_message(claim: ClaimView, why: str) -> str:
    """Return what the API server has against the enlargement of a claim, and what to do about it."""
    return (
        f"claim {claim.name} of StorageClass {claim.storage_class or '(none)'} stays at {claim.capacity}: {why}; where "
        f"the class cannot expand volumes (kubectl get storageclass: ALLOWVOLUMEEXPANSION), write spec.storage.size: "
        f"{claim.capacity} again"
    )


def awaited_start(observed: Observed, pod: PodView) -> str:
    """Return why the member must start anew for its volume, empty when it need not.

    Once a volume: a pod that was made after its file system began to wait cannot help it.
    """
    claim = observed.claims.get(pod.member)
    if claim is None or claim.state is not VolumeState.FILE_SYSTEM_RESIZE_PENDING:
        return ""
    waited_s = observed.expansions.get(pod.member, _NOTHING).waiting_s
    since = claim.file_system_waits_since
    if waited_s < MOUNTED_S or not since or pod.created > since:
        return ""
    return f"the file system of its volume grows to {claim.requested} when it starts"


def _claims(cluster: ValidatedCluster, observed: Observed) -> list[ClaimView]:
    """Return the claims of members; one that is kept for nobody grows when its member is back.

    One of another class is replaced instead.
    """
    if cluster.status.bootstrap is None or cluster.spec.storage.type is StorageType.EPHEMERAL:
        return []
    wanted = cluster.members | observed.pods.keys()
    found = (claim for member, claim in sorted(observed.claims.items()) if member in wanted)
    return [claim for claim in found if not claim.deleting and not has_another_class(cluster, claim)]


def has_another_class(cluster: ValidatedCluster, claim: ClaimView) -> bool:
    """Whether the claim is of another StorageClass than the spec names."""
    wanted = cluster.spec.storage.storage_class_name
    return bool(wanted) and claim.storage_class != wanted


def _is_due(claim: ClaimView, size: str) -> bool:
    """Whether the claim must ask for another size: a larger one, or again for one that the storage can make."""
    if claim.state in (VolumeState.PENDING, VolumeState.LOST) or not claim.requested:
        return False
    wanted, requested = parse_quantity(size), parse_quantity(claim.requested)
    taken_back = claim.state is VolumeState.INFEASIBLE and parse_quantity(claim.capacity) <= wanted < requested
    return requested < wanted or taken_back


def _refusal(observed: Observed, claim: ClaimView, size: str) -> str:
    known = observed.expansions.get(claim.member, _NOTHING)
    return known.refused if known.refused_size == size else ""


def _obstacle(observed: Observed, claim: ClaimView, size: str) -> str:
    """Return what keeps the claim from growing, as far as only a person can end it."""
    if refused := _refusal(observed, claim, size):
        return refused
    look = f"kubectl describe pvc {claim.name} has the words of the storage"
    if claim.state is VolumeState.INFEASIBLE and not _is_due(claim, size):
        return (
            f"the storage cannot make {claim.name} as large as {claim.requested}: {look}; write a smaller "
            f"spec.storage.size, at least {claim.capacity}"
        )
    if observed.expansions.get(claim.member, _NOTHING).waiting_s > LATE_S:
        return f"{claim.name} has stayed at {claim.capacity} for more than {LATE_S / 60:.0f} minutes: {look}"
    return ""
