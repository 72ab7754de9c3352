"""Guards that hold a plan, or its deletions, before anything is written. Pure."""

import hashlib
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final

from zkoperator.mirror.model.decision import Action, Decision
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.merge_base import EMPTY_DIGEST, EMPTY_PARENT, EMPTY_PUSHED, Base, Side, short
from zkoperator.mirror.model.roots import roots_of
from zkoperator.mirror.model.rules import DeletionLimits
from zkoperator.zk.snapshot import Snapshot, is_at_or_below
from zkoperator.zk.zxid import incarnation_of

SMALL_PLAN: Final = 5
"""A plan that deletes fewer keys than this is never held for its share."""


class History(StrEnum):
    """What the source is in relation to the base."""

    SAME = "same"
    ROOT_MISSING = "root_missing"
    ROOT_REPLACED = "root_replaced"
    """The root was deleted and created again after the base: absent keys were not deleted one by one."""
    REGRESSED = "regressed"
    """The ensemble was restored or wiped, or is another one: it never had the state of the base."""


class BaseState(StrEnum):
    """What is known about earlier synchronisations."""

    KNOWN = "known"
    FIRST = "first"
    LOST = "lost"


def history_of(base: Base | None, snapshot: Snapshot, ledger: Ledger | None, ensemble: str) -> History:
    """Compare the source with the one of the base. Without a base, they count as the same.

    `ensemble` is its name in the spec. Two names may mean the same ensemble, so that only another name together with
    another root counts as another ensemble.
    """
    if base is None or not base.roots:
        return History.SAME
    if snapshot.zxid < max(base.zxid, ledger.last_push_zxid if ledger is not None else 0):
        return History.REGRESSED
    if base.ledger_czxid != 0 and (ledger is None or ledger.czxid != base.ledger_czxid):
        return History.REGRESSED
    if not snapshot.root_exists:
        return History.ROOT_MISSING
    found = {
        _of_root(base.roots.get(path, base.roots.get("")), proofs, base, ensemble)
        for path, proofs in roots_of(snapshot).items()
    }
    return next((history for history in (History.REGRESSED, History.ROOT_REPLACED) if history in found), History.SAME)


def _of_root(known: frozenset[int] | None, present: frozenset[int], base: Base, ensemble: str) -> History:
    """Compare one root with the one of the base."""
    if not known or known & present:
        return History.SAME
    if base.ensemble not in ("", ensemble):
        return History.REGRESSED
    is_replaced = all(czxid > base.zxid or czxid in base.held_roots for czxid in present)
    return History.ROOT_REPLACED if is_replaced else History.REGRESSED


def is_reverted(item: Decision, base: Base, ledger: Ledger | None, snapshot: Snapshot) -> bool:
    """Whether a znode has another value than at the base without having been written since: a restored backup.

    A restored ensemble begins a new epoch, so that new zxids are larger than all earlier ones. But the znodes that the
    restore brings back were written before the base, and so was every ancestor of the znodes that it removes. A znode
    that the push of the base itself wrote is not restored: that push emptied a parent whose key was deleted.
    """
    pushed = ledger.entries.get(item.key) if ledger is not None else None
    written_by_us = 0
    if ledger is not None and pushed is not None and ledger.zxid_of(pushed) > base.zxid:
        digest, since = pushed.digest, ledger.zxid_of(pushed)
        written_by_us = since
    elif item.key in base.digests and item.key not in base.unsettled:
        digest, since = base.digests[item.key], base.zxid
    else:
        return False
    if (was := base.paths.get(item.key, item.path)) != item.path:
        # Another znode has the key now, which proves nothing; but the one that had it may be missing.
        is_followed = any(is_at_or_below(was, root) for root in snapshot.roots)
        return is_followed and snapshot.is_known_absent(was) and not _may_be_deleted(was, snapshot, since)
    znode = snapshot.nodes.get(item.path)
    if znode is not None:
        known = EMPTY_DIGEST if digest in (EMPTY_PARENT, EMPTY_PUSHED) else digest
        if short(znode.digest) == known or znode.mzxid > since or znode.mzxid == written_by_us:
            return False
        holds_others = znode.data_length == 0 and (znode.num_children > 0 or znode.pzxid > since)
        return not (digest is None and holds_others)
    return (
        digest is not None and snapshot.is_known_absent(item.path) and not _may_be_deleted(item.path, snapshot, since)
    )


def _may_be_deleted(path: str, snapshot: Snapshot, since: int) -> bool:
    """Whether an absent znode may have been deleted after this zxid. Siblings that came or went since are a sign of it.

    They are none where the operator has restored or recovered the ensemble meanwhile: the znode may be missing since
    then, and the siblings be of a later time.
    """
    return incarnation_of(snapshot.zxid) == incarnation_of(since) and _newest_above(path, snapshot) > since


def _newest_above(path: str, snapshot: Snapshot) -> int:
    """Return the zxid at which a child of the nearest existing ancestor was last created or deleted."""
    while path:
        path = path.rpartition("/")[0]
        if (ancestor := snapshot.nodes.get(path)) is not None:
            return ancestor.pzxid
    return snapshot.zxid


def must_hold(deletions: int, keys: int, limits: DeletionLimits) -> bool:
    """Whether so many deletions of so many keys wait for approval."""
    if deletions > limits.max_keys:
        return True
    return deletions >= SMALL_PLAN and deletions * 100 > max(keys, 1) * limits.max_percent


def loses_all(known: AbstractSet[str], changes: Iterable[Decision]) -> bool:
    """Whether all common keys would go, and no new key comes."""
    left = set(known)
    for item in changes:
        if item.is_deletion or item.action in (Action.FORGET, Action.DETACH):
            left.discard(item.key)
        else:
            left.add(item.key)
    return not left


def plan_hash(history: tuple[int, ...], changes: Iterable[tuple[Side, str, bytes]]) -> str:
    """Return a hash of the changes, by side, key and removed (or written) value: another plan has another hash.

    `history`: numbers that identify the history of the ensemble, such as zxids of creations and epochs.
    """
    digest = hashlib.sha256(repr(history).encode())
    for side, key, value in sorted(changes):
        digest.update(f"\0{side}\0{key}\0".encode() + value)
    return digest.hexdigest()[:16]
