"""Since when members do not serve. A planned restart and an election are short; whatever lasts is a fault."""

from dataclasses import replace

from zkoperator.ensemble.observe.world import World
from zkoperator.runtime.keys import Key

ELECTION_S = 5.0
"""Seconds for which the lack of a leader is an election rather than a fault; Available tells it at once."""

RETURN_S = 90.0
"""Seconds within which a restarted member is awaited without a word; a falsely leading one needs 20 of them."""

_LEADER = 0
"""Stands for the leader, whoever it is, beside the ids of members, which begin at 1."""


class Downtime:
    """Remembers the first of a row of observations in which a member did not serve."""

    def __init__(self) -> None:
        self._since: dict[Key, dict[int, float]] = {}

    def timed(self, key: Key, world: World, now_s: float) -> World:
        """Return the world with its absences timed."""
        absent = {member for member in world.voters | set(world.pods) if world.serving(member) is None}
        if world.committed is None:
            absent.add(_LEADER)
        before = self._since.get(key, {})
        self._since[key] = since = {member: before.get(member, now_s) for member in absent}
        away_s = {member: now_s - first_s for member, first_s in since.items()}
        return replace(world, leaderless_s=away_s.pop(_LEADER, 0.0), away_s=away_s)

    def forget(self, key: Key) -> None:
        """Drop what is kept of a cluster that is gone."""
        self._since.pop(key, None)
