"""Compares a snapshot with the ensemble, a few znodes at a time, while the snapshot is in use. I/O.

A watch reports changes of znodes, but not permissions that were granted or revoked, and a server may lose a watch. So
the snapshot is compared with the ensemble now and then, and only if it differs the whole subtree is read again.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from zkoperator.errors import ForbiddenError
from zkoperator.zk.paths import join
from zkoperator.zk.port import Node, NoNodeError, Stat, Zk
from zkoperator.zk.subtree_feed import SubtreeFeed

_BATCH: Final = 16


async def verify(zk: Zk, root: str, feed: SubtreeFeed, *, everything: bool) -> None:
    """Read the refused znodes again, and with `everything` compare all other znodes as well.

    A batch that a notification interrupts is not compared: the notification proves that the watch works.

    Raises:
        TransientError: the connection was lost; everything will be read again anyway.
    """
    known, refused = feed.known()
    if await _may_read_any(zk, root, refused) or (everything and await _differs(zk, root, feed, known)):
        feed.reread()


async def verify_at(zk: Zk, root: str, feed: SubtreeFeed, path: str) -> None:
    """Compare one znode (by its absolute path) whose write was refused, and its parent.

    If another client was faster, the watch reports its change anyway; but no watch reports a znode that we may not
    read. Events arrive before replies, so the snapshot is as new as the stats that it is compared with.

    Raises:
        TransientError: the connection was lost; everything will be read again anyway.
    """
    prefix = join(root, "")
    if path != root and not path.startswith(prefix):
        return
    relative = path[len(prefix) :]
    paths = (relative, relative.rpartition("/")[0])
    answers = await asyncio.gather(*(_stat_or_refusal(zk, _absolute(root, path)) for path in paths))
    if not all(map(feed.agrees, paths, answers)):
        feed.reread()


async def _stat_or_refusal(zk: Zk, path: str) -> Stat | ForbiddenError | None:
    try:
        return await zk.exists(path)
    except ForbiddenError as error:
        return error


async def _may_read_any(zk: Zk, root: str, refused: Sequence[str]) -> bool:
    for batch in _batches(refused):
        asked = (zk.get(_absolute(root, path)) for path in batch)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        if any(isinstance(answer, Node | NoNodeError) for answer in answers):
            return True
    return False


async def _differs(zk: Zk, root: str, feed: SubtreeFeed, known: Sequence[str]) -> bool:
    for batch in _batches(known):
        before = feed.position()
        try:
            stats = await asyncio.gather(*(zk.exists(_absolute(root, path)) for path in batch))
        except ForbiddenError:
            return True
        if feed.position() == before and not all(map(feed.agrees, batch, stats)):
            return True
    return False


def _batches(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _BATCH):
        yield paths[start : start + _BATCH]


def _absolute(root: str, path: str) -> str:
    return join(root, path) if path else root
