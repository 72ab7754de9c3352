"""What stops a plan, or its deletions, before anything is written. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zkoperator.mirror.base import Base, Side
from zkoperator.mirror.ledger import Ledger
from zkoperator.zk.picture import Picture

SMALL_PLAN: Final = 5
"""A plan that deletes fewer keys than this is never held for its share."""


class History(StrEnum):
    """What the source is in relation to the base."""

    SAME = "same"
    ROOT_MISSING = "root_missing"
    ROOT_REPLACED = "root_replaced"
    """The root was deleted and created again after the base: nobody asked for what is absent now."""
    REGRESSED = "regressed"
    """Restored, wiped or another ensemble: the base was computed from a state that this one never had."""


class BaseState(StrEnum):
    """What is known of former synchronisations."""

    KNOWN = "known"
    FIRST = "first"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Limits:
    """The deletion guard of the spec: keys, and per cent of all keys."""

    max_keys: int
    max_percent: int


def history_of(base: Base | None, picture: Picture, ledger: Ledger | None) -> History:
    """Tell whether the source still is the one of the base. Without a base nothing is known that could differ."""
    if base is None or base.root_czxid == 0:
        return History.SAME
    if picture.zxid < base.zxid:
        return History.REGRESSED
    if base.ledger_czxid != 0 and (ledger is None or ledger.czxid != base.ledger_czxid):
        return History.REGRESSED
    if not picture.root_exists:
        return History.ROOT_MISSING
    if picture.root_czxid == base.root_czxid:
        return History.SAME
    return History.ROOT_REPLACED if picture.root_czxid > base.zxid else History.REGRESSED


def must_hold(deletions: int, keys: int, limits: Limits) -> bool:
    """Whether so many deletions of so many keys wait for approval."""
    if deletions > limits.max_keys:
        return True
    return deletions >= SMALL_PLAN and deletions * 100 > max(keys, 1) * limits.max_percent


def plan_hash(root_czxid: int, changes: Iterable[tuple[Side, str, bytes]]) -> str:
    """Identify changes by side, key and the value that goes (or comes): another plan has another hash."""
    digest = hashlib.sha256(str(root_czxid).encode())
    for side, key, value in sorted(changes):
        digest.update(f"\0{side}\0{key}\0".encode() + value)
    return digest.hexdigest()[:16]
