"""The claim templates of the StatefulSet, which the API server lets nobody change. Pure.

To have other ones, the StatefulSet is deleted and its pods are left behind. The next pass finds none, makes it again
with the templates that the spec asks for, and the StatefulSet controller gives it the pods and claims that are there.
"""

from zkoperator.api.member_volume import VolumeState
from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.statefulset import claim_templates
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.claim_changes import has_another_class
from zkoperator.ensemble.plan.drift import changed_fields
from zkoperator.ensemble.plan.gate import gate
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.steps import LeavePods
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

MADE_AGAIN = (ClusterReason.EXPANDING_VOLUMES, ClusterReason.REPLACING_VOLUMES, ClusterReason.MODIFYING_VOLUMES)
"""Reasons of Progressing with which the StatefulSet may have been deleted to be made again."""


def remake_set(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to make the StatefulSet again, None when its claim templates are those of the spec.

    Until it is there again nobody makes a pod that ends, so the gate must be open. A member that waits for a volume, of
    a class that does not exist for example, is left out: it may be what the new template is for.
    """
    live = observed.children.get(Child.STATEFUL_SET)
    if live is None or fits(cluster, observed):
        return None
    reason = _reason(cluster, observed, live)
    name, meta = cluster.names.stateful_set, live["metadata"]
    if "deletionTimestamp" in meta:
        return Proposal(reason, f"waiting for the end of StatefulSet {name}, to make it again")
    message = f"making StatefulSet {name} again, with the claim template of the spec; its pods run on"
    verdict = gate(observed, excluded=_without_volume(observed))
    if not verdict.open:
        return Proposal(reason, message, blocked=verdict.why)
    return Proposal(reason, message, LeavePods(name, meta["uid"], meta["resourceVersion"]))


def _reason(cluster: ValidatedCluster, observed: Observed, live: Manifest) -> ClusterReason:
    """Return the reason of Progressing while the StatefulSet is made again."""
    if any(has_another_class(cluster, claim) for claim in observed.claims.values()):
        return ClusterReason.REPLACING_VOLUMES
    sizes = [{"spec": {"resources": each["spec"]["resources"]}} for each in claim_templates(cluster)]
    is_larger = bool(changed_fields(live, {"spec": {"volumeClaimTemplates": sizes}}))
    return ClusterReason.EXPANDING_VOLUMES if is_larger else ClusterReason.MODIFYING_VOLUMES


def await_adoption(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to wait until the StatefulSet that was made again has its pods, None while none is without an owner."""
    wanted = cluster.names.selector.items()
    orphans = [pod for _, pod in sorted(observed.pods.items()) if not pod.owner_uid and wanted <= pod.labels.items()]
    names = ", ".join(pod.name for pod in orphans if not pod.deleting)
    if not names or not cluster.is_founded:
        return None
    last = next((c.reason for c in cluster.status.conditions if c.type == ClusterCondition.PROGRESSING.value), "")
    reason = ClusterReason(last) if last in tuple(MADE_AGAIN) else ClusterReason.REPAIRING
    return Proposal(reason, f"waiting for StatefulSet {cluster.names.stateful_set} to have {names} as its own")


def fits(cluster: ValidatedCluster, observed: Observed) -> bool:
    """Whether there is a StatefulSet, and new claims would be as the spec asks."""
    live = observed.children.get(Child.STATEFUL_SET)
    if live is None:
        return False
    return not changed_fields(live, {"spec": {"volumeClaimTemplates": claim_templates(cluster)}})


def _without_volume(observed: Observed) -> frozenset[int]:
    claims = observed.claims.items()
    return frozenset(m for m, c in claims if c.state is VolumeState.PENDING and observed.serving(m) is None)
