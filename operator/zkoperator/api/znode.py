"""ZNode: a subtree of an ensemble for one tenant. Its spec and its status."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Conditions, Model, ObjectMeta
from zkoperator.api.rules import Rule, Rules, immutable, matching
from zkoperator.api.sync_fields import ZnodePath
from zkoperator.api.sync_source import GrantedClusterRef
from zkoperator.api.types import CONTROL_CHARACTERS, ObjectName, StorageSize

MAX_NAME_LENGTH = 250
"""Longest name of a ZNode: the Secret for its application has a longer one."""

_DIGEST = re.compile(r"^[^:]+:[A-Za-z0-9+/]{27}=$")
_Count = Annotated[int, Field(ge=0)]
_Path = Annotated[str, Field(max_length=1024)]


class ZNodeCredentials(StrEnum):
    """Whose credential opens the znode."""

    GENERATE = "Generate"
    """The operator makes one and puts it into the Secret `<name>-zk`."""
    NAMED = "Secret"
    """That in the Secret of `secretRef`."""
    NONE = "None"
    """Nobody's: everybody may do everything, unless `acl` says otherwise."""


class AclScheme(StrEnum):
    """How an entry of an ACL names whom it is for."""

    DIGEST = "digest"
    """User and password."""
    WORLD = "world"
    """Everybody."""
    IP = "ip"
    """Clients with this address, or with one of this network."""
    X509 = "x509"
    """Clients whose certificate has this subject."""


class ZNodeOnDelete(StrEnum):
    """What happens to the znodes when the ZNode is deleted."""

    RETAIN = "Retain"
    """They stay, with their ACLs and their quota."""
    DELETE_ZNODES = "DeleteZnodes"
    """The znode and everything below it are deleted, with the quota."""


class SecretRef(Model):
    """A Secret in the namespace of the ZNode."""

    name: ObjectName
    """Name of the Secret. It has the keys `username` and `password`."""


class TenantCredentials(Model):
    """Whose credential opens the znode, with all permissions there."""

    rules: ClassVar = (
        Rule(
            "write it with type: Secret, and leave it out with any other type",
            field="secretRef",
            # The API server checks the default of the whole, {}, before that of its field is in it.
            cel="has(self.secretRef) == (has(self.type) && self.type == 'Secret')",
            holds=lambda asked: (asked.secret_ref is not None) == (asked.type is ZNodeCredentials.NAMED),
        ),
    )

    type: ZNodeCredentials = ZNodeCredentials.GENERATE
    """`Generate`: the operator makes one. `Secret`: that of `secretRef`. `None`: none, and the znode is open to
    everybody unless `acl` has entries."""
    secret_ref: SecretRef | None = None
    """Only with type `Secret`: the Secret with the credential. The operator reads it, and never writes it."""


class AclEntry(Model):
    """Permissions for somebody besides the owner of the credential."""

    rules: ClassVar = (
        Rule(
            "write id, or with scheme digest secretRef; write none of them with scheme world, which is for everybody",
            cel="(self.scheme == 'world') == (!has(self.id) && !has(self.secretRef)) && !(has(self.id) && "
            "has(self.secretRef)) && (!has(self.secretRef) || self.scheme == 'digest')",
            holds=lambda entry: _names_one(entry),
        ),
        Rule(
            "write user:hash as the server computes it, without the password; or name a Secret by secretRef",
            field="id",
            cel=f"self.scheme != 'digest' || !has(self.id) || self.id.matches(r'{_DIGEST.pattern}')",
            holds=lambda entry: (
                entry.scheme is not AclScheme.DIGEST or entry.id is None or _DIGEST.match(entry.id) is not None
            ),
        ),
    )

    scheme: AclScheme
    """How `id` names whom the entry is for."""
    id: (
        Annotated[
            str,
            Field(min_length=1, max_length=512),
            Rules(matching(rf"[^{CONTROL_CHARACTERS}]+", "write whom the entry is for, without control characters")),
        ]
        | None
    ) = None
    """With `digest`: `user:hash`. With `ip`: an address, or a network such as `10.1.0.0/16`. With `x509`: the subject
    of a certificate."""
    secret_ref: SecretRef | None = None
    """With `digest`, instead of `id`: a Secret with `username` and `password`."""
    perms: Annotated[
        str,
        Field(min_length=1, max_length=5),
        Rules(
            matching(r"c?r?w?d?a?", "write some of the letters crwda in this order: create, read, write, delete, admin")
        ),
    ]
    """What is permitted: letters of `crwda` in this order, for create, read, write, delete and admin."""


def _names_one(entry: AclEntry) -> bool:
    named = [each for each in (entry.id, entry.secret_ref) if each is not None]
    if entry.scheme is AclScheme.WORLD:
        return not named
    return len(named) == 1 and (entry.secret_ref is None or entry.scheme is AclScheme.DIGEST)


class ZNodeQuota(Model):
    """The most that the znode and everything below it may be."""

    rules: ClassVar = (
        Rule(
            "write count, bytes or both",
            cel="has(self.count) || has(self.bytes)",
            holds=lambda quota: quota.count is not None or quota.bytes is not None,
        ),
    )

    count: Annotated[int, Field(ge=1, le=2_147_483_647)] | None = None
    """Number of znodes, the root included."""
    bytes: StorageSize | None = None
    """Size of the data of these znodes together, such as `50Mi`."""


class ZNodeSpec(Model):
    """A subtree of an ensemble, who may use it, and how large it may become."""

    rules: ClassVar = (
        Rule(
            "cannot be added or removed: data does not move; create another ZNode",
            field="path",
            cel="has(self.path) == has(oldSelf.path)",
        ),
    )

    cluster_ref: Annotated[
        GrantedClusterRef, Rules(immutable("data does not move to another ensemble; create another ZNode"))
    ]
    """The ZooKeeperCluster with the subtree. One of another namespace grants it by its `spec.grants`, with access
    `ReadWrite`."""
    path: (
        Annotated[
            ZnodePath,
            Rules(
                Rule(
                    "write the path of a subtree such as /apps/shop: the root belongs to everybody",
                    cel="self != '/'",
                    holds=lambda path: path != "/",
                ),
                immutable("data does not move; create another ZNode for another path"),
            ),
        ]
        | None
    ) = None
    """Absolute path of the znode. The default is `/<namespace>/<name>`. Missing parents are created, and nobody but the
    superuser may change those."""
    credentials: TenantCredentials = TenantCredentials()
    """Whose credential opens the znode."""
    acl: Annotated[tuple[AclEntry, ...], Field(max_length=32)] = ()
    """Further permissions on the znode. ZooKeeper inherits no ACL: what the application creates below has the ACL that
    the application gives it."""
    quota: ZNodeQuota | None = None
    """The most that the subtree may be, which the owner of the credential cannot raise. The ensemble enforces it with
    `spec.config.enforceQuota` of the ZooKeeperCluster."""
    on_delete: ZNodeOnDelete = ZNodeOnDelete.RETAIN
    """What happens to the znodes when the ZNode is deleted."""


class Binding(Model):
    """The Secret with which an application connects, as servicebinding.io defines it."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the Secret."""


class ZNodeUsage(Model):
    """How large the subtree is, as the ensemble counts it for the quota."""

    count: _Count
    """Number of znodes, the root included."""
    bytes: _Count
    """Size of their data."""


class ZNodeStatus(Model):
    """The subtree as the operator observed it."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """Generation of the spec that this status describes; -1 before the operator has seen the object."""
    operator: Annotated[str, Field(max_length=512)] | None = None
    """The operator that wrote this status last, named by its Lease: `namespace/name`."""
    path: _Path = ""
    """Absolute path of the znode."""
    connection_string: Annotated[str, Field(max_length=2048)] = ""
    """Address of the ensemble with the path, for applications: all their paths are then below it. Empty until the znode
    exists."""
    binding: Binding | None = None
    """The Secret with address, user name and password, only with credentials of type `Generate`."""
    usage: ZNodeUsage | None = None
    """How large the subtree is."""
    world_writable: _Count | None = None
    """Number of znodes below the path that everybody may change or delete, or give another ACL: the application created
    them so."""
    audited: _Count | None = None
    """Number of znodes below the path that were looked at for `worldWritable`, at most 1000."""
    conditions: Conditions = ()
    """Ready; Reconciling and Stalled, which repeat it for other tools."""


class ZNode(Model):
    """A subtree of an ensemble for one tenant: the znode, its ACL, a credential for it, and a quota."""

    rules: ClassVar = (
        Rule(
            f"write a shorter name, at most {MAX_NAME_LENGTH} characters: the name of its Secret begins with it",
            field="metadata.name",
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            holds=lambda znode: len(znode.metadata.name) <= MAX_NAME_LENGTH,
        ),
    )

    metadata: ObjectMeta
    spec: ZNodeSpec
    """A subtree of an ensemble, who may use it, and how large it may become. Ensemble and path cannot be changed."""
    status: ZNodeStatus = ZNodeStatus()
    """The subtree as the operator observed it."""
