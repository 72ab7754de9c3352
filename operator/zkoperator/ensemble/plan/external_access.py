"""Services for clients from outside that cannot be made as the spec asks. They hold nothing else up. Pure."""

from typing import Final

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.validate import ValidatedCluster

_ADVICE: Final = (
    ("nodePort", "write other spec.externalAccess.nodePorts, or leave them out: Kubernetes then chooses free ones"),
    ("loadBalancerSourceRanges", "see spec.externalAccess.sourceRanges"),
    ("annotations", "see spec.externalAccess.annotations"),
    ("exceeded quota", "raise the quota of the namespace (kubectl describe resourcequota)"),
    ("cannot delete resource", "apply the roles of this version of the operator, which may delete Services"),
)
"""What to do about a refusal in whose text a word occurs."""


def refused_services(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to wait for a person, as Services were refused; None when none was."""
    refused = {child.name_of(cluster.names): why for child, why in observed.refused_children.items()}
    if not refused:
        return None
    reasons = "; ".join(dict.fromkeys(refusal_message(why) for why in refused.values()))
    return Proposal(ClusterReason.APPLYING, f"writing Service {', '.join(refused)}", blocked=reasons)


def refusal_message(why: str) -> str:
    """Return what was refused, and what to do about it."""
    advice = next((advice for word, advice in _ADVICE if word in why), "see spec.externalAccess")
    return f"{why}; {advice}"
