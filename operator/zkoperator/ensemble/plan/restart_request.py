"""What asks for a restart of all members: the annotation of the cluster, and `kubectl rollout restart`. Pure.

Members bear the request that they were made with, so that nothing is restarted twice for one request, and nothing when
a request is taken away.
"""

from zkoperator.ensemble.model.names import ROLLOUT_RESTARTED
from zkoperator.ensemble.observe.observed import Observed

_MARK = " rollout@"


def restart_request(asked: str, observed: Observed) -> str:
    """Return the text of the request that stands now, empty when there never was one.

    Args:
        asked: the annotation of the cluster, empty without one.
        observed: the StatefulSet, and the pods with the request that they were made with.
    """
    recorded_asked, _, recorded_rollout = observed.restarted.partition(_MARK)
    rollout = observed.template_annotation(ROLLOUT_RESTARTED)
    if not rollout or _is_done(observed, rollout):
        rollout = recorded_rollout
    text = asked or recorded_asked
    return f"{text}{_MARK}{rollout}" if rollout else text


def _is_done(observed: Observed, rollout: str) -> bool:
    """Tell whether all pods were made from a template with this rollout, as under an operator that did not know it."""
    return bool(observed.pods) and all(pod.rollout == rollout for pod in observed.pods.values())
