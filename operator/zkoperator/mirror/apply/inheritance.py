"""Gives each znode that a push creates the ACL of its parent. I/O."""

from dataclasses import replace

from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.mirror.model.acls import INHERITED, acl_like
from zkoperator.zk.paths import parent_of
from zkoperator.zk.port import Acl, Create, Credential, NoNodeError, Operation, Zk

_ADVICE = "grant its identity the ADMIN permission there, or set spec.zookeeper.acl to another value than Parent"


class AclHiddenError(ForbiddenError):
    """The ACL of a parent cannot be read in full.

    Args:
        path: path of the znode that the push creates.
    """

    def __init__(self, path: str, parent: str) -> None:
        super().__init__(f"the ACL of {parent} cannot be read in full; {_ADVICE}")
        self.path = path


class ParentGoneError(ConflictError):
    """A parent that was read does not exist any more.

    Args:
        path: path of the znode that the push creates.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"the parent of {path} is gone")
        self.path = path


async def with_inherited_acls(
    zk: Zk, operations: tuple[Operation, ...], credential: Credential | None
) -> tuple[Operation, ...]:
    """Return the operations with an ACL in each creation. Inherited ACLs cost one read for each parent.

    Raises:
        AclHiddenError: the identity may not see the whole ACL of a parent.
        ParentGoneError: a parent does not exist any more.
    """
    username = credential.username if credential is not None else None
    made = {op.path for op in operations if isinstance(op, Create)}
    known: dict[str, tuple[Acl, ...] | None] = {}
    done: list[Operation] = []
    for op in operations:
        if not isinstance(op, Create) or op.acl != INHERITED:
            done.append(op)
            continue
        parent = _existing_parent(op.path, made)
        if parent not in known:
            known[parent] = await _read(zk, parent, username, op.path)
        if (acl := known[parent]) is None:
            raise AclHiddenError(op.path, parent)
        done.append(replace(op, acl=acl))
    return tuple(done)


def _existing_parent(path: str, made: set[str]) -> str:
    parent = parent_of(path)
    while parent in made:
        parent = parent_of(parent)
    return parent


async def _read(zk: Zk, parent: str, username: str | None, path: str) -> tuple[Acl, ...] | None:
    try:
        return acl_like((await zk.get_acl(parent)).entries, username)
    except NoNodeError as error:
        raise ParentGoneError(path) from error
    except ForbiddenError:
        return None
