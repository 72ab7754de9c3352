"""Claims a subtree and takes its ledger, and releases both. I/O. See `observe/claims.py`."""

import json
from dataclasses import replace

from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.mirror.model.ledger import Ledger, encode_ledger, fence
from zkoperator.mirror.model.names import CLAIMS, LEDGERS, OWN_ROOT, claim_path, ledger_path
from zkoperator.mirror.observe.claims import Claimant, ClaimSurvey, Judge, get_node, owner_of
from zkoperator.zk.paths import parent_of
from zkoperator.zk.port import (
    OPEN_ACL,
    Acl,
    Check,
    Create,
    Delete,
    MultiError,
    NodeExistsError,
    NoNodeError,
    Operation,
    Set,
    Stat,
    Zk,
)

_EMPTY = Ledger(version=0, czxid=0, mzxid=0)


async def take_ledger(
    zk: Zk, root: str, claimant: Claimant, judge: Judge, acl: tuple[Acl, ...], ledger: Ledger | None
) -> Ledger | Claimant:
    """Claim the subtree and fence the ledger in one transaction. Return the ledger, or the rival that pushes there.

    From then on, pushes in flight from other processes fail. Data that is not a ledger is replaced by an empty ledger:
    the planner treats it as a missing ledger, and has decided that the ConfigSync may go on.

    Raises:
        ConflictError: somebody wrote the ledger, or claimed, at the same time.
    """
    survey = ClaimSurvey(zk, claimant, judge)
    claim = await _claim_write(survey, root)
    if isinstance(claim, Claimant):
        return claim
    kept = fence(ledger) if ledger is not None else _EMPTY
    own = await _ledger_write(zk, ledger_path(claimant.uid), kept, ledger, acl)
    written = await _commit(zk, (*survey.operations, claim, own))
    if (rival := await survey.rival_below(root)) is not None:
        await release_claim(zk, root, claimant.uid)
        return rival
    for uid in survey.gone:
        await _remove(zk, ledger_path(uid))
    version = _version_after(claim)
    return replace(kept, version=written.version, czxid=written.czxid, mzxid=written.mzxid, claim_version=version)


async def release(zk: Zk, root: str, uid: str) -> None:
    """Remove ledger and claim, as far as they exist."""
    await _remove(zk, ledger_path(uid))
    await release_claim(zk, root, uid)


async def release_claim(zk: Zk, root: str, uid: str) -> None:
    """Remove the claim if it belongs to this ConfigSync, and then its empty parents."""
    path = claim_path(root)
    node = await get_node(zk, path)
    if node is None or (owner := owner_of(node.data)) is None or owner.uid != uid:
        return
    await zk.set(Set(path, b"", node.stat.version))
    while path != CLAIMS and await _remove(zk, path, if_empty=True):
        path = parent_of(path)


async def _claim_write(survey: ClaimSurvey, root: str) -> Check | Create | Set | Claimant:
    """Return the operation that makes (or checks) the claim, or the rival that prevents it."""
    zk, path, data = survey.zk, claim_path(root), _data(survey.claimant)
    node = await get_node(zk, path)
    if node is not None and node.data == data:
        return Check(path, node.stat.version)
    if node is None:
        for parent in (OWN_ROOT, LEDGERS, CLAIMS):
            await _ensure(zk, parent)
        node = await get_node(zk, path)
    if (rival := await survey.rival_above(root) or await survey.rival_below(root)) is not None:
        return rival
    return Create(path, data, OPEN_ACL) if node is None else Set(path, data, node.stat.version)


def _version_after(write: Check | Create | Set) -> int:
    """Return the version of the claim after the write. A new znode has version 0."""
    if isinstance(write, Create):
        return 0
    return write.version + 1 if isinstance(write, Set) else write.version


async def _ledger_write(zk: Zk, path: str, kept: Ledger, known: Ledger | None, acl: tuple[Acl, ...]) -> Create | Set:
    if known is not None:
        return Set(path, encode_ledger(kept), known.version)
    stat = await zk.exists(path)
    return Create(path, encode_ledger(kept), acl) if stat is None else Set(path, encode_ledger(kept), stat.version)


async def _commit(zk: Zk, operations: tuple[Operation, ...]) -> Stat:
    """Commit the operations. Return the stat of the last one."""
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


async def _ensure(zk: Zk, path: str) -> None:
    if await zk.exists(path) is None:
        try:
            await zk.create(Create(path, b"", OPEN_ACL))
        except NodeExistsError:
            return


async def _remove(zk: Zk, path: str, *, if_empty: bool = False) -> bool:
    """Delete the znode if it has no children and has not changed. Return whether it was deleted."""
    try:
        stat = await zk.exists(path)
        if stat is None or stat.num_children > 0 or (if_empty and stat.data_length > 0):
            return False
        await zk.delete(Delete(path, stat.version))
    except (ConflictError, ForbiddenError, NoNodeError):
        return False
    return True
