"""Reads what an ensemble has of a ZNode, as its superuser. I/O."""

import asyncio
from collections.abc import Iterable

from zkoperator.tenant.model.names import (
    LIMITS,
    OWN_ROOT,
    QUOTAS,
    RECORDS,
    STATS,
    overlap,
    parents_of,
    quota_path,
    record_path,
    recorded_path,
)
from zkoperator.tenant.observe.seen import QuotaView, Rival, Tree, ZnodeView
from zkoperator.zk.paths import join
from zkoperator.zk.port import NoNodeError, Zk


async def read_tree(zk: Zk, path: str) -> Tree:
    """Return what there is of the ZNode with this path.

    A write of somebody else between two reads is noticed by the version that each write of ours has.
    """
    await zk.sync(path)
    records = await _view(zk, RECORDS)
    return Tree(
        has_own_root=await zk.exists(OWN_ROOT) is not None,
        records=records,
        record=await _view(zk, record_path(path)),
        rivals=await _rivals(zk, path) if records is not None else (),
        root=await _view(zk, path),
        missing=await _missing(zk, parents_of(path)),
        quota=await _quota(zk, path),
    )


async def _view(zk: Zk, path: str) -> ZnodeView | None:
    try:
        acl, node = await asyncio.gather(zk.get_acl(path), zk.get(path))
    except NoNodeError:
        return None
    return ZnodeView(node.data, node.stat.version, acl.entries, acl.stat.aversion)


async def _missing(zk: Zk, paths: Iterable[str]) -> tuple[str, ...]:
    listed = tuple(paths)
    stats = await asyncio.gather(*(zk.exists(each) for each in listed))
    return tuple(each for each, stat in zip(listed, stats, strict=True) if stat is None)


async def _rivals(zk: Zk, path: str) -> tuple[Rival, ...]:
    names = (await zk.children(RECORDS)).names
    others = sorted(other for name in names if overlap(other := recorded_path(name), path) and other != path)
    views = await asyncio.gather(*(_view(zk, record_path(other)) for other in others))
    return tuple(
        Rival(other, view.data.decode(errors="replace"))
        for other, view in zip(others, views, strict=True)
        if view is not None
    )


async def _quota(zk: Zk, path: str) -> QuotaView:
    place = quota_path(path)
    parent, limits, stats = await asyncio.gather(
        _view(zk, place), _view(zk, join(place, LIMITS)), _view(zk, join(place, STATS))
    )
    above = parents_of(path)
    missing_limits = await _missing(zk, (join(quota_path(each), LIMITS) for each in above))
    limited = [each for each in above if join(quota_path(each), LIMITS) not in missing_limits]
    return QuotaView(
        missing=await _missing(zk, (*parents_of(place, QUOTAS), place)),
        parent=parent,
        limits=limits,
        stats=stats,
        deeper=parent is not None and bool({*await _children(zk, place)} - {LIMITS, STATS}),
        above=limited[-1] if limited else "",
    )


async def _children(zk: Zk, path: str) -> tuple[str, ...]:
    try:
        return (await zk.children(path)).names
    except NoNodeError:
        return ()
