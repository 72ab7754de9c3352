"""Whose a path is. Pure."""

from zkoperator.api.reasons import ZNodeReason
from zkoperator.tenant.model.acl import CLOSED
from zkoperator.tenant.model.names import RECORDS, record_path
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.observe.seen import Rival, Tree, is_owned
from zkoperator.tenant.validate import ValidatedZNode


def taken(znode: ValidatedZNode, tree: Tree) -> Waiting | None:
    """Return why the path is not the ZNode's, None when it is, or can become so."""
    if tree.records is not None and set(tree.records.acl) != set(CLOSED):
        return _taken(
            f"znode {RECORDS} was not made by the operator, so that what it says about owners proves nothing; the "
            f"owner of the ensemble deletes it as superuser (deleteall {RECORDS}), and the operator makes it anew"
        )
    if is_owned(tree, znode.owner):
        return None
    if tree.record is not None:
        return _recorded(znode, Rival(znode.path, tree.record.data.decode(errors="replace").strip()))
    if tree.rivals:
        return _recorded(znode, tree.rivals[0])
    if tree.root is None:
        return None
    hand_over = f"create {record_path(znode.path)} {znode.owner}"
    return _taken(
        f"znode {znode.path} exists and belongs to no ZNode; it is not taken over: choose another spec.path, or have "
        f"it deleted. To hand it over as it is, the owner of the ensemble runs as superuser: {hand_over}"
    )


def _recorded(znode: ValidatedZNode, rival: Rival) -> Waiting:
    """Strangers do not learn what other namespaces have."""
    namespace, _, name = rival.owner.partition("/")
    is_own = namespace == znode.meta.namespace
    whom = f"ZNode {name} of this namespace" if is_own else "a ZNode of another namespace"
    what = f"path {znode.path} belongs to {whom}"
    if rival.path != znode.path:
        where = f" ({rival.path})" if is_own else ""
        what = f"path {znode.path} is above or below the path of {whom}{where}"
    return _taken(
        f"{what}; choose another path. If that ZNode was deleted and its data is not needed, the owner of the ensemble "
        f"deletes both as superuser: the data, and its record below {RECORDS}"
    )


def _taken(message: str) -> Waiting:
    return Waiting(ZNodeReason.PATH_TAKEN, message)
