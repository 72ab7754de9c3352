"""The keys that both sides have in common, as a status keeps them. The text is made again when they change. Pure."""

from dataclasses import replace
from hashlib import blake2b
from typing import Final, NamedTuple

from zkoperator.api.sync import MAX_COMMON
from zkoperator.mirror.model.merge_base import Base, encode_base

_COMPRESSES_TO: Final = 8
"""Estimate: names of keys are compressed by this factor at most."""


class Common(NamedTuple):
    """The text of a status, "" when it would be too long; and what it was made from, as a digest."""

    source: bytes
    text: str


NOTHING_COMMON: Final = Common(b"", "")


def common_text(marked: Base, known: Common) -> Common:
    """Return the text for a base whose digests are marks of the keys; the text of the last pass if it is the same.

    Packing costs ten times as much as the digest.
    """
    source = _source(marked)
    if source == known.source:
        return known
    if sum(len(key) + 1 for key in marked.digests) > MAX_COMMON * _COMPRESSES_TO:
        return Common(source, "")
    text = encode_base(marked)
    return Common(source, text if len(text) <= MAX_COMMON else "")


def _source(marked: Base) -> bytes:
    keys = sorted(marked.digests)
    head = replace(marked, digests={}, paths={}, ephemeral=frozenset(), adopting=frozenset())
    digest = blake2b(repr(head).encode(), digest_size=16)
    for names in (keys, sorted(marked.ephemeral), sorted(marked.adopting)):
        digest.update("\0".join(names).encode() + b"\0\0")
    digest.update(b"".join(marked.digests[key] for key in keys))
    digest.update("\0".join(f"{key}\0{path}" for key, path in sorted(marked.paths.items())).encode())
    return digest.digest()
