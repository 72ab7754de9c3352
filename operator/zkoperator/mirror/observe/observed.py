"""The state of both sides as read by one pass. It is the input of the planner. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zkoperator.mirror.model.common import NOTHING_COMMON, Common
from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.decision import Problem
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.merge_base import Base
from zkoperator.mirror.model.push_limits import PushLimits
from zkoperator.mirror.model.seal import PLAIN_SEAL, Seal
from zkoperator.mirror.model.template import Rendering
from zkoperator.zk.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Observed:
    """Both sides as read by one pass.

    Args:
        snapshot: the subtree.
        content: the ConfigMap, None when there is none.
        base: the merge base in the annotation, None when there is none or when it cannot be read.
        carried: the last merge base that the API server has answered to this process, None when it is not known.
        deleted_lately: keys that were deleted within the guard's window.
        value_of: returns the value of a key of the ConfigMap.
        ledger: the ledger, None when there is none.
        ledger_is_mine: whether this process has fenced the ledger.
        owner_is_gone: whether the ConfigSync that the label names does not exist or uses another ConfigMap.
        claimed_by: the ConfigSync that pushes to an overlapping subtree, "" when none does.
        missing_above: absolute paths above a missing root that must be created, outermost first.
        refused: keys that the ensemble refuses to write, and why.
        unfit: keys that the API server refuses, and why.
        limits: size limits of the ensemble for a push.
        flapping: keys that are held because they are flapping.
        contested: labels and annotations of the ConfigMap that are held for the same reason.
        rendering: the files that templates make of the snapshot, None without templates or where none can be made.
        common: what the pass before has made of the keys that are common.
        seal: how the digests of values are made.
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
    contested: frozenset[str] = frozenset()
    refused: Mapping[str, Problem] = field(default_factory=dict)
    unfit: Mapping[str, Problem] = field(default_factory=dict)
    limits: PushLimits = field(default_factory=PushLimits)
    common: Common = NOTHING_COMMON
    rendering: Rendering | None = None
    seal: Seal = PLAIN_SEAL
