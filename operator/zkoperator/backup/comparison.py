"""Whether members that were read at different moments have the same znode. Pure.

Members are compared while clients write, so each shows another zxid. What a member shows is certain for the lowest of
these zxids when nothing about the znode has changed since. Two certain and different states are a difference; anything
else needs another look.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from itertools import groupby
from typing import NamedTuple

from zkoperator.backup.znode import Znode
from zkoperator.zk.port import Stat


class View(NamedTuple):
    """What one member had at a path at a zxid; None for no znode."""

    zxid: int
    znode: Znode | None


class Verdict(StrEnum):
    """What views of one path say."""

    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Aspect(StrEnum):
    """What differs, from the worst."""

    ABSENT = "absent"
    DATA = "data"
    ACL = "acl"
    STAT = "stat"


class Difference(NamedTuple):
    """A path at which members differ, and the names of those that agree, the larger groups first."""

    path: str
    aspect: Aspect
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """What members of an ensemble have.

    Attributes:
        zxids: the moment at which each member was read.
        znodes: how many each member has.
        differences: by path.
        unsettled: paths that were changed so often that they could not be compared.
        is_complete: whether all differences were looked for; not after the first 10,000.
    """

    zxids: Mapping[str, int]
    znodes: Mapping[str, int]
    differences: tuple[Difference, ...]
    unsettled: int
    is_complete: bool


def judge(views: Iterable[View]) -> Verdict:
    """Return what the views of one path say."""
    known = list(views)
    lowest = min(view.zxid for view in known)
    if len({view.znode for view in known}) == 1:
        return Verdict.SAME
    certain = [view.znode for view in known if _is_certain(view, lowest)]
    # No zxid says when an ACL was changed, only how often.
    states = {znode and (znode.data, znode.stat._replace(aversion=0)) for znode in certain}
    acls = {(znode.stat.aversion, znode.acl) for znode in certain if znode is not None}
    differ = len(states) > 1 or len(acls) > len({aversion for aversion, _ in acls})
    return Verdict.DIFFERENT if differ else Verdict.UNKNOWN


def _is_certain(view: View, zxid: int) -> bool:
    """Return whether the member had this also at the lower zxid."""
    if view.znode is None:
        return view.zxid == zxid
    return _changed(view.znode.stat) <= zxid


def _changed(stat: Stat) -> int:
    return max(stat.czxid, stat.mzxid, stat.pzxid)


def difference(path: str, views: Mapping[str, View]) -> Difference:
    """Return how the members differ at a path."""
    shown = {name: view.znode for name, view in views.items()}
    aspects: dict[Aspect, dict[str, object]] = {
        Aspect.ABSENT: {name: znode is None for name, znode in shown.items()},
        Aspect.DATA: {name: znode and (znode.data,) for name, znode in shown.items()},
        Aspect.ACL: {name: znode and (znode.acl, znode.stat.aversion) for name, znode in shown.items()},
    }
    aspect = next((aspect for aspect, values in aspects.items() if len(set(values.values())) > 1), Aspect.STAT)
    groups: dict[object, list[str]] = {}
    for name, value in (aspects.get(aspect) or shown).items():
        groups.setdefault(value, []).append(name)
    return Difference(path, aspect, tuple(sorted(map(tuple, groups.values()), key=lambda group: (-len(group), group))))


def side_by_side(
    trees: Mapping[str, Iterable[Znode]], zxids: Mapping[str, int]
) -> Iterator[tuple[str, dict[str, View]]]:
    """Return each path with what every member has there. The znodes of each tree come in the order of their paths."""
    streams = [_named(name, tree) for name, tree in trees.items()]
    for _, found in groupby(merge(*streams, key=lambda item: item[:2]), key=lambda item: item[0]):
        views = {name: View(zxids[name], None) for name in trees}
        path = ""
        for _, name, znode in found:
            path, views[name] = znode.path, View(zxids[name], znode)
        yield path, views


def _named(name: str, tree: Iterable[Znode]) -> Iterator[tuple[bytes, str, Znode]]:
    for znode in tree:
        yield znode.path.encode(), name, znode
