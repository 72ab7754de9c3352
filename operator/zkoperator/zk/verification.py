"""Comparing a snapshot with the ensemble, a few znodes at a time, while the snapshot stands. I/O.

A watch tells of changes, not of permissions that were granted or taken away, and a server may lose a watch. So what is
known is compared now and then; only if it differs the whole subtree is read again.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from zkoperator.errors import ForbiddenError
from zkoperator.zk.paths import join
from zkoperator.zk.port import Node, NoNodeError, Stat, Zk
from zkoperator.zk.subtree_feed import SubtreeFeed

_AT_ONCE: Final = 16


async def recheck(zk: Zk, root: str, feed: SubtreeFeed, *, everything: bool) -> None:
    """Ask for what was refused again, and with `everything` compare all else too.

    Where a notification comes in between nothing is judged: it proves that the watch is alive.

    Raises:
        TransientError: the connection was lost: everything will be read anyway.
    """
    known, refused = feed.known()
    if await _may_read_any(zk, root, refused) or (everything and await _differs(zk, root, feed, known)):
        feed.reread()


async def recheck_at(zk: Zk, root: str, feed: SubtreeFeed, path: str) -> None:
    """Compare the znode that a write was refused at, by its absolute path, and its parent.

    A race that is lost is told by the watch anyway; no watch tells of a znode that may not be read. Events come before
    replies, so that what is compared is as new as the stats.

    Raises:
        TransientError: the connection was lost: everything will be read anyway.
    """
    prefix = join(root, "")
    if path != root and not path.startswith(prefix):
        return
    relative = path[len(prefix) :]
    near = (relative, relative.rpartition("/")[0])
    answers = await asyncio.gather(*(_stat(zk, _absolute(root, each)) for each in near))
    if not all(map(feed.agrees, near, answers)):
        feed.reread()


async def _stat(zk: Zk, path: str) -> Stat | ForbiddenError | None:
    try:
        return await zk.exists(path)
    except ForbiddenError as error:
        return error


async def _may_read_any(zk: Zk, root: str, refused: Sequence[str]) -> bool:
    for part in _parts(refused):
        asked = (zk.get(_absolute(root, path)) for path in part)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        if any(isinstance(answer, Node | NoNodeError) for answer in answers):
            return True
    return False


async def _differs(zk: Zk, root: str, feed: SubtreeFeed, known: Sequence[str]) -> bool:
    for part in _parts(known):
        before = feed.moment()
        try:
            stats = await asyncio.gather(*(zk.exists(_absolute(root, path)) for path in part))
        except ForbiddenError:
            return True
        if feed.moment() == before and not all(map(feed.agrees, part, stats)):
            return True
    return False


def _parts(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _AT_ONCE):
        yield paths[start : start + _AT_ONCE]


def _absolute(root: str, path: str) -> str:
    return join(root, path) if path else root
