"""Compares the members of an ensemble znode by znode, ACLs included, while clients go on writing. I/O.

Each member is read by a session of its own. Differences that may come from the moments of the reading are looked at
again; what stays unclear is counted, and is not called a difference.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from hashlib import sha256
from typing import Final

from zkoperator.backup.comparison import Audit, Difference, Verdict, View, difference, judge, side_by_side
from zkoperator.backup.exact_export import ExactExport
from zkoperator.backup.tree_store import TreeStore
from zkoperator.backup.znode import Znode
from zkoperator.errors import TransientError
from zkoperator.zk.port import NoNodeError, Read, Zk

_LOOKS: Final = 5
_MOST_SUSPECTS: Final = 10_000
_AT_ONCE: Final = 16
_TRIES: Final = 3

Views = Mapping[str, View]


async def audit(members: Mapping[str, Zk]) -> Audit:
    """Compare the members, given by their names and a session of the superuser with each.

    Raises:
        TransientError: a member could not be read to the end.
    """
    with ExitStack() as stack:
        stores = {name: stack.enter_context(closing(TreeStore())) for name in members}
        zxids = dict(
            zip(members, await asyncio.gather(*(_export(members[n], stores[n]) for n in members)), strict=True)
        )
        suspects, is_complete = _suspects(stores, zxids)
        differences, unsettled = await _look_again(members, suspects)
        counts = {name: len(store) for name, store in stores.items()}
    return Audit(zxids, counts, differences, unsettled, is_complete)


async def _export(zk: Zk, store: TreeStore) -> int:
    for _ in range(_TRIES - 1):
        try:
            return await ExactExport(zk, store).run()
        except TransientError:
            store.clear()
    return await ExactExport(zk, store).run()


def _suspects(stores: Mapping[str, TreeStore], zxids: Mapping[str, int]) -> tuple[dict[str, Views], bool]:
    """Return the paths at which the members differ, and whether these are all."""
    suspects: dict[str, Views] = {}
    for path, views in side_by_side({name: store.znodes() for name, store in stores.items()}, zxids):
        if _is_of_the_server(path) or judge(views.values()) is Verdict.SAME:
            continue
        if len(suspects) == _MOST_SUSPECTS:
            return suspects, False
        suspects[path] = {name: View(view.zxid, _digested(view.znode)) for name, view in views.items()}
    return suspects, True


def _is_of_the_server(path: str) -> bool:
    """Return whether each server writes the znode for itself, such as the usage of a quota."""
    return path == "/zookeeper" or path.startswith("/zookeeper/")


def _digested(znode: Znode | None) -> Znode | None:
    """Return the znode with a digest in place of its value: thousands of them may have to be kept."""
    if znode is None or znode.data is None:
        return znode
    return znode._replace(data=sha256(znode.data).digest())


async def _look_again(members: Mapping[str, Zk], suspects: dict[str, Views]) -> tuple[tuple[Difference, ...], int]:
    """Return the proved differences, and the number of paths that stayed unclear."""
    proved, rest = _proved(suspects)
    for _ in range(_LOOKS):
        if not rest:
            break
        await asyncio.gather(*(zk.sync("/") for zk in members.values()))
        found: dict[str, Views] = {}
        for start in range(0, len(rest), _AT_ONCE):
            found |= await _views(members, rest[start : start + _AT_ONCE])
        more, rest = _proved(found)
        proved |= more
    return tuple(difference(path, proved[path]) for path in sorted(proved)), len(rest)


def _proved(suspects: Mapping[str, Views]) -> tuple[dict[str, Views], list[str]]:
    """Return the paths that differ, and those that are not clear yet."""
    verdicts = {path: judge(views.values()) for path, views in suspects.items()}
    proved = {path: suspects[path] for path, verdict in verdicts.items() if verdict is Verdict.DIFFERENT}
    return proved, [path for path, verdict in verdicts.items() if verdict is Verdict.UNKNOWN]


async def _views(members: Mapping[str, Zk], paths: Sequence[str]) -> dict[str, Views]:
    answers = await asyncio.gather(*(_look(zk, paths) for zk in members.values()))
    found = dict(zip(members, answers, strict=True))
    return {path: {name: found[name][number] for name in members} for number, path in enumerate(paths)}


async def _look(zk: Zk, paths: Sequence[str]) -> list[View]:
    answer = await zk.multi_read(paths)
    znodes = [await _with_acl(zk, path, read) for path, read in zip(paths, answer.reads, strict=True)]
    return [View(answer.zxid, znode) for znode in znodes]


async def _with_acl(zk: Zk, path: str, read: Read | None) -> Znode | None:
    """Return the znode, without an ACL when it was deleted meanwhile: such a one equals no other."""
    if read is None:
        return None
    try:
        acl = await zk.get_acl(path)
    except NoNodeError:
        return _digested(Znode(path, read.data, read.stat._replace(aversion=-1), ()))
    return _digested(Znode(path, read.data, read.stat._replace(aversion=acl.stat.aversion), acl.entries))
