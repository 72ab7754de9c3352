"""The ledger of a ConfigSync on the ensemble: read, claimed, fenced and removed. I/O.

A claim says who pushes to a subtree. Claims form a tree of their own below `/zkoperator/claims`, with the path of the
claimed root. A claim bumps the version of every claim above it, so that two claims that overlap cannot both succeed.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from zkoperator.errors import ConflictError
from zkoperator.mirror.ledger import Ledger, decode_ledger, encode_ledger, fence
from zkoperator.mirror.names import CLAIMS, LEDGERS, OWN_ROOT, claim_path, ledger_path
from zkoperator.zk.paths import join, parent_of
from zkoperator.zk.port import (
    OPEN_ACL,
    Acl,
    Create,
    Delete,
    MultiError,
    NodeExistsError,
    NoNodeError,
    Operation,
    Set,
    Zk,
)

_EMPTY = Ledger(version=0, czxid=0, mzxid=0)


@dataclass(frozen=True, slots=True)
class Claimant:
    """The ConfigSync that pushes: what a claim says of it."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


IsAlive = Callable[[Claimant], Awaitable[bool]]


async def read_ledger(zk: Zk, uid: str) -> Ledger | None:
    """Return the ledger as it is now; None when there is none, or when its data is not a ledger."""
    try:
        node = await zk.get(ledger_path(uid))
    except NoNodeError:
        return None
    stat = node.stat
    return decode_ledger(node.data, version=stat.version, czxid=stat.czxid, mzxid=stat.mzxid)


async def fence_ledger(zk: Zk, uid: str, ledger: Ledger) -> Ledger:
    """Make the ledger ours: pushes that are still under way elsewhere fail from now on.

    Raises:
        ConflictError: somebody wrote it meanwhile.
    """
    fenced = fence(ledger)
    try:
        stat = await zk.set(Set(ledger_path(uid), encode_ledger(fenced), ledger.version))
    except NoNodeError as error:
        raise ConflictError("the ledger is gone") from error
    return replace(fenced, version=stat.version, mzxid=stat.mzxid)


async def claim(zk: Zk, root: str, claimant: Claimant, is_alive: IsAlive, acl: tuple[Acl, ...]) -> Ledger | Claimant:
    """Claim the subtree and create the ledger in one transaction; return the ledger, or who pushes there already.

    Raises:
        ConflictError: somebody claimed at the same time.
    """
    for path in (OWN_ROOT, LEDGERS, CLAIMS):
        await _ensure(zk, path)
    operations: list[Operation] = []
    rival = await _claim_above(zk, root, claimant, is_alive, operations) or await _rival_below(
        zk, claim_path(root), claimant, is_alive
    )
    if rival is not None:
        return rival
    operations.append(await _own_claim(zk, claim_path(root), claimant))
    operations.append(Create(ledger_path(claimant.uid), encode_ledger(_EMPTY), acl))
    try:
        committed = await zk.multi(operations)
    except MultiError as error:
        raise ConflictError("somebody else claimed at the same time") from error
    return replace(_EMPTY, czxid=committed.zxid, mzxid=committed.zxid)


async def release(zk: Zk, root: str, uid: str) -> None:
    """Remove ledger and claim, whatever is left of them."""
    await _remove(zk, ledger_path(uid))
    path = claim_path(root)
    node = await _get(zk, path)
    if node is None or (owner := _owner(node[0])) is None or owner.uid != uid:
        return
    await zk.set(Set(path, b"", node[1]))
    while path != CLAIMS and await _remove(zk, path):
        path = parent_of(path)


async def _claim_above(
    zk: Zk, root: str, claimant: Claimant, is_alive: IsAlive, operations: list[Operation]
) -> Claimant | None:
    """Touch every claim above, or return the first that is somebody's. A dead one's is cleared."""
    for depth in range(2, root.count("/") + 1):
        path = claim_path("/".join(root.split("/")[:depth]))
        node = await _get(zk, path)
        if node is None:
            operations.append(Create(path, b"", OPEN_ACL))
            continue
        owner = _owner(node[0])
        if owner is not None and owner.uid != claimant.uid and await is_alive(owner):
            return owner
        operations.append(Set(path, b"", node[1]))
    return None


async def _rival_below(zk: Zk, path: str, claimant: Claimant, is_alive: IsAlive) -> Claimant | None:
    node = await _get(zk, path)
    if node is None:
        return None
    owner = _owner(node[0])
    if owner is not None and owner.uid != claimant.uid and await is_alive(owner):
        return owner
    for name in (await zk.children(path)).names:
        if (rival := await _rival_below(zk, join(path, name), claimant, is_alive)) is not None:
            return rival
    return None


async def _own_claim(zk: Zk, path: str, claimant: Claimant) -> Operation:
    data = json.dumps({"namespace": claimant.namespace, "name": claimant.name, "uid": claimant.uid}).encode()
    node = await _get(zk, path)
    return Create(path, data, OPEN_ACL) if node is None else Set(path, data, node[1])


async def _get(zk: Zk, path: str) -> tuple[bytes, int] | None:
    try:
        node = await zk.get(path)
    except NoNodeError:
        return None
    return node.data, node.stat.version


async def _ensure(zk: Zk, path: str) -> None:
    if await zk.exists(path) is None:
        try:
            await zk.create(Create(path, b"", OPEN_ACL))
        except NodeExistsError:
            return


async def _remove(zk: Zk, path: str) -> bool:
    """Delete the znode if it has neither children nor, by now, another version."""
    stat = await zk.exists(path)
    if stat is None or stat.num_children > 0:
        return False
    try:
        await zk.delete(Delete(path, stat.version))
    except (ConflictError, NoNodeError):
        return False
    return True


def _owner(data: bytes) -> Claimant | None:
    try:
        document: dict[str, Any] = json.loads(data)
        return Claimant(str(document["namespace"]), str(document["name"]), str(document["uid"]))
    except (ValueError, KeyError, TypeError):
        return None
