"""Volumes that grow or get other attributes: claims, then file systems that need a start, at last the template. Pure.

Claims are changed while their members serve, and also while they do not: a full disk may be why. Only a member whose
file system does not follow by itself is restarted, through the gate, once.
"""

from zkoperator.api.cluster import StorageType
from zkoperator.api.member_volume import VolumeState
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.expansions import GROWING, Expansion
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.ensemble.plan.claim_changes import (
    due_change,
    has_another_class,
    message_of_change,
    reason_of_change,
    wish_of,
)
from zkoperator.ensemble.plan.claim_templates import remake_set
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.steps import Step
from zkoperator.ensemble.validate import ValidatedCluster

MOUNTED_S = 120.0
"""Seconds in which a kubelet lets a mounted file system grow, where it can: it looks at a pod about once a minute."""

LATE_S = 600.0
"""Seconds after which a volume that does not change is told as something that a person should look at."""

_NOTHING = Expansion()


def expansion_steps(cluster: ValidatedCluster, observed: Observed) -> tuple[Step, ...]:
    """Return the changes of claims that are due and were not refused a moment ago."""
    changes = ((claim, due_change(cluster, claim)) for claim in _claims(cluster, observed))
    return tuple(
        change for claim, change in changes if change is not None and _refusal(observed, claim, wish_of(change)) == ""
    )


def grow_volumes(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose what is next for the volumes, None when all are as asked for and new ones will be so, too."""
    if cluster.spec.storage.type is StorageType.EPHEMERAL:
        return None
    claims = _claims(cluster, observed)
    open_claims = [claim for claim in claims if due_change(cluster, claim) is not None or claim.state in GROWING]
    if not open_claims:
        return remake_set(cluster, observed)
    for claim in open_claims:
        if blocked := _obstacle(cluster, observed, claim):
            reason, message = reason_of_change(cluster, claim), message_of_change(cluster, claim)
            return Proposal(reason, message, blocked=blocked)
    first = open_claims[0]
    waits = ", ".join(f"{claim.name} has {claim.capacity} ({claim.state.value})" for claim in open_claims)
    return Proposal(reason_of_change(cluster, first), f"{message_of_change(cluster, first)}: {waits}")


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


def _refusal(observed: Observed, claim: ClaimView, wish: str) -> str:
    known = observed.expansions.get(claim.member, _NOTHING)
    return known.refused if known.refused_wish == wish else ""


def _obstacle(cluster: ValidatedCluster, observed: Observed, claim: ClaimView) -> str:
    """Return what keeps the claim from changing, as far as only a person can end it."""
    change = due_change(cluster, claim)
    if change is not None and (refused := _refusal(observed, claim, wish_of(change))):
        return refused
    look = f"kubectl describe pvc {claim.name} has the words of the storage"
    if claim.state is VolumeState.INFEASIBLE and change is None:
        return (
            f"the storage cannot make {claim.name} as large as {claim.requested}: {look}; write a smaller "
            f"spec.storage.size, at least {claim.capacity}"
        )
    if claim.cannot_modify and change is None:
        return (
            f"the storage cannot give {claim.name} the attributes of {claim.attributes_class}: {look}; write another "
            f"spec.storage.volumeAttributesClassName, such as {claim.attributes or 'one that it has'}"
        )
    if observed.expansions.get(claim.member, _NOTHING).waiting_s <= LATE_S:
        return ""
    late = f"for more than {LATE_S / 60:.0f} minutes: {look}"
    if claim.state is VolumeState.MODIFYING:
        return f"{claim.name} has not had the attributes of {claim.attributes_class} {late}"
    return f"{claim.name} has stayed at {claim.capacity} {late}"
