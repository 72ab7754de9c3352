"""The base that a pass merges with: that of the annotation, or what is known of it elsewhere. Pure."""

from dataclasses import replace

from zkoperator.mirror.model.ledger import Ledger, pushed_since
from zkoperator.mirror.model.merge_base import Base, Detached
from zkoperator.mirror.model.selected_znodes import SelectedZnodes
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan.guard import BaseState
from zkoperator.mirror.plan.recall import base_in_effect
from zkoperator.mirror.validate import ValidatedSync


def base_of_pass(sync: ValidatedSync, observed: Observed, selected: SelectedZnodes) -> tuple[BaseState, Base | None]:
    """Return the base and its state. The base of another ConfigSync does not count.

    A ConfigMap that does not carry it was replaced or created again, and is compared with what is known elsewhere.
    """
    base = base_in_effect(sync, observed, selected) if observed.content is not None else None
    if base is not None:
        adopting = base.adopting - pushed_since(base, observed.ledger).keys()
        return BaseState.KNOWN, replace(base, adopting=adopting)
    return (BaseState.LOST if sync.synced_before else BaseState.FIRST), None


def detached_in_effect(base: Base | None, ledger: Ledger | None) -> dict[str, Detached]:
    """Return the detached keys; one that was pushed since the annotation is attached again."""
    if base is None:
        return {}
    pushed = pushed_since(base, ledger)
    return {key: item for key, item in base.detached.items() if key not in pushed}
