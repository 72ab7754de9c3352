"""ACLs: those of a tenant's znode, and those of znodes that only the superuser may change. Pure."""

import base64
import hashlib
from typing import Final

from zkoperator.api.znode import AclEntry, AclScheme
from zkoperator.zk.port import OPEN_ACL, Acl, Credential

ALL: Final = 0b11111
_READ: Final = 1
_BITS: Final = {"r": _READ, "w": 2, "c": 4, "d": 8, "a": 16}

READ_ONLY: Final = (Acl(_READ, "world", "anyone"),)
"""Everybody may read, and only the superuser, whom no ACL holds, may do anything else."""
CLOSED: Final = (Acl(_READ, "digest", "super:-"),)
"""For nobody but the superuser: no password has this hash."""


def acl_of(owner: Credential | None, entries: tuple[tuple[AclEntry, Credential | None], ...]) -> tuple[Acl, ...]:
    """Return the ACL of a tenant's znode.

    Args:
        owner: the credential with all permissions, if any.
        entries: those of the spec, each with the credential in its Secret where it names one.
    """
    own = (Acl(ALL, "digest", digest_of(owner)),) if owner is not None else ()
    return (*own, *(_entry(entry, named) for entry, named in entries)) or OPEN_ACL


def digest_of(credential: Credential) -> str:
    """Return `user:` and the base64 SHA-1 of `user:password`, as ZooKeeper knows an identity."""
    # The algorithm is ZooKeeper's default and cannot be chosen here.
    text = f"{credential.username}:{credential.password}".encode()
    hashed = hashlib.sha1(text, usedforsecurity=False).digest()
    return f"{credential.username}:{base64.b64encode(hashed).decode()}"


def is_world_writable(acl: tuple[Acl, ...]) -> bool:
    """Return whether everybody may do more than read."""
    return any(entry.scheme == "world" and entry.perms & ~_READ for entry in acl)


def _entry(entry: AclEntry, named: Credential | None) -> Acl:
    perms = sum(_BITS[letter] for letter in entry.perms)
    if entry.scheme is AclScheme.WORLD:
        return Acl(perms, "world", "anyone")
    return Acl(perms, entry.scheme.value, digest_of(named) if named is not None else entry.id or "")
