"""How one subtree is followed: where, since when, and what has failed."""

from dataclasses import dataclass

from zkoperator.mirror.observe.subtree import Subtree
from zkoperator.mirror.validate import Source
from zkoperator.zk.snapshot import Snapshot


@dataclass(slots=True)
class SubscriptionState:
    """The subtree of one ConfigSync and how it is followed. Times are monotonic seconds."""

    subtree: Subtree | None = None
    """What is followed, None while nothing can be."""
    source: Source | None = None
    """What the spec said when the subtree was found, None before that."""
    endpoint_s: float = float("-inf")
    """When the endpoint was last looked up."""
    verified_s: float = float("-inf")
    """When the whole subtree was last compared with the ensemble."""
    unreadable_verified_s: float = float("-inf")
    """When the znodes that the ensemble refuses to show were last asked for."""
    failures: int = 0
    """Attempts in a row to follow a subtree that cannot be followed."""
    is_refused: bool = False
    """The last pass was refused something, so the endpoint or the credential may be out of date."""
    disconnected_s: float | None = None
    """Since when there has been no connection, None while there is one."""
    unreachable_s: float | None = None
    """Since when the ensemble has been out of reach for the deletion of its znodes, None while it is not."""

    def doubt_endpoint(self) -> None:
        """Have the endpoint looked up again by the next pass."""
        self.endpoint_s = float("-inf")

    @property
    def snapshot(self) -> Snapshot | None:
        """The subtree at one zxid, None while it is not known."""
        return self.subtree.snapshot() if self.subtree is not None else None
