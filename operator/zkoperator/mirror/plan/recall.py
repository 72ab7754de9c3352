"""The base of a ConfigMap that lost its annotation because it was replaced or created again. Pure.

The status names the keys that were common at its zxid, and the ledger what was pushed since. A znode that was not
written after that still has the common value, so no digest is needed. For a znode that was written since, the common
value is unknown and equals neither side: both sides have changed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from zkoperator.api.sync import ConfigSyncStatus
from zkoperator.mirror.model.common import Common, common_text
from zkoperator.mirror.model.ledger import Ledger, Pushed, effective_digests
from zkoperator.mirror.model.merge_base import (
    DIGEST_BYTES,
    EMPTY_PARENT,
    EMPTY_PUSHED,
    Base,
    decode_base,
    short,
    value_digest,
)
from zkoperator.mirror.model.names import zxid_of
from zkoperator.mirror.model.selected_znodes import SelectedZnodes
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.snapshot import Znode

UNKNOWN: Final = b"\xff" * DIGEST_BYTES
"""Entry of a base for a common value that is unknown. No value has this digest."""
_COMMON: Final = b"\x02" * DIGEST_BYTES
"""Entry of a status for the value that the znode has."""


def common_of(base: Base, ledger: Ledger | None, selected: SelectedZnodes, known: Common) -> Common:
    """Return what a status keeps of the base. The same keys give the same text, whatever their values are."""
    marks = {key: _mark(key, digest, selected) for key, digest in effective_digests(base, ledger).items()}
    return common_text(replace(base, zxid=0, digests=marks, unsettled=frozenset()), known)


def _mark(key: str, digest: bytes, selected: SelectedZnodes) -> bytes:
    """Return the entry of a status for one key; `UNKNOWN` when its znode has another value, or is gone."""
    znode = selected.keys.get(key)
    if digest == EMPTY_PARENT:
        return EMPTY_PARENT
    if znode is None or short(znode.digest) != value_digest(digest):
        return UNKNOWN
    return EMPTY_PUSHED if digest == EMPTY_PUSHED else _COMMON


def base_in_effect(sync: ValidatedSync, observed: Observed, selected: SelectedZnodes) -> Base | None:
    """Return the base of this ConfigSync: of the annotation, else the last one that this process wrote, else recalled.

    An annotation that another ConfigSync wrote does not count, and nothing is recalled beside it. Digests that were
    made with another key tell nothing about values: they count as lost.
    """
    if observed.base is not None and observed.base.sync_uid != sync.uid:
        return None
    for base in (observed.base, observed.carried):
        if base is not None and base.sync_uid == sync.uid and base.seal == observed.seal.id:
            return base
    return recalled_base(sync.status, sync.uid, observed.ledger, selected)


def recalled_base(status: ConfigSyncStatus, uid: str, ledger: Ledger | None, selected: SelectedZnodes) -> Base | None:
    """Return the base that follows from status and ledger, None when the status has none."""
    known, zxid = decode_base(status.common), zxid_of(status.zxid)
    if known is None or known.sync_uid != uid or zxid == 0:
        return None
    entries = ledger.entries if ledger is not None else {}
    since = {key: item for key, item in entries.items() if ledger is not None and ledger.zxid_of(item) > zxid}
    znodes = {**selected.empty_parents, **selected.keys}
    digests = {key: _recalled(mark, znodes.get(key), zxid) for key, mark in known.digests.items() if key not in since}
    digests.update(_pushed(since, ledger, znodes))
    last_zxid = max(zxid, ledger.last_push_zxid if ledger is not None else 0)
    return replace(
        known,
        zxid=last_zxid,
        digests=digests,
        detached={key: item for key, item in known.detached.items() if key not in since},
        adopting=known.adopting - since.keys(),
        unsettled=frozenset(key for key, digest in digests.items() if digest in (UNKNOWN, EMPTY_PARENT)),
    )


def _recalled(mark: bytes, znode: Znode | None, zxid: int) -> bytes:
    """Return the common value of one key: that of its znode if it had it and was not written since, else `UNKNOWN`."""
    if mark == EMPTY_PARENT:
        return EMPTY_PARENT
    if mark == UNKNOWN or znode is None or znode.mzxid > zxid:
        return UNKNOWN
    return EMPTY_PUSHED if mark == EMPTY_PUSHED else short(znode.digest)


def _pushed(since: Mapping[str, Pushed], ledger: Ledger | None, znodes: Mapping[str, Znode]) -> dict[str, bytes]:
    """Return the base of every key that was pushed and not deleted; `UNKNOWN` if its znode was written since.

    That of a znode as it was pushed is its own digest: the ledger's may have been made with a key that was lost.
    """
    digests: dict[str, bytes] = {}
    for key, item in since.items():
        if item.digest is None or ledger is None:
            continue
        znode = znodes.get(key)
        if item.digest == EMPTY_PARENT:
            digests[key] = EMPTY_PARENT
        elif znode is None or znode.mzxid != ledger.zxid_of(item):
            digests[key] = UNKNOWN
        else:
            digests[key] = EMPTY_PUSHED if item.digest == EMPTY_PUSHED else short(znode.digest)
    return digests
