"""What one pass has read of both sides: the input of the planner. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.decision import Problem
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.merge_base import Base
from zkoperator.mirror.model.push_limits import PushLimits
from zkoperator.zk.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Observed:
    """Both sides as read by one pass.

    Args:
        snapshot: the subtree, consistent.
        content: the ConfigMap; None when there is none.
        base: what its annotation says, None when there is none that can be read.
        carried: the base of the version that this process wrote, or was answered, last; None when that is not known.
        deleted_lately: keys that were deleted within the guard's window.
        value_of: the value of a key of that ConfigMap.
        ledger: None when there is none.
        ledger_is_mine: whether this process has fenced it.
        owner_is_gone: the ConfigSync that the label names does not exist, or uses another ConfigMap.
        claimed_by: the ConfigSync that pushes to an overlapping subtree, "" when none does.
        missing_above: absolute paths above a missing root that have to be created, outermost first.
        refused: keys that the ensemble does not let us write, and why.
        unfit: keys that the API server did not take, and why.
        limits: what the ensemble takes.
        flapping: keys that are held because both sides keep reverting one another.
    """

    snapshot: Snapshot
    content: Content | None
    base: Base | None
    value_of: Callable[[str], bytes]
    carried: Base | None = None
    deleted_lately: frozenset[str] = frozenset()
    ledger: Ledger | None = None
    ledger_is_mine: bool = False
    owner_is_gone: bool = False
    claimed_by: str = ""
    missing_above: tuple[str, ...] = ()
    flapping: frozenset[str] = frozenset()
    refused: Mapping[str, Problem] = field(default_factory=dict)
    unfit: Mapping[str, Problem] = field(default_factory=dict)
    limits: PushLimits = field(default_factory=PushLimits)
