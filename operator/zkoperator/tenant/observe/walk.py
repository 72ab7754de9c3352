"""Looks at the znodes below a path, up to a number of them. I/O."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from zkoperator.tenant.model.acl import is_world_writable
from zkoperator.tenant.observe.seen import Audit, Contents, Leaf
from zkoperator.zk.paths import join
from zkoperator.zk.port import Children, NoNodeError, Zk

AUDITED: Final = 1000
DELETED: Final = 10_000
"""Most znodes that are deleted with a ZNode: who has more deletes them himself, and sees what they are."""
_AT_ONCE: Final = 64
_EPHEMERALS: Final = 5
_NO_SESSION: Final = 1 << 63
_TIME_TO_LIVE: Final = 0xFF << 56
_BITS: Final = (1 << 64) - 1


async def audit(zk: Zk, root: str) -> Audit:
    """Count the znodes below the root that everybody may change."""
    paths = [path async for path, _ in _below(zk, root, AUDITED)]
    found = 0
    for start in range(0, len(paths), _AT_ONCE):
        found += sum(await asyncio.gather(*(_is_open(zk, path) for path in paths[start : start + _AT_ONCE])))
    return Audit(found, len(paths))


async def contents(zk: Zk, root: str) -> Contents:
    """Return the znodes below the root, children before their parents."""
    found = [(path, listing) async for path, listing in _below(zk, root, DELETED + 1)]
    ephemerals = [path for path, listing in found if _belongs_to_session(listing.stat.ephemeral_owner)]
    leaves = tuple(Leaf(path, listing.stat.version) for path, listing in reversed(found))
    return Contents(leaves, tuple(ephemerals[:_EPHEMERALS]), len(found) > DELETED)


async def _below(zk: Zk, root: str, limit: int) -> AsyncIterator[tuple[str, Children]]:
    """Yield the znodes below the root, parents before their children, and at most so many."""
    level, count = [root], 0
    while level and count < limit:
        batch, level = level[:_AT_ONCE], level[_AT_ONCE:]
        for path, listing in zip(batch, await asyncio.gather(*(_listing(zk, each) for each in batch)), strict=True):
            if listing is None:
                continue
            level += [join(path, name) for name in sorted(listing.names)]
            if path != root and count < limit:
                count += 1
                yield path, listing


async def _listing(zk: Zk, path: str) -> Children | None:
    try:
        return await zk.children(path)
    except NoNodeError:
        return None


async def _is_open(zk: Zk, path: str) -> bool:
    try:
        return is_world_writable((await zk.get_acl(path)).entries)
    except NoNodeError:
        return False


def _belongs_to_session(owner: int) -> bool:
    """Containers and znodes with a time to live have marks of their own in place of a session."""
    unsigned = owner & _BITS
    return owner != 0 and unsigned != _NO_SESSION and unsigned & _TIME_TO_LIVE != _TIME_TO_LIVE
