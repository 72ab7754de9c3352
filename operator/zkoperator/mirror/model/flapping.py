"""Recognises keys that two writers keep reverting through a ConfigSync, and holds them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from zkoperator.mirror.model.decision import Action, Decision
from zkoperator.mirror.model.merge_base import Side

MAX_KEYS = 4_096
"""The most keys of one ConfigSync whose writes are remembered; beyond that, the oldest are forgotten."""


class _Write(NamedTuple):
    at_s: float
    target: Side
    wrote: bytes | None
    over: bytes | None


@dataclass(slots=True)
class FlapLog:
    """Recent writes by key. Times are monotonic seconds.

    A write is a revert when it repeats the previous write, that is, replaces the same value by the same value on the
    same side (another writer undid it), or when it undoes the previous write on the other side (two writers, one on
    each side). A client that toggles a key on one side makes no reverts.
    """

    window_s: float
    reverts: int
    hold_s: float
    _writes: dict[str, tuple[_Write, ...]] = field(default_factory=dict)
    _held_until_s: dict[str, float] = field(default_factory=dict)

    def note(self, carried: Iterable[Decision], now_s: float) -> int:
        """Remember the writes of one pass; return the number of keys that are held because of them."""
        held = 0
        for item in carried:
            to_config_map = item.action is Action.TO_CONFIG_MAP
            target = Side.CONFIG_MAP if to_config_map else Side.ZOOKEEPER
            wrote, over = (item.zookeeper, item.config_map) if to_config_map else (item.config_map, item.zookeeper)
            recent = (write for write in self._writes.pop(item.key, ()) if now_s - write.at_s <= self.window_s)
            writes = (*recent, _Write(now_s, target, wrote, over))[-2 * self.reverts :]
            if _count_reverts(writes) >= self.reverts:
                self._held_until_s[item.key] = now_s + self.hold_s
                held += 1
            else:
                self._writes[item.key] = writes
        self._forget(now_s)
        return held

    def held(self, now_s: float) -> frozenset[str]:
        """Return the keys that are held now."""
        self._forget(now_s)
        for key in [key for key, until_s in self._held_until_s.items() if until_s <= now_s]:
            del self._held_until_s[key]
        return frozenset(self._held_until_s)

    def release(self, keys: Iterable[str]) -> None:
        """Hold these keys no longer: a resolution has decided them."""
        for key in keys:
            self._held_until_s.pop(key, None)

    def next_release_s(self, now_s: float) -> float | None:
        """Return the seconds until the next key is released, None while no key is held."""
        return min((until_s - now_s for until_s in self._held_until_s.values()), default=None)

    def _forget(self, now_s: float) -> None:
        """Drop writes that are too old for a revert. The keys are in the order of their last writes."""
        while self._writes:
            key = next(iter(self._writes))
            if len(self._writes) <= MAX_KEYS and now_s - self._writes[key][-1].at_s <= self.window_s:
                return
            del self._writes[key]


def _count_reverts(writes: tuple[_Write, ...]) -> int:
    count = 0
    for before, after in pairwise(writes):
        same_again = after == before._replace(at_s=after.at_s)
        swapped = (after.wrote, after.over) == (before.over, before.wrote)
        count += same_again or (swapped and after.target is not before.target)
    return count + (1 if count else 0)
