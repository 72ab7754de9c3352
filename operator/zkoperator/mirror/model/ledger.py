"""The ledger znode of a ConfigSync that pushes: the base of every key pushed since the annotation. Pure.

It is set in the same multi as the pushed data, over exactly the version last read. So a push and its base are one
commit, a second operator's push fails, and after a lost answer the ledger tells whether the push happened.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from zkoperator.mirror.model.merge_base import Base

FOLD_BYTES: Final = 32_768
"""A ledger larger than this is folded into the annotation before the next push."""
PARENTS_BYTES: Final = 32_768
"""The most bytes of created parents that are remembered for pruning; further parents are never pruned."""


class Pushed(NamedTuple):
    """The base of one pushed key: digest (None: deleted) and the zxid of its push (None: the ledger's own mzxid)."""

    digest: bytes | None
    zxid: int | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """One version of the ledger.

    Args:
        version: data version of the znode, the condition of the next push.
        czxid: its creation: another one belongs to another history of the ensemble.
        mzxid: the transaction that wrote it last.
        push_id: that push, 0 before the first.
        resource_version, config_map: version and uid of the ConfigMap that was pushed.
        entries: keys pushed since the annotation was written.
        parents: znodes that were created only to hold others, relative to the root.
        claim_version: of the claim under which it is ours; not part of the znode.
    """

    version: int
    czxid: int
    mzxid: int
    push_id: int = 0
    resource_version: str = ""
    entries: Mapping[str, Pushed] = field(default_factory=dict)
    parents: frozenset[str] = frozenset()
    claim_version: int = 0
    config_map: str = ""

    def zxid_of(self, pushed: Pushed) -> int:
        """Return the transaction in which the entry was pushed."""
        return self.mzxid if pushed.zxid is None else pushed.zxid

    @property
    def last_push_zxid(self) -> int:
        """The newest transaction with pushed data; no snapshot that is older may be merged."""
        return max((self.zxid_of(pushed) for pushed in self.entries.values()), default=0)

    @property
    def resource_number(self) -> int:
        """The resourceVersion as a number, 0 when it is not a number. A hint only."""
        return int(self.resource_version) if self.resource_version.isdecimal() else 0


def next_push(
    ledger: Ledger,
    *,
    annotated_zxid: int,
    pushed: Mapping[str, bytes | None],
    resource_version: str,
    config_map: str,
    made: frozenset[str],
    pruned: frozenset[str],
) -> Ledger:
    """Return the ledger for the next push: new entries have no zxid yet, and folded entries are removed."""
    kept = {
        key: Pushed(item.digest, ledger.zxid_of(item))
        for key, item in ledger.entries.items()
        if ledger.zxid_of(item) > annotated_zxid
    }
    kept.update((key, Pushed(digest, None)) for key, digest in pushed.items())
    kept_parents = ledger.parents - pruned
    parents = kept_parents | made
    is_room = sum(len(path.encode()) + 3 for path in parents) <= PARENTS_BYTES
    return replace(
        ledger,
        push_id=ledger.push_id + 1,
        resource_version=resource_version,
        config_map=config_map,
        entries=kept,
        parents=parents if is_room else kept_parents,
    )


def fence(ledger: Ledger) -> Ledger:
    """Return the ledger that a new owner writes: only the version changes, so that pushes in flight fail."""
    entries = {key: Pushed(item.digest, ledger.zxid_of(item)) for key, item in ledger.entries.items()}
    return replace(ledger, entries=entries)


def pushed_since(base: Base, ledger: Ledger | None) -> dict[str, bytes | None]:
    """Return key -> digest (None: deleted) of what was pushed after the annotation was written."""
    if ledger is None:
        return {}
    return {key: pushed.digest for key, pushed in ledger.entries.items() if ledger.zxid_of(pushed) > base.zxid}


def effective_digests(base: Base, ledger: Ledger | None) -> dict[str, bytes]:
    """Return the base of every key: its ledger entry where that is newer than the annotation, else the annotation's."""
    digests = dict(base.digests)
    for key, digest in pushed_since(base, ledger).items():
        if digest is None:
            digests.pop(key, None)
        else:
            digests[key] = digest
    return digests


def encode_ledger(ledger: Ledger) -> bytes:
    """Return the data of the znode."""
    document = {
        "push": ledger.push_id,
        "resourceVersion": ledger.resource_version,
        "configMap": ledger.config_map,
        "keys": {
            key: [None if item.digest is None else item.digest.hex(), item.zxid] for key, item in ledger.entries.items()
        },
        "parents": sorted(ledger.parents),
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def decode_ledger(data: bytes, *, version: int, czxid: int, mzxid: int) -> Ledger | None:
    """Return the ledger from data and stat of its znode, None when the data is not a ledger."""
    try:
        document: dict[str, Any] = json.loads(data)
        return Ledger(
            version=version,
            czxid=czxid,
            mzxid=mzxid,
            push_id=int(document["push"]),
            resource_version=str(document["resourceVersion"]),
            config_map=str(document.get("configMap", "")),
            entries={
                key: Pushed(None if digest is None else bytes.fromhex(digest), zxid)
                for key, (digest, zxid) in document["keys"].items()
            },
            parents=frozenset(document["parents"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
