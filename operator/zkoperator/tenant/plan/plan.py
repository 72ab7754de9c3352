"""Decides for one ZNode that is not being deleted: one write, or what it waits for. Pure."""

from typing import Final

from zkoperator.api.reasons import ZNodeReason
from zkoperator.tenant.build.secret import binding_of
from zkoperator.tenant.model.access import Identity
from zkoperator.tenant.model.acl import CLOSED, READ_ONLY
from zkoperator.tenant.model.names import OWN_ROOT, RECORDS, record_path
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.observe.seen import Seen, Tree, ZnodeView, is_owned
from zkoperator.tenant.plan.owner import taken
from zkoperator.tenant.plan.progress import Plan, creating, wait
from zkoperator.tenant.plan.quota import quota_problem, quota_step
from zkoperator.tenant.plan.steps import Commit, CreateSecret, SetAcl, SetFinalizer, Step
from zkoperator.tenant.validate import ValidatedZNode
from zkoperator.zk.port import OPEN_ACL, Acl, Check, Create, Operation, Set

REST_S: Final = 60.0
"""When to look again at a ZNode that is in place: no watch tells of an ACL."""


def make_plan(znode: ValidatedZNode, seen: Seen) -> Plan:
    """Return what follows from one look."""
    if znode.deletes_znodes is not znode.has_finalizer:
        return Plan(SetFinalizer(wanted=znode.deletes_znodes))
    if seen.tree.records is None:
        return creating(_records(seen.tree))
    if (rival := taken(znode, seen.tree)) is not None:
        return wait(rival)
    if isinstance(seen.identity, Waiting):
        return wait(seen.identity)
    if seen.identity is None:
        return creating(CreateSecret(binding_of(znode, seen.door.endpoint)))
    if (step := _next_step(znode, seen.tree, seen.tree.records, seen.identity)) is not None:
        return creating(step)
    problem = quota_problem(znode, seen)
    message = f"clients connect to {seen.door.endpoint}{znode.path}"
    return Plan(report=problem or Waiting(ZNodeReason.IN_PLACE, message), look_again_s=REST_S)


def _next_step(znode: ValidatedZNode, tree: Tree, records: ZnodeView, identity: Identity) -> Step | None:
    if not is_owned(tree, znode.owner) or tree.root is None:
        return _claim(znode, tree, records, identity)
    acls = [(record_path(znode.path), tree.record, CLOSED), (znode.path, tree.root, identity.acl)]
    return next((step for step in (acl_step(*each) for each in acls) if step is not None), quota_step(znode, tree))


def acl_step(path: str, view: ZnodeView | None, acl: tuple[Acl, ...]) -> SetAcl | None:
    """Return the write that gives a znode this ACL, None when it has it or is not there."""
    if view is None or set(view.acl) == set(acl):
        return None
    return SetAcl(path, acl, view.aversion)


def _records(tree: Tree) -> Commit:
    """Create the parent of the records. ConfigSyncs without a credential keep theirs beside it, so its own is open."""
    own_root = () if tree.has_own_root else (Create(OWN_ROOT, b"", OPEN_ACL),)
    return Commit(((*own_root, Create(RECORDS, b"", CLOSED)),))


def _claim(znode: ValidatedZNode, tree: Tree, records: ZnodeView, identity: Identity) -> Commit:
    """Create record and znode at once, so that no crash leaves one without the other.

    The write of `RECORDS` makes the transaction fail if another path was recorded since.
    """
    place = record_path(znode.path)
    record: Operation = (
        Create(place, znode.owner.encode(), CLOSED) if tree.record is None else Check(place, tree.record.version)
    )
    parents = tuple(Create(path, b"", READ_ONLY) for path in tree.missing)
    root = () if tree.root is not None else (*parents, Create(znode.path, b"", identity.acl))
    return Commit(((Set(RECORDS, b"", records.version), record, *root),))
