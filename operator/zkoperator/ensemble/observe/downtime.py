"""For how long members have not served: a planned restart and an election are short, what lasts is a fault. Pure."""

from dataclasses import replace

from zkoperator.ensemble.observe.observed import Observed

ELECTION_S = 5.0
"""Seconds without a leader that count as an election and not as a fault; the condition Available shows them at once."""

RETURN_S = 90.0
"""Seconds that a restarted member may take to serve again before that counts as a fault."""

_LEADER = 0
"""Key for the leader, beside the ids of members, which begin at 1."""


class Downtime:
    """Remembers of one cluster since when each member has not served without interruption."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}

    def timed(self, observed: Observed, now_s: float) -> Observed:
        """Return the observation with the durations added. `now_s` is monotonic."""
        members = observed.voters | observed.observers | set(observed.all_pods)
        absent = {member for member in members if observed.serving(member) is None}
        if observed.committed is None:
            absent.add(_LEADER)
        self._since_s = {member: self._since_s.get(member, now_s) for member in absent}
        downtime_s = {member: now_s - first_s for member, first_s in self._since_s.items()}
        return replace(observed, leaderless_s=downtime_s.pop(_LEADER, 0.0), downtime_s=downtime_s)
