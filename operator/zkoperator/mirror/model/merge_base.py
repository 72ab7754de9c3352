"""The common base of the three-way merge, as the annotation that travels with the data it describes. Pure.

`1:` and the base64 of a zlib stream: a JSON head, a zero byte, the keys separated by zero bytes, a zero byte, and
their digests in the same order. Two values share the first twelve bytes of a digest with a probability of 2**-96. A
key costs 16 characters and its compressed name, so that the API server's limit of 262,144 bytes for all annotations
holds some ten thousand keys.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from zkoperator.mirror.model.naming import PLAIN, Naming
from zkoperator.mirror.model.parts import Part
from zkoperator.zk.snapshot import digest_of

DIGEST_BYTES: Final = 12
ANNOTATIONS_LIMIT: Final = 262_144
"""Bytes that the API server takes for all annotations of an object, names included."""

_VERSION: Final = "1:"
_NONE: Final[frozenset[Any]] = frozenset()
"""Shared: an empty set of its own takes 216 bytes, and most bases have four of them."""
_DIGITS: Final = "0123456789abcdef"
_NO_PART: Final = "-"


class Side(StrEnum):
    """One of the two sides of a ConfigSync, by its name in annotations."""

    ZOOKEEPER = "zookeeper"
    CONFIG_MAP = "configmap"


class Detached(NamedTuple):
    """A key that was deleted on one side and kept on the other: the side that kept it, and the digest that it kept."""

    kept_by: Side
    digest: bytes


@dataclass(frozen=True, slots=True)
class Base:
    """What both sides had in common at `zxid`.

    Args:
        sync_uid: of the ConfigSync that wrote it; others do not use it.
        zxid: the state of the subtree that it was computed from.
        roots: what proves that a root is the same, see `roots`; empty when there was no root.
        ledger_czxid: the creation of the ledger znode, 0 while nothing is pushed.
        digests: key -> digest of the value that both sides had (shortened, see `short`).
        detached: keys that only one side keeps.
        rebuilt: the former base was lost, and conflicts that follow from that are not settled yet.
        unsettled: keys of `digests` whose znode had another value at `zxid`, or none.
        adopting: keys that the adoption policy has settled and that are still to be written.
        held_roots: proofs of roots that replaced known ones, while deletions are held.
        ephemeral: keys of `digests` whose znodes belonged to a session.
        ensemble, path: the subtree by its names in the spec; "" in a base of an earlier version of the operator. Of
            several subtrees, `path` has all paths, one a line.
        naming: how the keys are named.
        paths: key -> its path, for keys from which the path does not follow.
        seal: names the key with which the digests were made, "" for plain ones; see `Seal`.
    """

    sync_uid: str
    zxid: int
    roots: Mapping[str, frozenset[int]] = field(default_factory=dict)
    ledger_czxid: int = 0
    digests: Mapping[str, bytes] = field(default_factory=dict)
    detached: Mapping[str, Detached] = field(default_factory=dict)
    rebuilt: bool = False
    unsettled: frozenset[str] = frozenset()
    adopting: frozenset[str] = frozenset()
    held_roots: frozenset[int] = frozenset()
    ensemble: str = ""
    path: str = ""
    ephemeral: frozenset[str] = frozenset()
    naming: Naming = PLAIN
    paths: Mapping[str, str] = field(default_factory=dict)
    seal: str = ""

    @property
    def root_czxid(self) -> int:
        """The oldest proof of all roots, 0 when there is none."""
        return min((czxid for proofs in self.roots.values() for czxid in proofs), default=0)


def short(digest: bytes) -> bytes:
    """Return the part of a digest that a base remembers."""
    return digest[:DIGEST_BYTES]


EMPTY_DIGEST: Final = short(digest_of(b""))
EMPTY_PARENT: Final = bytes(DIGEST_BYTES)
"""Entry of a base for an empty key whose znode is an empty parent: both sides count as equal."""
EMPTY_PUSHED: Final = bytes(DIGEST_BYTES - 1) + b"\x01"
"""Entry of a base for an empty key that the ConfigMap had first: it stays when its znode becomes an empty parent."""


def value_digest(digest: bytes | None) -> bytes | None:
    """Return the digest of the value of an entry of a base; `EMPTY_PARENT` and None stay as they are."""
    return EMPTY_DIGEST if digest == EMPTY_PUSHED else digest


def encode_base(base: Base) -> str:
    """Return the annotation's text: the same base always gives the same text."""
    keys = sorted(base.digests)
    head = {
        "uid": base.sync_uid,
        "zxid": base.zxid,
        "root": base.root_czxid,
        "ledger": base.ledger_czxid,
        "detached": {key: [item.kept_by, item.digest.hex()] for key, item in sorted(base.detached.items())},
        "rebuilt": base.rebuilt,
        "apart": sorted(base.unsettled),
        "adopting": sorted(base.adopting),
        "held_root": min(base.held_roots, default=0),
        "ensemble": base.ensemble,
        "path": base.path,
        "ephemeral": sorted(base.ephemeral),
        "keys": len(keys),
        **_further_head(base),
    }
    names = "\0".join(keys).encode()
    packed = json.dumps(head, separators=(",", ":")).encode() + b"\0" + names + b"\0"
    packed += b"".join(base.digests[key] for key in keys)
    return _VERSION + base64.b64encode(zlib.compress(packed, 6)).decode()


def _further_head(base: Base) -> dict[str, Any]:
    """Return what most bases do not need: a base of one plain root is written as an earlier version wrote it."""
    head: dict[str, Any] = {}
    if base.roots not in ({}, {base.path: frozenset({base.root_czxid})}):
        head["roots"] = {path: sorted(proofs) for path, proofs in sorted(base.roots.items())}
    if base.seal:
        head["seal"] = base.seal
    if len(base.held_roots) > 1:
        head["held_roots"] = sorted(base.held_roots)
    if not base.naming.is_plain:
        head["naming"] = _naming_head(base.naming)
    if base.naming.parts:
        head["parts"] = "".join(_part_digit(base, key) for key in sorted(base.digests))
    paths = {key: path for key, path in sorted(base.paths.items()) if _part_digit(base, key) == _NO_PART}
    if paths:
        head["paths"] = paths
    return head


def _part_digit(base: Base, key: str) -> str:
    """Return which of several subtrees the key is from, where its path follows from that: a path costs far more."""
    path = base.paths.get(key, "")
    number = base.naming.number_of(path) if base.naming.parts and key in base.digests else None
    return _DIGITS[number] if number is not None and base.naming.path_in(number, key) == path else _NO_PART


def _paths(head: Mapping[str, Any], naming: Naming, keys: Sequence[str]) -> dict[str, str]:
    known = {key: str(path) for key, path in head.get("paths", {}).items()}
    digits = zip(keys, head.get("parts", ""), strict=False)
    found = {key: naming.path_in(_DIGITS.index(digit), key) for key, digit in digits if digit != _NO_PART}
    return known | {key: path for key, path in found.items() if path is not None}


def _naming_head(naming: Naming) -> list[Any]:
    parts = [[part.path, part.prefix] for part in naming.parts]
    return [naming.separator, naming.strip_prefix, *([parts] if parts else [])]


def _naming(separator: str = PLAIN.separator, prefix: str = "", parts: Sequence[Sequence[str]] = ()) -> Naming:
    return Naming(separator, prefix, parts=tuple(Part(*part) for part in parts))


def decode_base(text: str) -> Base | None:
    """Return the base of an annotation, None when it was not written by `encode_base`."""
    if not text.startswith(_VERSION):
        return None
    try:
        return _unpack(zlib.decompress(base64.b64decode(text[len(_VERSION) :], validate=True)))
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, AttributeError):
        return None


def _unpack(packed: bytes) -> Base | None:
    head_text, _, rest = packed.partition(b"\0")
    head: dict[str, Any] = json.loads(head_text)
    number = int(head["keys"])
    digests_at = len(rest) - number * DIGEST_BYTES
    if digests_at < 1 or rest[digests_at - 1 : digests_at] != b"\0":
        return None
    keys = rest[: digests_at - 1].decode().split("\0") if number > 0 else []
    if len(keys) != number:
        return None
    raw = rest[digests_at:]
    naming = _naming(*head.get("naming", ()))
    return Base(
        sync_uid=str(head["uid"]),
        zxid=int(head["zxid"]),
        roots=_roots(head),
        ledger_czxid=int(head["ledger"]),
        digests={key: raw[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES] for at, key in enumerate(keys)},
        detached={
            key: Detached(Side(kept_by), bytes.fromhex(digest)) for key, (kept_by, digest) in head["detached"].items()
        },
        rebuilt=head["rebuilt"] is True,
        unsettled=frozenset(head["apart"]) or _NONE,
        adopting=frozenset(head["adopting"]) or _NONE,
        held_roots=frozenset(head.get("held_roots", filter(None, [int(head["held_root"])]))) or _NONE,
        ensemble=str(head.get("ensemble", "")),
        path=str(head.get("path", "")),
        ephemeral=frozenset(head.get("ephemeral", ())) or _NONE,
        naming=naming,
        paths=_paths(head, naming, keys),
        seal=str(head.get("seal", "")),
    )


def _roots(head: Mapping[str, Any]) -> dict[str, frozenset[int]]:
    """Return the roots; without an entry of their own there is one root at most."""
    if "roots" in head:
        return {path: frozenset(proofs) for path, proofs in head["roots"].items()}
    return {str(head.get("path", "")): frozenset({int(head["root"])})} if head["root"] else {}
