"""The state of the subscription of one ConfigSync."""

from dataclasses import dataclass

from zkoperator.mirror.observe.subtree import Subtree
from zkoperator.mirror.validate import Source
from zkoperator.zk.snapshot import Snapshot


@dataclass(slots=True)
class SubscriptionState:
    """The subtree of one ConfigSync, and what is known about its endpoint. Times are monotonic seconds."""

    subtree: Subtree | None = None
    """The subtree that is followed, None while none is."""
    source: Source | None = None
    """The source in the spec for which the subtree was opened, None before that."""
    endpoint_s: float = float("-inf")
    """When the endpoint was last looked up."""
    verified_s: float = float("-inf")
    """When the whole subtree was last compared with the ensemble."""
    unreadable_verified_s: float = float("-inf")
    """When the operator last tried to read the znodes that the ensemble refuses to show."""
    failures: int = 0
    """Number of failed attempts in a row to follow the subtree."""
    is_refused: bool = False
    """Whether the last pass was refused a request, so that endpoint or credential may be out of date."""
    disconnected_s: float | None = None
    """Since when there has been no connection, None while there is one."""
    unreachable_s: float | None = None
    """Since when the deletion of znodes could not reach the ensemble, None while it can."""

    def doubt_endpoint(self) -> None:
        """Have the endpoint looked up again by the next pass."""
        self.endpoint_s = float("-inf")

    @property
    def snapshot(self) -> Snapshot | None:
        """The subtree at one zxid, None while it is not known."""
        return self.subtree.snapshot() if self.subtree is not None else None
