"""The ledger of a ConfigSync on the ensemble and the claim of its subtree: read, taken, and given back. I/O.

A claim says who pushes to a subtree. Claims form a tree of their own below `/zkoperator/claims`, with the path of the
claimed root. Of two claims that overlap, the lower one is made over the version of the upper one, and whoever makes the
upper one looks below again afterwards: so one of them notices the other. Every push checks the version of its claim.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.mirror.model.ledger import Ledger, decode_ledger, encode_ledger, fence
from zkoperator.mirror.model.names import CLAIMS, LEDGERS, OWN_ROOT, claim_path, ledger_path
from zkoperator.zk.paths import join, parent_of
from zkoperator.zk.port import (
    OPEN_ACL,
    Acl,
    Check,
    Create,
    Delete,
    MultiError,
    Node,
    NodeExistsError,
    NoNodeError,
    Operation,
    Set,
    Stat,
    Zk,
)

_EMPTY = Ledger(version=0, czxid=0, mzxid=0)


@dataclass(frozen=True, slots=True)
class Claimant:
    """The ConfigSync that pushes: what a claim says of it.

    Args:
        cluster: the Kubernetes that it lives in.
        ensemble: what its spec called the ensemble when it claimed, "" in claims from before that was written.
    """

    namespace: str
    name: str
    uid: str
    cluster: str = ""
    ensemble: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Standing(Enum):
    """What has become of the ConfigSync of a claim."""

    PUSHES = "it exists and pushes there, or nobody can tell"
    ELSEWHERE = "it exists, and does not push there any more"
    GONE = "it does not exist any more"


Judge = Callable[[Claimant, str], Awaitable[Standing]]
"""Tells the standing of a claimant of the subtree at this root."""


async def read_ledger(zk: Zk, uid: str) -> Ledger | None:
    """Return the ledger as it is now; None when there is none, or when its data is not a ledger."""
    try:
        node = await zk.get(ledger_path(uid))
    except NoNodeError:
        return None
    stat = node.stat
    return decode_ledger(node.data, version=stat.version, czxid=stat.czxid, mzxid=stat.mzxid)


async def take_ledger(
    zk: Zk, root: str, claimant: Claimant, judge: Judge, acl: tuple[Acl, ...], ledger: Ledger | None
) -> Ledger | Claimant:
    """Claim the subtree and write the ledger in one transaction; return the ledger, or who pushes there already.

    Pushes that are still under way elsewhere fail from now on. A znode that is no ledger (any more) becomes an empty
    one: whether that may be is for the planner to say, who is told of none.

    Raises:
        ConflictError: somebody wrote the ledger, or claimed, at the same time.
    """
    survey = _Survey(zk, claimant, judge)
    if (rival := await survey.claim(root)) is not None:
        return rival
    kept = fence(ledger) if ledger is not None else _EMPTY
    own = await _ledger_write(zk, ledger_path(claimant.uid), kept, ledger, acl)
    written = await _commit(zk, (*survey.operations, own))
    if (rival := await survey.rival_below(root)) is not None:
        await release_claim(zk, root, claimant.uid)
        return rival
    for uid in survey.gone:
        await _remove(zk, ledger_path(uid))
    version = survey.claim_version
    return replace(kept, version=written.version, czxid=written.czxid, mzxid=written.mzxid, claim_version=version)


async def rival_of(zk: Zk, root: str, claimant: Claimant, judge: Judge) -> Claimant | None:
    """Return who pushes to an overlapping subtree, without claiming anything."""
    survey = _Survey(zk, claimant, judge)
    return await survey.rival_above(root) or await survey.rival_below(root)


async def release(zk: Zk, root: str, uid: str) -> None:
    """Remove ledger and claim, whatever is left of them."""
    await _remove(zk, ledger_path(uid))
    await release_claim(zk, root, uid)


async def release_claim(zk: Zk, root: str, uid: str) -> None:
    """Remove the claim if it is this ConfigSync's, and the znodes that only held it."""
    path = claim_path(root)
    node = await _get(zk, path)
    if node is None or (owner := _owner(node.data)) is None or owner.uid != uid:
        return
    await zk.set(Set(path, b"", node.stat.version))
    while path != CLAIMS and await _remove(zk, path, if_empty=True):
        path = parent_of(path)


@dataclass(slots=True)
class _Survey:
    """Looks at the claims that overlap one root.

    Args:
        operations: what the transaction of a claim begins with.
        claim_version: of the claim once they are done.
        gone: ConfigSyncs that have a claim there and do not exist any more.
    """

    zk: Zk
    claimant: Claimant
    judge: Judge
    operations: list[Operation] = field(default_factory=list)
    claim_version: int = 0
    gone: set[str] = field(default_factory=set)

    async def claim(self, root: str) -> Claimant | None:
        """Collect the operations, or return who is in the way."""
        path, data = claim_path(root), _data(self.claimant)
        node = await _get(self.zk, path)
        if node is not None and node.data == data:
            self.operations.append(Check(path, node.stat.version))
            self.claim_version = node.stat.version
            return None
        if node is None:
            for parent in (OWN_ROOT, LEDGERS, CLAIMS):
                await _ensure(self.zk, parent)
            node = await _get(self.zk, path)
        if (rival := await self.rival_above(root) or await self.rival_below(root)) is not None:
            return rival
        self.operations.append(Create(path, data, OPEN_ACL) if node is None else Set(path, data, node.stat.version))
        self.claim_version = 0 if node is None else node.stat.version + 1
        return None

    async def rival_above(self, root: str) -> Claimant | None:
        """Return the first that pushes to a subtree around this one; a claim is made over the versions seen here."""
        for depth in range(1, root.count("/") + 1 if root != "/" else 1):
            path = claim_path("/".join(root.split("/")[:depth]) or "/")
            node = await _get(self.zk, path)
            if node is None:
                self.operations.append(Create(path, b"", OPEN_ACL))
            elif (rival := await self._live_owner(path, node.data)) is not None:
                return rival
            else:
                self.operations.append(_cleared(path, node))
        return None

    async def rival_below(self, root: str) -> Claimant | None:
        """Return the first that pushes to this subtree or to a part of it; the claims of others there are cleared."""
        path = claim_path(root)
        node = await _get(self.zk, path)
        if node is None:
            return None
        return await self._live_owner(path, node.data) or await self._rival_among_children(path, node)

    async def _rival_among_children(self, path: str, node: Node) -> Claimant | None:
        for name in (await self.zk.children(path)).names if node.stat.num_children > 0 else ():
            below = join(path, name)
            if (child := await _get(self.zk, below)) is None:
                continue
            rival = await self._live_owner(below, child.data) or await self._rival_among_children(below, child)
            if rival is not None:
                return rival
            if child.data:
                self.operations.append(_cleared(below, child))
        return None

    async def _live_owner(self, path: str, data: bytes) -> Claimant | None:
        owner = _owner(data)
        if owner is None or owner.uid == self.claimant.uid:
            return None
        standing = await self.judge(owner, path.removeprefix(CLAIMS) or "/")
        if standing is Standing.GONE:
            self.gone.add(owner.uid)
        return owner if standing is Standing.PUSHES else None


def _cleared(path: str, node: Node) -> Operation:
    return Set(path, b"", node.stat.version) if node.data else Check(path, node.stat.version)


async def _ledger_write(zk: Zk, path: str, kept: Ledger, known: Ledger | None, acl: tuple[Acl, ...]) -> Create | Set:
    if known is not None:
        return Set(path, encode_ledger(kept), known.version)
    stat = await zk.exists(path)
    return Create(path, encode_ledger(kept), acl) if stat is None else Set(path, encode_ledger(kept), stat.version)


async def _commit(zk: Zk, operations: tuple[Operation, ...]) -> Stat:
    """Return the stat of the last one."""
    try:
        committed = await zk.multi(operations)
    except MultiError as error:
        if isinstance(error.cause, ForbiddenError):
            path = operations[error.index].path
            raise ForbiddenError(f"{path}: the ensemble does not let this identity write the ledger") from error
        raise ConflictError("somebody else claimed, or wrote the ledger, at the same time") from error
    stat = committed.stats[-1]
    if stat is None:
        raise ConflictError("the ensemble gave no stat of the ledger")
    return stat


def _data(claimant: Claimant) -> bytes:
    document = {
        "namespace": claimant.namespace,
        "name": claimant.name,
        "uid": claimant.uid,
        "cluster": claimant.cluster,
        "ensemble": claimant.ensemble,
    }
    return json.dumps(document).encode()


async def _get(zk: Zk, path: str) -> Node | None:
    try:
        return await zk.get(path)
    except NoNodeError:
        return None


async def _ensure(zk: Zk, path: str) -> None:
    if await zk.exists(path) is None:
        try:
            await zk.create(Create(path, b"", OPEN_ACL))
        except NodeExistsError:
            return


async def _remove(zk: Zk, path: str, *, if_empty: bool = False) -> bool:
    """Delete the znode if it has neither children nor, by now, another version."""
    try:
        stat = await zk.exists(path)
        if stat is None or stat.num_children > 0 or (if_empty and stat.data_length > 0):
            return False
        await zk.delete(Delete(path, stat.version))
    except (ConflictError, ForbiddenError, NoNodeError):
        return False
    return True


def _owner(data: bytes) -> Claimant | None:
    try:
        document: dict[str, Any] = json.loads(data)
        return Claimant(
            str(document["namespace"]),
            str(document["name"]),
            str(document["uid"]),
            str(document.get("cluster", "")),
            str(document.get("ensemble", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
