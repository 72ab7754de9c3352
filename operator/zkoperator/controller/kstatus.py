"""The conditions by which other tools judge an object of any kind: Reconciling and Stalled. Pure.

They repeat what other conditions say, in the words of kstatus, by which Flux, Helm and others wait: an object is in
progress while Reconciling is true, and has failed while Stalled is true. Ready alone cannot tell these two apart.
"""

from collections.abc import Collection, Sequence

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import StandardCondition
from zkoperator.controller.conditions import ConditionBuilder


def standard_conditions(
    conditions: Sequence[Condition],
    builder: ConditionBuilder,
    *,
    stalled: Collection[str],
    resting: Collection[str],
) -> tuple[Condition, Condition]:
    """Return Reconciling and Stalled for the other conditions of an object, of which one is Ready.

    Args:
        conditions: Ready first, then others that may say what a person has to do.
        builder: builds the conditions of this status.
        stalled: reasons that only a person can end.
        resting: reasons with which the operator does nothing because it was asked to.
    """
    ready = conditions[0]
    waits = _waiting_for_a_person(conditions, stalled)
    works = None if waits is not None or ready.reason in resting or ready.status is Truth.TRUE else ready
    return (
        _standard(StandardCondition.RECONCILING, works, ready, builder),
        _standard(StandardCondition.STALLED, waits, ready, builder),
    )


def _waiting_for_a_person(conditions: Sequence[Condition], stalled: Collection[str]) -> Condition | None:
    """Return the condition that says what a person has to do, None while the object is ready or gets there alone."""
    if conditions[0].status is Truth.TRUE:
        return None
    return next((found for found in conditions if found.reason in stalled), None)


def _standard(
    kind: StandardCondition, found: Condition | None, ready: Condition, builder: ConditionBuilder
) -> Condition:
    """Return the condition as true with the words of the one that was found, as false when none was."""
    if found is None:
        return builder.build(kind, Truth.FALSE, ready.reason, "")
    return builder.build(kind, Truth.TRUE, found.reason, found.message)
