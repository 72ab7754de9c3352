"""Recognises what two writers keep reverting (keys, labels, annotations), and holds it for a while. Pure."""

from collections.abc import Iterable, Mapping
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
        return self._note({item.key: _write_of(item, now_s) for item in carried}, now_s)

    def note_restored(self, names: Iterable[str], now_s: float) -> int:
        """Remember which names were put back. Return how many names are held because of it."""
        return self._note({name: _Write(now_s, Side.CONFIG_MAP, None, None) for name in names}, now_s)

    def _note(self, writes: Mapping[str, _Write], now_s: float) -> int:
        held = 0
        for key, write in writes.items():
            recent = (earlier for earlier in self._writes.pop(key, ()) if now_s - earlier.at_s <= self.window_s)
            known = (*recent, write)[-2 * self.reverts :]
            if _count_reverts(known) >= self.reverts:
                self._held_until_s[key] = now_s + self.hold_s
                held += 1
            else:
                self._writes[key] = known
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


def _write_of(item: Decision, now_s: float) -> _Write:
    if item.action is Action.TO_CONFIG_MAP:
        return _Write(now_s, Side.CONFIG_MAP, item.zookeeper, item.config_map)
    return _Write(now_s, Side.ZOOKEEPER, item.config_map, item.zookeeper)


def _count_reverts(writes: tuple[_Write, ...]) -> int:
    count = 0
    for before, after in pairwise(writes):
        same_again = after == before._replace(at_s=after.at_s)
        swapped = (after.wrote, after.over) == (before.over, before.wrote)
        count += same_again or (swapped and after.target is not before.target)
    return count + (1 if count else 0)
