"""Decides for one ZNode that is being deleted: its znodes go first, then the finalizer. Pure."""

from typing import Final

from zkoperator.api.reasons import ZNodeReason
from zkoperator.tenant.model.names import LIMITS, STATS, quota_path, record_path
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.observe.seen import Contents, Leaf, Seen, Tree, ZnodeView, is_owned
from zkoperator.tenant.plan.progress import Plan, wait
from zkoperator.tenant.plan.steps import Commit, SetFinalizer
from zkoperator.tenant.validate import ValidatedZNode
from zkoperator.zk.paths import join
from zkoperator.zk.port import Delete, Operation
from zkoperator.zk.request_sizes import REQUEST_LIMIT_BYTES, operation_bytes

_OPERATIONS: Final = 500
_BYTES: Final = REQUEST_LIMIT_BYTES // 2
_LETS_GO: Final = (ZNodeReason.CLUSTER_NOT_FOUND, ZNodeReason.NOT_GRANTED)
"""Reasons with which the operator can, or may, do nothing more to the znodes."""


def deletion_plan(znode: ValidatedZNode, seen: Seen | Waiting) -> Plan:
    """Return what follows from one look at a ZNode that is being deleted."""
    if not znode.has_finalizer:
        return Plan(look_again_s=float("inf"))
    if not znode.deletes_znodes:
        return _release()
    if isinstance(seen, Waiting):
        return _release(seen.message) if seen.reason in _LETS_GO else _cannot(znode, seen.reason, seen.message)
    if not is_owned(seen.tree, znode.owner):
        return _release()
    if seen.contents is not None and (held := _held(znode, seen.contents)) is not None:
        return held
    return _delete(znode, seen.tree, seen.contents.znodes if seen.contents is not None else ())


def _held(znode: ValidatedZNode, contents: Contents) -> Plan | None:
    if contents.ephemerals:
        names = ", ".join(contents.ephemerals)
        return _cannot(
            znode, ZNodeReason.IN_USE, f"sessions have ephemeral znodes below it ({names}): stop the application"
        )
    if contents.too_many:
        why = (
            "there are more below it than the operator deletes; look at them, and delete them by deleteall in zkCli.sh"
        )
        return _cannot(znode, ZNodeReason.DELETION_HELD, why)
    return None


def _delete(znode: ValidatedZNode, tree: Tree, leaves: tuple[Leaf, ...]) -> Plan:
    last = (*_quota(znode, tree), *_deleted(znode.path, tree.root), *_deleted(record_path(znode.path), tree.record))
    batches = (*_batches(tuple(Delete(leaf.path, leaf.version) for leaf in leaves)), last)
    message = f"znode {znode.path} and {len(leaves)} znodes below it are being deleted"
    return Plan(Commit(batches), Waiting(ZNodeReason.DELETING, message))


def _quota(znode: ValidatedZNode, tree: Tree) -> tuple[Operation, ...]:
    place, quota = quota_path(znode.path), tree.quota
    own = (*_deleted(join(place, LIMITS), quota.limits), *_deleted(join(place, STATS), quota.stats))
    return own if quota.deeper else (*own, *_deleted(place, quota.parent))


def _deleted(path: str, view: ZnodeView | None) -> tuple[Operation, ...]:
    return (Delete(path, view.version),) if view is not None else ()


def _batches(operations: tuple[Delete, ...]) -> tuple[tuple[Operation, ...], ...]:
    """Return the operations in transactions that the ensemble accepts, and that do not hold up others for long."""
    batches: list[list[Operation]] = []
    size = 0
    for operation in operations:
        more = operation_bytes(operation)
        if not batches or len(batches[-1]) >= _OPERATIONS or size + more > _BYTES:
            batches.append([])
            size = 0
        batches[-1].append(operation)
        size += more
    return tuple(tuple(batch) for batch in batches)


def _cannot(znode: ValidatedZNode, reason: ZNodeReason, why: str) -> Plan:
    let_go = (
        f"""kubectl patch znode {znode.meta.name} -n {znode.meta.namespace} --type=merge """
        """-p '{"spec":{"onDelete":"Retain"}}'"""
    )
    message = f"the znodes at {znode.path} are not deleted: {why}. To let go of the object and leave them: {let_go}"
    return wait(Waiting(reason, message))


def _release(left: str = "") -> Plan:
    return Plan(SetFinalizer(wanted=False), left=left, look_again_s=float("inf"))
