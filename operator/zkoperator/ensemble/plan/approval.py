"""Whether a person's approval of a recovery fits what is seen. Pure.

The approval names the pod whose data the ensemble goes on with, and the last transaction that the person has seen of
it. A recovery throws away what the other members have, so one part that does not fit is enough to refuse it.
"""

import re
from dataclasses import dataclass

from zkoperator.api.cluster import MAX_REPLICAS, StorageType
from zkoperator.ensemble.model.names import RECOVER
from zkoperator.ensemble.observe.answers import Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import Running
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.zk.zxid import INCARNATION_STEP, MAX_EPOCH, epoch_of

_TEXT = re.compile(r"(?P<pod>[^@]+)@(?:0x)?(?P<zxid>[0-9a-fA-F]{1,16})")
LOST_S = 30.0
"""Seconds without a leader before an approval counts: an election or a restart of all members is over by then."""


@dataclass(frozen=True, slots=True)
class Approval:
    """The recovery that a person has approved: the member that is the seed, and its last transaction."""

    member: int
    zxid: int


def approval_of(cluster: ValidatedCluster) -> str:
    """Return the text of the approval that has not been carried out yet, empty when there is none."""
    text, recorded = cluster.meta.annotations.get(RECOVER, ""), cluster.status.incarnation
    return "" if recorded is not None and recorded.approved == text else text


def read_approval(cluster: ValidatedCluster, observed: Observed, text: str) -> Approval | str:
    """Return the approval, or why it is refused."""
    found = _TEXT.fullmatch(text)
    member = cluster.names.member_of(found["pod"]) if found is not None else None
    if found is None or member is None:
        return f"write <pod>@<zxid>, such as {cluster.names.pod(1)}@0x10000002b"
    approval = Approval(member, int(found["zxid"], 16))
    why = _unfit_ensemble(cluster, observed) or _unfit_seed(cluster, observed, approval)
    return why or approval


def last_zxid(cluster: ValidatedCluster, member: int) -> str:
    """Return what the status has as the last transaction of the member, hexadecimal, empty when it has none."""
    name = cluster.names.pod(member)
    return next((known.zxid for known in cluster.status.members if known.name == name), "")


def known_zxid(cluster: ValidatedCluster, member: int) -> int:
    """Return the last transaction that the operator has seen of the member, 0 when it has seen none."""
    return int(last_zxid(cluster, member) or "0", 16)


def epoch_after(cluster: ValidatedCluster, zxid: int, template: int) -> int:
    """Return an epoch above all that any member or client has seen, as far as anybody knows.

    Args:
        cluster: the cluster, with the last transactions that its members had.
        zxid: the last transaction that is known of beside these.
        template: the epoch in the template of the pods.
    """
    seen = (zxid, *(known_zxid(cluster, member) for member in range(1, MAX_REPLICAS + 1)))
    return INCARNATION_STEP + max(template, cluster.incarnation, *map(epoch_of, seen))


def _unfit_ensemble(cluster: ValidatedCluster, observed: Observed) -> str:
    if cluster.spec.storage.type is StorageType.EPHEMERAL:
        return "spec.storage.type is Ephemeral, so the data goes with the pod that would have to be stopped"
    if observed.leaders:
        return f"{cluster.names.pod(observed.leaders[0])} leads, so the quorum is not lost"
    return may_serve_unseen(cluster, observed)


def may_serve_unseen(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return which members may be a quorum that the operator cannot see, "" when there is none."""
    unseen = [member for member in sorted(observed.voters) if _may_serve_unseen(observed, member)]
    if len(unseen) > len(observed.voters) // 2:
        pods = ", ".join(cluster.names.pod(member) for member in unseen)
        return f"{pods} run and do not answer the operator, so a quorum may serve unseen"
    return ""


def _unfit_seed(cluster: ValidatedCluster, observed: Observed, approval: Approval) -> str:
    pod, claim = cluster.names.pod(approval.member), observed.claims.get(approval.member)
    if approval.member not in observed.voters and cluster.recovery is None:
        return f"{pod} is no voter of this ensemble"
    if approval.member > cluster.spec.replicas:
        return f"{pod} would leave again: write spec.replicas: {approval.member} or more first"
    if claim is None or claim.deleting:
        return f"{pod} has no volume claim" if claim is None else f"claim {claim.name} is being deleted"
    if approval.zxid < (last := known_zxid(cluster, approval.member)):
        return f"{pod} had transaction {last:#x} when it served last, which is later than {approval.zxid:#x}"
    if epoch_of(approval.zxid) > MAX_EPOCH:
        return f"{approval.zxid:#x} is no transaction of an ensemble: its epoch is too large"
    return ""


def _may_serve_unseen(observed: Observed, member: int) -> bool:
    pod = observed.pods.get(member)
    return isinstance(observed.answer(member), Silent) and pod is not None and pod.running is Running.YES and pod.ready
