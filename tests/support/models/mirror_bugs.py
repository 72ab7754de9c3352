"""Seeded bugs of ConfigSyncs that several lists of guards put in."""

from dataclasses import replace
from typing import Any

from zkoperator.mirror import reconcile
from zkoperator.mirror.model.common import Common
from zkoperator.mirror.model.ledger import Ledger, effective_digests
from zkoperator.mirror.model.merge_base import Base, short
from zkoperator.mirror.model.names import APPROVE_ANNOTATION
from zkoperator.mirror.model.selected_znodes import SelectedZnodes
from zkoperator.mirror.plan import recall
from zkoperator.zk.snapshot import Znode

_SPENT, _RECALLED = reconcile._spent_annotations, recall.recalled_base


def approval_kept(planned: Any, sync: Any) -> Any:
    """In place of `_spent_annotations`: an approval that was used stays."""
    changed = _SPENT(planned, sync)
    changed.pop(APPROVE_ANNOTATION, None)
    return changed


def without_deleted_znodes(*given: Any) -> Base | None:
    """In place of `recalled_base`: a znode that was deleted or written since was never common."""
    found = _RECALLED(*given)
    if found is None:
        return None
    return replace(found, digests={key: digest for key, digest in found.digests.items() if key not in found.unsettled})


def recalled_as_found(_mark: bytes, znode: Znode | None, _zxid: int) -> bytes:
    """In place of `_recalled`: every znode has the common value."""
    return recall.UNKNOWN if znode is None else short(znode.digest)


def common_where_equal(base: Base, ledger: Ledger | None, selected: SelectedZnodes, known: Common) -> Common:
    """In place of `common_of`: a key that waits is not named."""
    digests = effective_digests(base, ledger)
    equal = {key: one for key, one in digests.items() if recall._mark(key, one, selected) != recall.UNKNOWN}
    return recall.common_of(replace(base, digests=equal), None, selected, known)
