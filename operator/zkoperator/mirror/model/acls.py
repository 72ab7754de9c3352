"""The ACL of a znode that a push creates. Pure."""

from typing import Final

from zkoperator.api.sync_source import ZnodeAcl
from zkoperator.zk.port import CREATOR_ACL, OPEN_ACL, Acl

INHERITED: Final[tuple[Acl, ...]] = ()
"""Stands in a creation for the ACL of the nearest parent that exists; it is read when the push is sent."""

_USE: Final = 0b01111
"""READ, WRITE, CREATE and DELETE: what a push needs of its own znodes."""
_HIDDEN_HASH: Final = ":x"


def acl_of(policy: ZnodeAcl) -> tuple[Acl, ...]:
    """Return the ACL that the spec asks for."""
    return {
        ZnodeAcl.PARENT: INHERITED,
        ZnodeAcl.CREATOR: CREATOR_ACL,
        ZnodeAcl.CREATOR_ALL_WORLD_READ: (*CREATOR_ACL, Acl(1, "world", "anyone")),
        ZnodeAcl.OPEN: OPEN_ACL,
    }[policy]


def acl_like(parent: tuple[Acl, ...], username: str | None) -> tuple[Acl, ...] | None:
    """Return the ACL of a new znode below a parent with this ACL, which lets `username` write it later.

    None when the parent's cannot be seen in full: the hash of another identity is hidden.
    """
    entries = tuple(_visible(entry, username) for entry in parent)
    if any(entry.scheme == "digest" and entry.id.endswith(_HIDDEN_HASH) for entry in entries):
        return None
    if username is None or any(_admits(entry, username) for entry in entries):
        return entries
    return (*entries, *CREATOR_ACL)


def _visible(entry: Acl, username: str | None) -> Acl:
    is_own = entry.scheme == "digest" and username is not None and entry.id == username + _HIDDEN_HASH
    return Acl(entry.perms, "auth", "") if is_own else entry


def _admits(entry: Acl, username: str) -> bool:
    is_ours = entry.scheme in ("auth", "world") or entry.id.startswith(f"{username}:")
    return is_ours and entry.perms & _USE == _USE
