"""What this process knows about the ledger and the claim of one ConfigSync, and how it reads them. I/O."""

from dataclasses import dataclass

from zkoperator.mirror.model.decision import Decision
from zkoperator.mirror.model.ledger import Ledger, decode_ledger
from zkoperator.mirror.model.merge_base import Base
from zkoperator.mirror.model.names import ledger_path
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.port import NoNodeError, Zk


@dataclass(slots=True)
class LedgerCache:
    """The ledger and the claim. The observer updates them when it reads, the applier when it claims or pushes."""

    ledger: Ledger | None = None
    """The ledger as last read or written, None when there was none or while it is not known."""
    is_known: bool = False
    """Whether `ledger` is current and need not be read again."""
    is_mine: bool = False
    """Whether this process has fenced the ledger on the present session."""
    losses: int = 0
    """The subtree's count of lost connections when the ledger was last read."""
    claimed_by: str = ""
    """The ConfigSync that pushes to an overlapping subtree, "" when none does."""
    claimed_until_s: float = float("-inf")
    """Until when `claimed_by` is valid, in monotonic seconds."""
    doubted: frozenset[Decision] = frozenset()
    """Differences for which the ledger was already read again."""

    def doubt(self) -> None:
        """Have the ledger read again. It stays ours if nobody has written it."""
        self.is_known = False

    def forget(self) -> None:
        """Have the ledger read and fenced again before the next push."""
        self.ledger = None
        self.is_known = False
        self.is_mine = False


def needs_ledger(sync: ValidatedSync, base: Base | None) -> bool:
    """Return whether the merge base includes the ledger.

    A ConfigSync that pushes no more needs it until the annotation has all entries. `base` is None when there is no
    annotation; then the status decides.
    """
    if base is not None:
        return sync.writes_znodes or base.ledger_czxid != 0
    recorded = sync.status.base
    return sync.writes_znodes or (recorded is not None and recorded.ledger)


async def read_ledger(zk: Zk, uid: str) -> Ledger | None:
    """Return the ledger as it is now; None when there is none, or when its data is not a ledger."""
    try:
        node = await zk.get(ledger_path(uid))
    except NoNodeError:
        return None
    stat = node.stat
    return decode_ledger(node.data, version=stat.version, czxid=stat.czxid, mzxid=stat.mzxid)
