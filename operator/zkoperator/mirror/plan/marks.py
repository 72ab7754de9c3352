"""The labels and annotations of the ConfigMap that are not as they should be. Pure."""

from zkoperator.mirror.model.decoration import BASE_MARK, INPUTS_MARK, ZXID_MARK, Decoration
from zkoperator.mirror.model.names import zxid_of
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan.inputs import inputs_before
from zkoperator.mirror.validate import ValidatedSync


def missing_decoration(sync: ValidatedSync, observed: Observed) -> Decoration:
    """Return the labels and annotations to write: those that differ, unless another writer keeps changing them."""
    return _differing_decoration(sync, observed).without(observed.contested)


def lost_marks(sync: ValidatedSync, observed: Observed) -> frozenset[str]:
    """Return the names of all that is to be put back, the operator's own annotations included."""
    own = _lost_own_marks(sync, observed) - observed.contested
    return missing_decoration(sync, observed).names() | own


def contested_marks(sync: ValidatedSync, observed: Observed) -> tuple[str, ...]:
    """Return the labels and annotations that are not as they should be, because another writer keeps changing them."""
    lost = _differing_decoration(sync, observed).names() | _lost_own_marks(sync, observed)
    return tuple(sorted(lost & observed.contested))


def _differing_decoration(sync: ValidatedSync, observed: Observed) -> Decoration:
    return sync.decoration.missing(observed.content.marks if observed.content is not None else {})


def _lost_own_marks(sync: ValidatedSync, observed: Observed) -> frozenset[str]:
    """Return which of the operator's own annotations the ConfigMap has lost: base, its zxid, or inputs."""
    if observed.content is None:
        return frozenset()
    if observed.base is None:
        return frozenset({BASE_MARK})
    lost = set() if zxid_of(observed.content.zxid_text) == observed.base.zxid else {ZXID_MARK}
    if sync.template is not None and inputs_before(sync, observed) is None:
        lost.add(INPUTS_MARK)
    return frozenset(lost)
