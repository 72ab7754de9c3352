"""Whether a person's wish for a new volume fits what is seen. Pure.

The annotation names the member and the claim that it has now. What is on that volume is lost, so one part that does not
fit is enough to refuse it.
"""

import re

from zkoperator.api.cluster import StorageType
from zkoperator.ensemble.model.names import REPLACE_VOLUME
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.terminating_claims import MIN_VOTERS
from zkoperator.ensemble.validate import ValidatedCluster

_TEXT = re.compile(r"(?P<pod>[^=]+)=(?P<uid>[^=]+)")


def approval_text(cluster: ValidatedCluster) -> str:
    """Return the text of the annotation, empty when there is none."""
    return cluster.meta.annotations.get(REPLACE_VOLUME, "")


def is_recorded(cluster: ValidatedCluster) -> bool:
    """Whether status records that what the annotation asks for has begun."""
    recorded = cluster.status.volume_replacement
    return recorded is not None and recorded.approved == approval_text(cluster)


def read_replacement(cluster: ValidatedCluster, observed: Observed) -> int | str | None:
    """Return the member that is to have a new volume, why that is refused, or None when nothing is left to be done."""
    text = approval_text(cluster)
    if not text or not cluster.is_founded:
        return None
    found = _TEXT.fullmatch(text.strip())
    member = cluster.names.member_of(found["pod"]) if found is not None else None
    if found is None or member is None:
        claims = sorted(observed.claims.items())
        example = f"{cluster.names.pod(claims[0][0])}={claims[0][1].uid}" if claims else f"{cluster.names.pod(1)}=UID"
        return _refused(text, f"write <pod>=<uid of its claim>, such as {example}")
    claim = observed.claims.get(member)
    if is_recorded(cluster) and (claim is None or claim.uid != found["uid"]):
        return None
    why = _unfit(cluster, observed, member, found["uid"])
    return _refused(text, why) if why else member


def _unfit(cluster: ValidatedCluster, observed: Observed, member: int, uid: str) -> str:
    pod, claim, voters = cluster.names.pod(member), observed.claims.get(member), len(observed.voters)
    if cluster.spec.storage.type is StorageType.EPHEMERAL:
        return "spec.storage.type is Ephemeral, so that a restart gives the member a new volume"
    if claim is None:
        return f"{pod} has no volume claim"
    if claim.uid != uid:
        return (
            f"claim {claim.name} has the uid {claim.uid}: look at the member again, and name the volume that it has now"
        )
    if member not in observed.voters and member not in cluster.members:
        return f"{pod} is no member of this ensemble"
    if voters < MIN_VOTERS:
        return f"{voters} voters are too few to give a member its data back; scale to {MIN_VOTERS} first"
    return ""


def _refused(text: str, why: str) -> str:
    return f"the annotation {REPLACE_VOLUME}={text} is refused: {why}"
