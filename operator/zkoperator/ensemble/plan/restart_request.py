"""What asks for a restart of all members: the annotation of the cluster, and `kubectl rollout restart`. Pure.

Members bear the request that they were made with, so that nothing is restarted twice for one request, and nothing when
a request is taken away. A rollout that was asked for under an operator that did not know of rollouts may be months old,
so what stands when a StatefulSet is first seen counts as done, and is noted there.
"""

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import NO_ROLLOUT, ROLLOUT_BASELINE, ROLLOUT_RESTARTED
from zkoperator.ensemble.observe.observed import Observed

_MARK = " rollout@"


def restart_request(asked: str, observed: Observed) -> str:
    """Return the text of the request that stands now, empty when there never was one.

    Args:
        asked: the annotation of the cluster, empty without one.
        observed: the StatefulSet, and the pods with the request that they were made with.
    """
    recorded_asked, recorded_rollout = _recorded(observed)
    rollout = observed.template_annotation(ROLLOUT_RESTARTED)
    if rollout in ("", rollout_baseline(observed)) or _is_done(observed, rollout):
        rollout = recorded_rollout
    text = asked or recorded_asked
    return f"{text}{_MARK}{rollout}" if rollout else text


def _recorded(observed: Observed) -> tuple[str, str]:
    asked, _, rollout = observed.restarted.partition(_MARK)
    return asked, rollout


def rollout_baseline(observed: Observed) -> str:
    """Return the rollout that stood when the StatefulSet was first seen."""
    live = observed.children.get(Child.STATEFUL_SET)
    noted = (live["metadata"].get("annotations") or {}).get(ROLLOUT_BASELINE) if live is not None else None
    return str(noted or observed.template_annotation(ROLLOUT_RESTARTED) or NO_ROLLOUT)


def _is_done(observed: Observed, rollout: str) -> bool:
    """Return whether all pods were made from a template with this rollout, for example by an older operator."""
    return bool(observed.pods) and all(pod.rollout == rollout for pod in observed.pods.values())
