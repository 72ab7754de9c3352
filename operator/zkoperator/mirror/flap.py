"""Two writers that keep reverting one another through a ConfigSync: recognised, and held. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from zkoperator.mirror.base import Side
from zkoperator.mirror.decisions import Decision
from zkoperator.mirror.merge import Action

MAX_KEYS = 4_096
"""So many keys are watched for flapping in one ConfigSync; beyond that the oldest are forgotten."""


class _Write(NamedTuple):
    at_s: float
    target: Side
    wrote: bytes | None
    over: bytes | None


@dataclass(slots=True)
class FlapLog:
    """What was written for each key lately.

    A write is a revert when it puts back, over the value that it removed before, what it had put before (a mirror that
    keeps undoing a rival's edit), or when it changes sides and brings back the last but one value (two rivals, one on
    each side). A key that one client toggles on one side never counts.
    """

    window_s: float
    reverts: int
    hold_s: float
    _writes: dict[str, deque[_Write]] = field(default_factory=dict)
    _held_until_s: dict[str, float] = field(default_factory=dict)

    def note(self, carried: Iterable[Decision], now_s: float) -> int:
        """Remember the writes of one pass; return the number of keys that are held because of them."""
        held = 0
        for item in carried:
            to_config_map = item.action is Action.TO_CONFIG_MAP
            target = Side.CONFIG_MAP if to_config_map else Side.ZOOKEEPER
            wrote, over = (item.zookeeper, item.config_map) if to_config_map else (item.config_map, item.zookeeper)
            writes = self._writes.setdefault(item.key, deque(maxlen=2 * self.reverts))
            writes.append(_Write(now_s, target, wrote, over))
            if self._count_reverts(writes, now_s) >= self.reverts:
                self._held_until_s[item.key] = now_s + self.hold_s
                writes.clear()
                held += 1
        while len(self._writes) > MAX_KEYS:
            del self._writes[next(iter(self._writes))]
        return held

    def held(self, now_s: float) -> frozenset[str]:
        """Return the keys that are held now."""
        for key in [key for key, until_s in self._held_until_s.items() if until_s <= now_s]:
            del self._held_until_s[key]
        return frozenset(self._held_until_s)

    def release(self, keys: Iterable[str]) -> None:
        """Let keys go on: somebody has decided."""
        for key in keys:
            self._held_until_s.pop(key, None)

    def next_release_s(self, now_s: float) -> float | None:
        """Return the seconds until the next key is let go, None while none is held."""
        return min((until_s - now_s for until_s in self._held_until_s.values()), default=None)

    def _count_reverts(self, writes: deque[_Write], now_s: float) -> int:
        recent = [write for write in writes if now_s - write.at_s <= self.window_s]
        count = 0
        for before, after in pairwise(recent):
            same_again = after == before._replace(at_s=after.at_s)
            swapped = (after.wrote, after.over) == (before.over, before.wrote)
            count += same_again or (swapped and after.target is not before.target)
        return count + (1 if count else 0)
